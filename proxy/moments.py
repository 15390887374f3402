"""Times as people read them."""

from datetime import UTC, datetime


def iso(at: float | None) -> str | None:
    """Unix seconds as UTC ISO 8601."""
    if at is None:
        return None
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds(moment: datetime | None) -> float | None:
    """Unix time; a moment without an offset is in UTC, wherever this server stands."""
    if moment is None:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
