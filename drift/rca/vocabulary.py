"""Which words a language model may use: those that it was shown, and a few that claim nothing by themselves.

Any word can turn a true figure into a false sentence ("18 % of the answers decline, as they always did"), so words are
allowed one by one. What a model has to say about a drift needs few that are not in the facts.
"""

import re
import unicodedata
from collections.abc import Iterable

from drift.rca.examples import EXAMPLES
from drift.records import Severity

_WORD = re.compile(r"[^\W\d_]+(?:['\N{RIGHT SINGLE QUOTATION MARK}][^\W\d_]+)*")
_QUOTED = re.compile(r"“[^”]*”")

_PLAIN_WORDS = """
a an and are as at be been but by for from had has have in into is it its of on or since so than that the their them
these they this those to was were when where which while who with
about after again also before both did do does during each further here however now other same such then there
therefore thus together too
affects answer answers asked baseline because became become behaves behaviour cause caused causes causing change
changed changes changing come comes compared consistent current data declined detected diagnosis differ different
differs drift drifted due engineer evidence exchange exchanges explain explained explains fact facts found given gone
indicate indicates indicating indication involves latest likely main makes mean means median model models monitor moved
new observed occurred point points possible prompt prompts reason reflects report reported request requests responses
result results say says see seem seen seems severity share shift show showed showing shown shows suggest suggesting
suggests summary system traffic use used user users value went window
began begun happened started starts
"""
_UP_WORDS = """
above additional climbed exceeds gained grew grow grown grows growth higher increase increased increases increasing
jumped larger late later longer more raised rise risen rises rising rose slower up
"""
_DOWN_WORDS = """
below decrease decreased decreases decreasing down drop dropped drops earlier faster fell fewer lack less lost lower
lowered missing only reduced reduction short shorter shrank shrunk smaller under
"""
_SPECIFIC_WORDS = """
json valid code markdown lists tool tools calls template system parameters language characters tokens users http
"""
_NEGATING_WORDS = "no not never none nothing nobody neither nor without cannot hardly"

_PLAIN, _NEGATIONS = frozenset(_PLAIN_WORDS.split()), frozenset(_NEGATING_WORDS.split())
UP, DOWN = frozenset(_UP_WORDS.split()), frozenset(_DOWN_WORDS.split())
"""Words for a direction: allowed where something that was shown went that way."""
_SPECIFIC = frozenset(_SPECIFIC_WORDS.split())
"""Words that name what a figure is of: those of an example, or of a cause's name, must not stand for another."""
_SEVERITIES = frozenset(severity.lower() for severity in Severity)


def strange(text: str, shown: Iterable[str], *, label: str, severity: str, up: bool, down: bool) -> str | None:
    """The first word that may not be used, None where all may.

    shown are the lines that the model was given; words of others in quotes count for nothing. label is the cause's
    name, severity the one that may be named; up and down tell whether any figure of the lines went that way.
    """
    told = [words(_QUOTED.sub(" ", line)) for line in shown]
    lines = {word for line in told for word in line}
    # What a cause's name has in brackets are examples of it: "format break (JSON, code, markdown)".
    named = words(label.partition(" (")[0])
    allowed = (_PLAIN | _EXAMPLES) - _SPECIFIC | {severity.lower(), *named, *(f"{word}s" for word in named)}
    for way, free in ((UP, up), (DOWN, down)):
        allowed = allowed | way if free else allowed - way
    allowed = (allowed | lines) - (_SEVERITIES - {severity.lower()})
    said = words(_QUOTED.sub(" ", text))
    for place, word in enumerate(said):
        # "users who are not in the baseline" may be said again; a "not" of one's own turns a fact round.
        if word not in allowed or (word in _NEGATIONS and not _said(said[max(0, place - 1) : place + 2], told)):
            return word
    return None


def _said(phrase: list[str], lines: list[list[str]]) -> bool:
    size = len(phrase)
    return any(line[start : start + size] == phrase for line in lines for start in range(len(line) - size + 1))


def words(text: str) -> list[str]:
    """Words in lower case, as a reader takes them: letters that only look alike are no Latin ones, and stay strange."""
    return [word.lower() for word in _WORD.findall(unicodedata.normalize("NFKC", text))]


_EXAMPLES = frozenset(
    word
    for example in EXAMPLES.values()
    for text in (example.summary, example.diagnosis, example.cause.label, str(example.cause).replace("_", " "))
    for word in words(_QUOTED.sub(" ", text))
) - (UP | DOWN)
