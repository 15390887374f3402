"""Times as people read them."""

from datetime import UTC, datetime


def iso(at: float | None) -> str | None:
    """Unix seconds as UTC ISO 8601."""
    if at is None:
        return None
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
