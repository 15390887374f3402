"""The server's side of a connection: uvicorn's protocol, and what it leaves out."""

import time
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class Front(HttpToolsProtocol):
    """Notes in the scope's state when a request's bytes `arrived`; they are parsed, and wait their turn, after that."""

    def data_received(self, data: bytes) -> None:
        self._arrived = time.perf_counter()
        super().data_received(data)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        state: dict[str, Any] = self.scope["state"]
        state["arrived"] = self._arrived
