"""The decoder finds the same events wherever the stream is split and however its lines end."""

import random

import pytest

from proxy.sse import Decoder, Event

STREAM = (
    b"\xef\xbb\xbf: the upstream is loading a model\r\n\r\n"
    b'id: 1\r\ndata: {"text":"na\xc3\xafve \xf0\x9f\x8c\x8a"}\r\n\r\n'
    b"event: delta\ndata: first\ndata: second\n\n"
    b"retry: 10\rdata:no space\r\r"
    b"data: \xe2\x80\xa8 is a separator in text and nothing in a stream\n\n"
    b"data\n\ndata: [DONE]\n\n"
)
EVENTS = [
    Event(b"", '{"text":"naïve 🌊"}'.encode()),
    Event(b"delta", b"first\nsecond"),
    Event(b"", b"no space"),
    Event(b"", "\u2028 is a separator in text and nothing in a stream".encode()),
    Event(b"", b""),
    Event(b"", b"[DONE]"),
]


def decode(*chunks: bytes) -> list[Event]:
    decoder = Decoder()
    return [event for chunk in chunks for event in decoder.feed(chunk)] + decoder.close()


def test_events_of_the_specification():
    """A mark at the start, comments, ids, names, several data lines and all three line ends are understood."""
    assert decode(STREAM) == EVENTS


def test_two_chunks_split_anywhere_are_one_stream():
    for cut in range(len(STREAM) + 1):
        assert decode(STREAM[:cut], STREAM[cut:]) == EVENTS, cut


def test_one_byte_at_a_time_is_one_stream():
    assert decode(*(bytes([byte]) for byte in STREAM)) == EVENTS


def test_chunks_of_any_sizes_are_one_stream():
    draw = random.Random(1)
    for _ in range(300):
        cuts = sorted(draw.choices(range(len(STREAM) + 1), k=draw.randrange(2, 12)))
        assert decode(*(STREAM[a:b] for a, b in zip([0, *cuts], [*cuts, len(STREAM)], strict=True))) == EVENTS


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_an_event_is_given_as_soon_as_its_blank_line_came(end: bytes):
    """A blank line that ends in CR is not held back in case LF follows."""
    decoder = Decoder()
    assert decoder.feed(b"data: now" + end) == []
    assert decoder.feed(end) == [Event(b"", b"now")]
    assert decoder.close() == []


@pytest.mark.parametrize("rest", [b"", b"\n", b"\r", b"\r\n"])
def test_an_event_without_its_blank_line_is_given_at_the_end(rest: bytes):
    assert decode(b"data: last" + rest) == [Event(b"", b"last")]


def test_a_name_belongs_to_one_event():
    """A name without data makes no event, and does not pass on to the next."""
    assert decode(b"event: ping\n\ndata: x\n\n") == [Event(b"", b"x")]


def test_any_bytes_are_decoded():
    """No bytes raise, and splitting them changes nothing."""
    draw = random.Random(2)
    for _ in range(500):
        noise = bytes(draw.choices(b"data:event \r\n\xef\xbb\xbf\xff{}x", k=draw.randrange(80)))
        cut = draw.randrange(len(noise) + 1)
        assert decode(noise[:cut], noise[cut:]) == decode(noise)
