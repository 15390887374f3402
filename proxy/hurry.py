"""How long a request of the control plane may take to bring its body."""

import asyncio
import re
from typing import Any

from litestar.types import Receive

from proxy.routes.problems import Problem

TABLES = re.compile(r"/+api/monitoring/")
"""Paths whose bodies may be large: proxy/tabular/uploads.py has limits of its own for them."""


def hurried(receive: Receive, seconds: float) -> Receive:
    """The channel, with a Problem where the whole body has not come within `seconds`; what follows it may take long."""
    loop = asyncio.get_running_loop()
    deadline: float | None = loop.time() + seconds

    async def received() -> Any:
        nonlocal deadline
        if deadline is None:
            return await receive()
        try:
            async with asyncio.timeout_at(deadline):
                message: Any = await receive()
        except TimeoutError:
            detail = f"The body did not come within {seconds:g} s (server.client_seconds). Send it again, all at once."
            raise Problem(408, detail, {"connection": "close"}) from None
        if not message.get("more_body", False):
            deadline = None
        return message

    return received
