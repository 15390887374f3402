"""Calls to a Qdrant server, repeated for a while where what went wrong may pass: each may be made twice."""

import json
import random
import time
from collections.abc import Callable
from typing import TypeVar

from qdrant_client.common.client_exceptions import QdrantException, ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from proxy.settings import Qdrant
from proxy.stores.qdrant_access import VectorStoreError
from proxy.stores.qdrant_errors import refused, unanswered

T = TypeVar("T")

_ANSWERS = QdrantException, UnexpectedResponse
# What the client raises where an answer is none of Qdrant's.
_OTHERS = json.JSONDecodeError, UnicodeDecodeError, AssertionError

FIRST_PAUSE_SECONDS = 0.2
PATIENCE_SECONDS = 10.0
"""Whoever waits longer says so: the worker cannot tell anything while it is in a call."""


def patiently(call: Callable[[], T], settings: Qdrant, *, key: bool, patience: float | None = None) -> T:
    """What the call returns. Raises VectorStoreError, when it is no use or takes too long to try again."""
    deadline = time.monotonic() + (PATIENCE_SECONDS if patience is None else patience)
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            return call()
        except (*_ANSWERS, *_OTHERS, ResponseHandlingException) as error:
            what = _translated(error, settings, key=key)
            # Of several workers that wait for the same server not all come back at once.
            seconds = pause * random.uniform(0.5, 1.0) if what.after is None else what.after
            if not what.passing or time.monotonic() + seconds > deadline:
                raise what from None
        time.sleep(seconds)
        pause *= 2


def _translated(error: Exception, settings: Qdrant, *, key: bool) -> VectorStoreError:
    if isinstance(error, QdrantException):
        # The client's own form of a 429 that says when to come again.
        after = str(error.retry_after_s) if isinstance(error, ResourceExhaustedResponse) else ""
        return refused(settings, 429, str(error).encode(), {"retry-after": after}, key=key)
    if isinstance(error, UnexpectedResponse):
        return refused(settings, error.status_code or 0, error.content, error.headers, key=key)
    source = error.source if isinstance(error, ResponseHandlingException) else error
    return unanswered(settings, source)
