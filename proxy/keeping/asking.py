"""What a running Driftium is asked to do about what it keeps."""

from urllib.parse import quote

from proxy.client import OK, Failed, call, fail
from proxy.settings import Settings


def erase(settings: Settings, url: str | None, *, exchange: str | None, monitor: str | None) -> int:
    """Erase one of the two; returns the exit code."""
    here = url or f"http://{settings.server.host}:{settings.server.port}"
    path = (
        f"/exchanges/{quote(exchange, safe='')}"
        if exchange is not None
        else f"/monitors/{quote(monitor or '', safe='')}"
    )
    try:
        told = call(settings, "DELETE", here, path)
    except Failed as error:
        return fail(error)
    print(told["message"])
    return OK
