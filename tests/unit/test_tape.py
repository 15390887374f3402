import time
import uuid

from drift.records import Outcome
from proxy.recorder import entry
from proxy.tape import Tape, exchange_id

PATH = "/v1/chat/completions"


def test_an_exchange_id_is_a_uuid_of_version_7():
    """RFC 9562: milliseconds in the first 48 bits, then version and variant."""
    now = 1_700_000_000.123
    found = uuid.UUID(exchange_id(now))
    assert (found.version, found.variant) == (7, uuid.RFC_4122)
    assert found.int >> 80 == 1_700_000_000_123


def test_exchange_ids_are_unique_and_in_the_order_of_time():
    assert len({exchange_id(1.0) for _ in range(10_000)}) == 10_000
    later = [exchange_id(ms / 1000) for ms in range(0, 4_000_000_000, 99_999_999)]
    assert later == sorted(later)


def test_a_tape_holds_what_passed():
    tape = Tape(PATH, 100)
    tape.sent(b"ask")
    tape.sent(b"ed")
    tape.received(b"answered")
    assert (tape.request, tape.response, tape.size, tape.too_large) == ([b"ask", b"ed"], [b"answered"], 13, False)


def test_a_direction_beyond_the_bound_is_let_go_alone():
    """The other stays readable, the size counts only what is held, and the bound itself is within."""
    tape = Tape(PATH, 8)
    tape.sent(b"x" * 8)
    for _ in range(3):
        tape.received(b"12345")
    assert (tape.request, tape.response) == ([b"x" * 8], [])
    assert (tape.response_size, tape.size, tape.too_large) == (15, 8, True)


def test_a_skipped_tape_holds_nothing():
    """It still measures, and is never called too large: nobody wanted its bytes."""
    tape = Tape("/v1/embeddings", 8)
    tape.sent(b"x" * 20)
    tape.received(b"y" * 20)
    assert (tape.skip, tape.request, tape.response, tape.size, tape.too_large) == (True, [], [], 0, False)
    assert tape.first_chunk > 0


def test_the_first_chunk_keeps_its_time():
    tape = Tape(PATH, 100)
    tape.received(b"one")
    first = tape.first_chunk
    tape.received(b"two")
    assert tape.started <= first == tape.first_chunk <= time.perf_counter()


def test_the_log_entry_names_the_model_that_was_asked_for():
    tape = Tape(PATH, 100)
    tape.sent(b'{"model": ')
    tape.sent(b'"llama"}')
    tape.outcome = Outcome.CLIENT_CLOSED
    written = entry(tape)
    assert (written.id, written.model, written.outcome) == (tape.id, "llama", "client_closed")


def test_a_request_that_cannot_be_read_has_no_model():
    tape = Tape(PATH, 100)
    tape.sent(b"\xff\x00 not json")
    assert entry(tape).model == ""
