"""Which form of a report a client takes, as its Accept header says (RFC 9110, 12.5.1)."""

MARKDOWN, JSON = "text/markdown", "application/json"


def wants_markdown(accept: str) -> bool:
    """Whether Markdown is liked better than JSON; where both are liked as much, the one that is named is."""
    return _liking(accept, MARKDOWN) > _liking(accept, JSON)


def _liking(accept: str, kind: str) -> tuple[float, int]:
    """(quality, how closely the range names the type) of the range that names it most closely; (0, 0) without one."""
    closest = (0, 0.0)
    ranges = ("*/*", kind.partition("/")[0] + "/*", kind)
    for given in accept.lower().split(","):
        name, *parameters = (part.strip() for part in given.split(";"))
        if name in ranges:
            closest = max(closest, (ranges.index(name) + 1, _quality(parameters)))
    precision, quality = closest
    return (quality, precision) if quality else (0.0, 0)


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return min(1.0, max(0.0, float(value)))
            except ValueError:
                return 0.0
    return 1.0
