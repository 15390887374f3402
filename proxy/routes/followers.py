"""Those who follow /events: each asks the history twice a second for as long as it stays."""

import contextlib
from collections.abc import Iterator

from proxy.routes.problems import Problem

MAX_FOLLOWERS = 100
RETRY_SECONDS = 30


class Followers:
    """Counts them."""

    def __init__(self) -> None:
        self._present = 0

    def check(self) -> None:
        """Raises Problem where one more would be too many."""
        if self._present >= MAX_FOLLOWERS:
            detail = f"{self._present} clients follow /events already. Close one, or come back later."
            raise Problem(503, detail, {"retry-after": str(RETRY_SECONDS)})

    @contextlib.contextmanager
    def one_more(self) -> Iterator[None]:
        self._present += 1
        try:
            yield
        finally:
            self._present -= 1
