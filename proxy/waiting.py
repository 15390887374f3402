"""The worker while a Qdrant server is away or refuses it: it says so, waits, and goes on by itself."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from proxy.settings import Qdrant
from proxy.stores.vectors import VectorStoreError

T = TypeVar("T")

PAUSE_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0)
STEADY_SECONDS = 60.0
"""What went well for so long begins with the shortest pause again."""


class Waiting:
    """Tries again what the vector store has stopped; `tell` is given the reason each time that it is another."""

    def __init__(self, settings: Qdrant, tell: Callable[[str], None], stop: threading.Event):
        self._server = bool(settings.url)
        self._tell = tell
        self._stop = stop
        self._tries = 0

    def until_done(self, act: Callable[[], T]) -> T | None:
        """What `act` returns, which must begin anew from what is committed each time; None once told to stop.

        Raises VectorStoreError of the local mode: its files are mended by a person.
        """
        told = ""
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                return act()
            except VectorStoreError as error:
                if not self._server:
                    raise
                if time.monotonic() - began > STEADY_SECONDS:
                    self._tries, told = 0, ""
                if str(error) != told:
                    told = str(error)
                    self._tell(told)
                pause = PAUSE_SECONDS[min(self._tries, len(PAUSE_SECONDS) - 1)]
                self._tries += 1
                self._stop.wait(max(pause, error.after or 0.0))
        return None
