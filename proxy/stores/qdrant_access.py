"""How a Qdrant server is reached: its address, its key, the certificates it is checked with."""

import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

from proxy.settings import Qdrant

PORT = 6333


class VectorStoreError(Exception):
    """The vector store cannot be opened, read or written; the message says what to do."""

    def __init__(self, message: str, *, passing: bool = False, after: float | None = None):
        super().__init__(message)
        self.passing = passing
        """Whether it may be over when it is tried again soon."""
        self.after = after
        """Seconds after which the server wants to be asked again, where it said so."""


def address(settings: Qdrant) -> str:
    """The server's address, with Qdrant's own port where it names none."""
    parts = urlsplit(settings.url.rstrip("/"))
    return parts.geturl() if parts.port else parts._replace(netloc=f"{parts.netloc}:{PORT}").geturl()


def shown(settings: Qdrant) -> str:
    """The server's address as it was set."""
    return settings.url.rstrip("/")


def key_of(settings: Qdrant, environ: Mapping[str, str]) -> str | None:
    """The server's key. Raises VectorStoreError for one that no request can carry; it is never shown."""
    # A key that was read from a file often has a line break at its end.
    key = environ.get(settings.api_key_env, "").strip()
    if not all("!" <= character <= "~" for character in key):
        raise VectorStoreError(
            f"{settings.api_key_env} (not shown) must be printable ASCII characters without a space."
        )
    return key or None


def tls_of(settings: Qdrant) -> ssl.SSLContext | bool:
    """What certificates are checked with. Raises VectorStoreError for a file that holds none."""
    if not settings.ca_file:
        return True
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except (OSError, ssl.SSLError) as error:
        reason = "no certificate in PEM form" if isinstance(error, ssl.SSLError) else error.strerror
        raise VectorStoreError(f"qdrant.ca_file = {settings.ca_file!r}: cannot be used: {reason}.") from None
