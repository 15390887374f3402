"""Whether what a language model wrote may stand in a report: each figure, id and cause must be the facts' own."""

import re
import unicodedata
from collections.abc import Mapping

import msgspec

from drift.figures import WORDED, Figure, figures, is_value, repeats
from drift.rca.records import Cause, Diagnosis, Triage
from drift.rca.vocabulary import strange
from drift.rca.wording import OPEN, candidates

_SHORTEST, _LONGEST = 30, 600
_QUOTED = re.compile(r"“[^”]*”")
_NAME = re.compile(r"(?<!\w)[^\W\d_][\w./\-]*\d[\w./\-]*|(?<!\w)(?=\w*[a-f])(?=\w*\d)[0-9a-f]{8,}(?!\w)")
"""Words with digits in them: names of models, digests."""
_AMOUNT = r"[-+]?[0-9]+(?:[.,][0-9]+)*(?:\s?%|\s?per ?cent)?"
_WENT = re.compile(rf"\b(?P<verb>\w+ )?from (?P<before>{_AMOUNT}) to (?P<after>{_AMOUNT})", re.IGNORECASE)
_ARROW = re.compile(rf"({_AMOUNT}) to ({_AMOUNT})")
_WHERE = re.compile(rf"({_AMOUNT})[^.;]{{0,120}}?\bwhere\b[^.;]{{0,40}}?({_AMOUNT})", re.IGNORECASE)
""" "18 % of the answers decline, where 1 % did": now, then before."""
_SPOKEN: dict[Cause, str] = {
    Cause.TOPIC_SHIFT: r"topics?\b|\bask(?:s|ed|ing)? (?:more |less )?(?:about|differently)",
    Cause.NEW_POPULATION: r"new (?:users?|population)|user population",
    Cause.MODEL_CHANGE: r"model (?:was |has been |is )?(?:swap|updat|replac|upgrad)\w*|(?:new|another|different) model",
    Cause.INSTRUCTIONS_CHANGE: r"system prompt|template|parameters?\b",
    Cause.VERBOSITY: r"verbos\w*|\b(?:longer|shorter)\b",
    Cause.REFUSALS: r"refus\w*|declin\w* (?:to|what|more|fewer)",
    Cause.FORMAT_BREAK: r"\bformat\w*|json|markdown",
    Cause.TRUNCATION: r"truncat\w*|token limit|cut (?:off|short)",
    Cause.LANGUAGE_SWITCH: r"\blanguage (?:switch|chang)\w*",
    Cause.DEGENERATE_OUTPUT: r"degenerat\w*|repeat(?:s|ed|ing)? (?:it|them)sel\w*|\bloops?\b|gibberish",
    Cause.PROVIDER_TROUBLE: r"latenc\w*|\bslow(?:er)?\b|time-?outs?|outage|provider",
}
"""How a text speaks of a cause."""
_GROUNDS: dict[Cause, tuple[str, ...]] = {
    Cause.TOPIC_SHIFT: ("topic:", "verdict", "table:"),
    Cause.NEW_POPULATION: ("sessions", "feature:prompt_language", "feature:prompt_characters", "table:"),
    Cause.MODEL_CHANGE: ("setting:", "mark:", "verdict"),
    Cause.INSTRUCTIONS_CHANGE: ("setting:", "template:", "feature:prompt_characters"),
    Cause.VERBOSITY: ("feature:response_characters", "feature:output_tokens"),
    Cause.REFUSALS: ("feature:refusal",),
    Cause.FORMAT_BREAK: ("feature:json", "feature:code", "feature:list", "feature:markdown", "feature:tool"),
    Cause.TRUNCATION: ("feature:truncated", "feature:finish_reason", "setting:"),
    Cause.LANGUAGE_SWITCH: ("feature:language",),
    Cause.DEGENERATE_OUTPUT: ("feature:repetition", "outcomes"),
    Cause.PROVIDER_TROUBLE: ("outcomes", "feature:first_chunk", "feature:duration", "feature:tokens_per"),
}
"""Which facts can carry a cause: one of them has to be cited for it."""


class Written(msgspec.Struct, frozen=True):
    """What the model is asked for."""

    summary: str
    diagnosis: str
    cause: Cause
    evidence: tuple[str, ...]


def read(content: bytes) -> Written:
    """A model's answer, its texts on one line each. Raises msgspec.MsgspecError, UnicodeError or RecursionError."""
    written = msgspec.json.decode(content, type=Written)
    summary, diagnosis = (" ".join(text.split()) for text in (written.summary, written.diagnosis))
    return msgspec.structs.replace(written, summary=summary, diagnosis=diagnosis)


