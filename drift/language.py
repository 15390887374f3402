"""The language a text is written in, of fifty; None rather than a wild guess.

py3langid (Lui and Baldwin 2011, 2012: a naive Bayes over byte n-grams), as it is used here, against a rule of our own
of scripts and function words, on texts in 22 languages of chatterbot-corpus and 34 of Django's messages, one line or
four together. Right / none / wrong, in percent:

                  2,828 chat lines   1,011 x 4   5,326 messages   2,035 x 4
    py3langid          86 / 9 / 5    98 / 0 / 2      93 / 5 / 2   99 / 0 / 0
    function words    59 / 38 / 3    89 / 9 / 3     43 / 55 / 2   73 / 22 / 4

Two thirds of what is wrong in the chat lines is English in the Swedish file. Of 400 answers that are nothing but code,
none is given a language.
"""

import re
from functools import cache
from typing import Any

_READ = 600
"""Characters in which prose is looked for, after the code blocks of the first 2,400."""

_PROSE = 150
"""Characters of prose that are classified: the decision hardly changes with more, and time grows with them."""

_SURE = 0.4
"""Probability from which a language is named: of the guesses between .25 and .4, two in five are wrong."""

_LANGUAGES = (
    "ar bg bn ca cs da de el en es et eu fa fi fr gu he hi hr hu hy id is it ja ka kn ko lt lv mk ml mr nl no pa pl pt "
    "ro ru sk sl sq sr sv sw ta te th tl tr uk ur vi zh zxx"
)
"""zxx is no language: numbers, markup, identifiers. Of twins (Bosnian, Malay) the larger stands for both."""

_FENCED = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
_CODE_LINE = re.compile(
    r"(?:def|class|import|from|return|public|private|static|const|let|var|function|if|for|while|elif|else|try|with|print"
    r"|echo|using|package|select|int|void|struct)\b.*[(){}\[\]:;=<>$]|(?:#|//|/\*|</?[!a-zA-Z]|\{|\}|\$)|.*[;{}]$"
    r"|[\w.]{1,60} ?[-+*/]?= ?|[\w.]{1,60}\(|(?:do|done|fi|then|else|end|import [\w.]+)$|(?:SELECT|INSERT|CREATE)\b"
)
"""Keywords are in lower case: "If ..." begins a sentence."""

_NO_WORD = re.compile(r"[_/\\=<>{}()\[\]|@`\d]")
"""What code, links, markup and numbers hold, and words do not."""


def language(text: str) -> str | None:
    """ISO 639-1 code of the language of a text; None when it is too short, code, or in none of fifty languages.

    The weights are loaded at the first call: 1.3 CPU seconds and 87 MB, once a process.
    """
    lines = [line for raw in _FENCED.sub("\n", text[: 4 * _READ])[:_READ].splitlines() if (line := raw.strip())]
    prose = [line for line in lines if not _CODE_LINE.match(line)]
    if 2 * len(prose) < len(lines):
        return None
    words = _words(prose)
    if not words:
        return None
    code, probability = _identifier().classify(words)
    return str(code) if probability >= _SURE and code != "zxx" else None


def _words(lines: list[str]) -> str:
    """The first words that are no code, link or number."""
    words: list[str] = []
    characters = 0
    for word in (word for line in lines for word in line.split()):
        if characters >= _PROSE:
            break
        if not _NO_WORD.search(word):
            words.append(word)
            characters += len(word) + 1
    return " ".join(words)[:_PROSE]


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(_LANGUAGES.split())
    return identifier
