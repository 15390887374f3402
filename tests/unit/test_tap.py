import threading
import time
from collections.abc import Callable, Iterator

import pytest

from proxy.settings import Tap as TapSettings
from proxy.tap import Tap
from proxy.tape import Tape

Start = Callable[..., Tap]


class Disk:
    """A writer that can be held up, or refuse."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.free.set()
        self.entered = threading.Event()
        self.failing = False
        self.tapes: list[Tape] = []
        self.totals: dict[str, int] = {}

    def write(self, tapes: list[Tape], totals: dict[str, int]) -> None:
        self.entered.set()
        assert self.free.wait(10)
        if self.failing:
            raise OSError("no space left")
        self.tapes += tapes
        self.totals = totals


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def start(disk: Disk) -> Iterator[Start]:
    taps: list[Tap] = []

    def start(totals: dict[str, int] | None = None, **settings: float) -> Tap:
        tap = Tap(TapSettings(flush_seconds=0.01, **settings), disk.write, lambda _: None, totals or {})
        tap.start()
        taps.append(tap)
        return tap

    yield start
    disk.free.set()
    for tap in taps:
        tap.close()


def tape(size: int = 1, *, skip: bool = False) -> Tape:
    made = Tape("/v1/chat/completions", 2**20)
    made.skip = skip
    made.sent(b"x" * size)
    return made


def test_what_is_offered_is_written_in_order_once(start: Start, disk: Disk):
    tap = start()
    offered = [tape() for _ in range(500)]
    for one in offered:
        tap.offer(one)
    tap.close()
    assert disk.tapes == offered
    assert disk.totals == tap.totals == {"logged": 500, "dropped": 0, "skipped": 0}


def test_a_full_queue_drops_and_counts_and_never_waits(start: Start, disk: Disk):
    tap = start(max_exchanges=10)
    disk.free.clear()
    started = time.perf_counter()
    for _ in range(25):
        tap.offer(tape())
    assert time.perf_counter() - started < 0.5
    assert (tap.pending, tap.totals["dropped"]) == (10, 15)
    disk.free.set()
    tap.close()
    assert disk.totals == {"logged": 10, "dropped": 15, "skipped": 0}


def test_the_queue_is_bounded_in_bytes_too(start: Start, disk: Disk):
    """A small exchange still fits where a large one did not, and written bytes make room again."""
    tap = start(max_pending_bytes=1000)
    disk.free.clear()
    for size in (600, 600, 400, 1):
        tap.offer(tape(size))
    assert (tap.pending, tap.totals["dropped"]) == (2, 2)
    disk.free.set()
    disk.entered.clear()
    while tap.pending:
        assert disk.entered.wait(10)
    tap.offer(tape(1000))
    tap.close()
    assert [one.request_size for one in disk.tapes] == [600, 400, 1000]


def test_a_skipped_exchange_is_counted_and_let_go(start: Start, disk: Disk):
    tap = start()
    tap.offer(tape(skip=True))
    tap.close()
    assert (disk.tapes, disk.totals["skipped"]) == ([], 1)


def test_what_is_no_exchange_is_not_counted_as_skipped(start: Start):
    tap = start()
    tap.offer(Tape("/v1/models", 100))
    assert tap.totals["skipped"] == 0


def test_a_disk_that_refuses_costs_nothing_until_the_queue_is_full(start: Start, disk: Disk):
    """The error is told, the tapes wait, and none is lost or written twice once the disk is well again."""
    tap = start(max_exchanges=3)
    disk.failing = True
    waiting = [tape() for _ in range(3)]
    for one in waiting:
        tap.offer(one)
    for _ in range(2):  # the second call is entered after the first has failed
        disk.entered.clear()
        assert disk.entered.wait(10)
    assert (tap.error, tap.pending, tap.totals["logged"]) == ("no space left", 3, 0)
    tap.offer(tape())
    assert tap.totals["dropped"] == 1
    disk.failing = False
    tap.close()
    assert (disk.tapes, tap.error) == (waiting, "")
    assert disk.totals == {"logged": 3, "dropped": 1, "skipped": 0}


def test_totals_go_on_from_where_the_log_left_off(start: Start, disk: Disk):
    tap = start({"logged": 7, "dropped": 2, "skipped": 1})
    tap.offer(tape())
    tap.close()
    assert disk.totals == {"logged": 8, "dropped": 2, "skipped": 1}


def test_closing_without_a_start_is_harmless(disk: Disk):
    """As when the process ends before it has begun to serve."""
    Tap(TapSettings(), disk.write, lambda _: None, {}).close()
