"""What a run over a source comes to, in words that say what to do."""

from collections import Counter
from collections.abc import Sequence

from proxy.ingest.checkpoints import BadLine

_WORDS = {
    "failed": ("failed as the log tells; it is counted", "failed as the log tells; they are counted"),
    "duplicate": ("was taken before", "were taken before"),
    "no_content": ("has no answer in it and cannot be scored", "have no answer in them and cannot be scored"),
    "malformed": ("could not be read", "could not be read"),
    "too_large": ("is too large", "are too large"),
    "unredacted": ("could not be redacted", "could not be redacted"),
    "skipped": ("is about something else", "are about something else"),
}
MOST_PROBLEMS = 3


def message_of(counts: Counter[str], problems: Sequence[str], errors: Sequence[BadLine]) -> str:
    """One or a few sentences; `problems` are about whole files or the source."""
    said = [*problems[:MOST_PROBLEMS]]
    if len(problems) > MOST_PROBLEMS:
        said.append(f"And {len(problems) - MOST_PROBLEMS} problems more.")
    logged = counts["logged"]
    if logged or not problems:
        said.append(f"{logged:,} exchange{'' if logged == 1 else 's'} logged." if logged else "Nothing new.")
    for result, (one, many) in _WORDS.items():
        if number := counts[result]:
            why = _why(result, errors)
            said.append(f"{number:,} record{f' {one}' if number == 1 else f's {many}'}{why}.")
    return " ".join(one if one.endswith((".", ")")) else f"{one}." for one in said)


def _why(result: str, errors: Sequence[BadLine]) -> str:
    """Where the last of them is and what is wrong with it."""
    last = next((error for error in reversed(errors) if error.result == result), None)
    if last is None or result in ("duplicate", "skipped", "failed"):
        return ""
    where = f"{last.file}:{last.line}" if last.line is not None else last.file
    return f" (the last: {where}: {last.why})"