def objection(written: Written, triaged: Triage, diagnosis: Diagnosis, shown: Mapping[str, str]) -> str | None:
    """Why an answer is not taken, None when it is."""
    if strange := next((one for one in written.evidence if one not in shown), None):
        return f"it cites {strange[:60]!r}, which is no evidence it was given"
    if not written.evidence:
        return "it cites nothing"
    allowed = candidates(diagnosis)
    if written.cause not in allowed:
        return f"it names the cause {written.cause}, where the evidence allows {' or '.join(allowed)}"
    grounds = _GROUNDS.get(written.cause, ("",))
    if written.cause is not diagnosis.cause and not any(one.startswith(grounds) for one in written.evidence):
        return f"it names {written.cause} and cites nothing that could show it"
    for text in (written.summary, written.diagnosis):
        if why := _form(text) or _content(text, triaged, diagnosis, shown) or _unfounded(text, shown):
            return why
    if not figures(_plain(written.diagnosis)):
        return "its diagnosis names no figure"
    words = _SPOKEN.get(written.cause)
    if words and not re.search(words, _QUOTED.sub("", written.diagnosis), re.IGNORECASE):
        return "its diagnosis does not say what the cause is"
    return "it says the same twice" if written.summary == written.diagnosis else None


def _form(text: str) -> str | None:
    if not _SHORTEST <= len(text) <= _LONGEST:
        return f"a text of it has {len(text)} characters, where {_SHORTEST} to {_LONGEST} are of use"
    if any(c in text for c in "{}[]`<>|#*_\\@") or "://" in text or "www." in text:
        return "it is not plain text"
    if not text.isprintable():
        return "it holds unprintable characters"
    if text[-1] not in ".!":
        return "it breaks off in the middle of a sentence"
    return "it repeats itself" if repeats(text) else None


def _content(text: str, triaged: Triage, diagnosis: Diagnosis, shown: Mapping[str, str]) -> str | None:
    changes = [change for line in shown.values() for change in _changes(_plain(line))]
    word = strange(
        _NAME.sub(" ", text),
        shown.values(),
        label=diagnosis.cause.label,
        severity=triaged.severity or "",
        up=any(after.value > before.value for before, after in changes),
        down=any(after.value < before.value for before, after in changes),
    )
    if word:
        return f"its word {word[:40]!r} goes beyond what it was told"
    lines = " ".join(shown.values())
    for name in (*_QUOTED.findall(text), *_NAME.findall(_QUOTED.sub("", text))):
        if name.rstrip(".") not in lines:
            return f"it quotes {name[:40]!r}, which it was not shown"
    spoken = {diagnosis.cause} if diagnosis.cause not in OPEN else {one.cause for one in diagnosis.suspects}
    said = _QUOTED.sub("“”", text)
    for cause, spelt in _SPOKEN.items():
        if cause not in spoken and (match := re.search(spelt, said, re.IGNORECASE)):
            return f"it speaks of {match[0]!r}, for which nothing speaks"
    return None


def _unfounded(text: str, shown: Mapping[str, str]) -> str | None:
    """The first figure that is in nothing that was shown, or the first change that is not there."""
    said = _plain(text)
    if odd := next((c for c in said if unicodedata.category(c)[0] == "N" and not c.isascii()), None):
        return f"figure {odd} cannot be checked"
    if worded := WORDED.search(said):
        return f"figure {worded[0]!r} cannot be checked"
    sources = [figures(_plain(line)) for line in shown.values()]
    begun = figures(_plain(shown.get("since", "")))
    claimed = []
    for figure in figures(said):
        if not any(_among(figure, own) for own in sources):
            return f"figure {figure.text} is not in the evidence"
        if not (_among(figure, begun) and re.search(rf"\b{re.escape(figure.text)} (?:answers|exchanges)\b", said)):
            claimed.append(figure)
    # Figures of two facts in one sentence make a claim that is neither's.
    if claimed and not any(all(_among(figure, own) for figure in claimed) for own in sources):
        return f"figures {claimed[0].text} and {claimed[-1].text} belong to different facts"
    return _turned(said, [change for line in shown.values() for change in _changes(_plain(line))])


def _among(figure: Figure, own: list[Figure]) -> bool:
    return any(figure.percent is one.percent and is_value(figure, one.value) for one in own)


def _turned(said: str, changes: list[tuple[Figure, Figure]]) -> str | None:
    """The first change, from before to now, that is none of the facts'."""
    for match in _WENT.finditer(said):
        before, after = _pair(match["before"], match["after"])
        if not any(is_value(before, a.value) and is_value(after, b.value) for a, b in changes):
            return f"nothing went {match[0]}"
    for after, before in (_pair(*match.groups()) for match in _WHERE.finditer(said)):
        # "since 83 answers ..., where 0 % did" compares nothing.
        if after.percent is before.percent and not any(
            is_value(before, a.value) and is_value(after, b.value) for a, b in changes
        ):
            return f"it was not {before.text} before and {after.text} now"
    return None


def _changes(line: str) -> list[tuple[Figure, Figure]]:
    """What a fact says went from where to where: "1 % -> 18 %", "18 % decline, where 1 % did"."""
    arrows = [_pair(*match.groups()) for match in _ARROW.finditer(line)]
    return arrows + [_pair(*match.groups())[::-1] for match in _WHERE.finditer(line)]


def _pair(before: str, after: str) -> tuple[Figure, Figure]:
    first, second = figures(before), figures(after)
    return first[0], second[0]


def _plain(text: str) -> str:
    """A text without words of others: what stands in quotes, and names with digits in them."""
    return _NAME.sub("_", _QUOTED.sub("“”", text))
