"""Where an HTTP/1.1 body ends: after its length, or with the last of its chunks."""

FRAMING = (b"content-length", b"transfer-encoding")
LAST_CHUNK = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body; an empty part is none, since an empty chunk would end the body."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""
