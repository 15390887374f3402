"""The form of an answer: how much is code, lists and markdown, whether it is JSON, how far it repeats itself."""

import re

import msgspec

READ = 20_000
"""Characters that are read of a text, some 5,000 tokens: longer ones have shown their form by then."""

_LONGEST_JSON = 200_000
"""Characters up to which JSON is parsed."""

_FENCE = ("```", "~~~")
_LIST_LINE = re.compile(r"(?:[-*+\u2022\u2013]|\d{1,3}[.)])\s")
_MARKED_LINE = re.compile(r"#{1,6} |> |\||(?:---|\*\*\*|___)$|.*?(?:\*\*\S|__\S|`|\]\()")
_JSON_BLOCK = re.compile(r"```json[^\S\n]*\n", re.IGNORECASE)
"""Where the block begins; its end is searched for plainly, since endless blank lines are how JSON modes fail."""
_ASKS_JSON = re.compile(
    r"\b(?:respond|reply|answer|output|format(?:ted)?|response|provide|give)\b[^.\n]{0,60}?\b(?:in|as|with|only|valid|be)\b"
    r"[^.\n]{0,25}?\bjson\b|\b(?:only|valid|strict) json\b|\bjson (?:only|and nothing)\b",
    re.IGNORECASE,
)
_LEAST_WORDS = 20
_MOST_WORDS = 1_000
_GRAM = 4
_LEAST_CHARACTERS = 100
_MOST_CHARACTERS = 4_000
_CHARACTER_GRAM = 12
"""Where no spaces part the words: about as long as four of them."""


class Shares(msgspec.Struct, frozen=True):
    """How an answer is laid out, each 0 to 1."""

    code: float
    """Of its characters, those of fenced blocks."""
    lists: float
    """Of its lines that are not blank and not code, those that begin with a bullet or a number."""
    markdown: float
    """Of the same lines, those with a heading, a quote, a table, bold, inline code or a link."""


def shares(text: str) -> Shares:
    """The layout of the first 20,000 characters; all 0 for a blank text. A block without an end runs to the end."""
    text = text[:READ]
    code = lines = listed = marked = 0
    fence = ""
    for line in text.splitlines(keepends=True):
        bare = line.strip()
        if fence:
            code += len(line)
            if bare.startswith(fence):
                fence = ""
        elif bare.startswith(_FENCE):
            code += len(line)
            fence = bare[:3]
        elif bare:
            lines += 1
            item = _LIST_LINE.match(bare)
            listed += item is not None
            marked += _MARKED_LINE.match(bare, item.end() if item else 0) is not None
    return Shares(code / max(len(text), 1), listed / max(lines, 1), marked / max(lines, 1))


def is_json(text: str) -> bool:
    """Whether a text is one JSON object or array and nothing else. Longer than 200,000 characters: by its brackets."""
    text = text.strip()
    if text[:1] + text[-1:] not in ("{}", "[]"):
        return False
    if len(text) > _LONGEST_JSON:
        return True
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    return True


def holds_json(text: str) -> bool:
    """Whether a text is a JSON object or array, or has one in a block marked json."""
    if is_json(text):
        return True
    text = text[:_LONGEST_JSON]
    block = _JSON_BLOCK.search(text)
    end = text.find("```", block.end()) if block else -1
    return block is not None and end >= 0 and is_json(text[block.end() : end])


def asks_for_json(system: str, prompt: str) -> bool:
    """Whether an instruction plainly asks for JSON; the first and last 2,000 characters of each are read."""
    return any(_ASKS_JSON.search(part) for text in (system, prompt) for part in (text[:2_000], text[2_000:][-2_000:]))


def repetition(text: str) -> float | None:
    """1 - distinct / all groups of four words, of the first 1,000: 0 nothing said twice, near 1 caught in a loop.

    Of twelve characters, in the first 4,000, where hardly anything parts the words (Chinese, Japanese, one endless
    word). None for less than 20 words or 100 characters.
    """
    text = text[:READ].lower()
    words: list[str] | str = text.split()[:_MOST_WORDS]
    size = _GRAM
    if len(words) * 20 < len(text):
        words, size = text.strip()[:_MOST_CHARACTERS], _CHARACTER_GRAM
    if len(words) < (_LEAST_WORDS if size == _GRAM else _LEAST_CHARACTERS):
        return None
    if isinstance(words, str):
        groups: list[object] = [words[i : i + size] for i in range(len(words) - size + 1)]
    else:
        groups = list(zip(words, words[1:], words[2:], words[3:], strict=False))
    return 1.0 - len(set(groups)) / len(groups)
