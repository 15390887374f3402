"""Which monitor an exchange belongs to, by what the client named and by its model."""

OTHER = "other"
NAME_LENGTH = 100


def clean(name: str) -> str:
    """A name without control characters, of bounded length."""
    return "".join(c for c in name if c.isprintable())[:NAME_LENGTH].strip()


def wanted_name(monitor: str | None, model: str) -> str:
    """The monitor that an exchange would have where nothing limits the names."""
    return clean(monitor or "") or clean(model) or "unnamed"
