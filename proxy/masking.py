"""Patterns whose matches are masked: in a text, in a text that came in pieces, and in every string of JSON values."""

import json
import time
from collections.abc import Sequence
from typing import Any

import regex  # type: ignore[import-untyped]

from proxy.section import ConfigError

MASK = "[redacted]"

SECONDS = 2.0
"""Longest that all patterns may take over one exchange: some take for ever on some texts."""

WHOLE = {"id", "object", "model", "role", "type", "name", "finish_reason", "done_reason", "created_at", "event"}
"""Fields that each part of a stream repeats: their values are no pieces of one text."""

_Place = tuple[Any, Any, str]
"""A container, the key or position in it, and the string that lies there."""


class TooSlow(Exception):
    """The patterns take longer over these texts than they may."""


class Masks:
    """Compiled patterns. Raises ConfigError for one that cannot be used."""

    def __init__(self, patterns: Sequence[str]):
        self._patterns = [_compiled(pattern) for pattern in patterns]

    def begin(self) -> "Masking":
        """Masking within the time that one exchange may take."""
        return Masking(self._patterns, time.monotonic() + SECONDS)


def _compiled(pattern: str) -> Any:
    try:
        compiled = regex.compile(pattern)
    except regex.error as error:
        raise ConfigError(f"privacy.redact = {pattern!r}: is no regular expression: {error}") from None
    if compiled.search(""):
        raise ConfigError(f"privacy.redact = {pattern!r}: matches the empty text, and so everywhere")
    return compiled


class Masking:
    """One exchange's masking. Every method raises TooSlow once its time is over."""

    def __init__(self, patterns: Sequence[Any], deadline: float):
        self._patterns = patterns
        self._deadline = deadline
        # Of keys and of what each part of a stream repeats; no longer than the exchange.
        self._known: dict[str, str] = {}

    def in_time(self) -> None:
        if time.monotonic() > self._deadline:
            raise TooSlow

    def word(self, text: str) -> str:
        """A text that is likely to come again, masked."""
        if (masked := self._known.get(text)) is None:
            masked = self._known[text] = self.text(text)
        return masked

    def text(self, text: str) -> str:
        return self.pieces([text])[0]

    def pieces(self, pieces: Sequence[str]) -> list[str]:
        """A text that came in pieces, masked in its whole; a mask stands in the piece where its match begins."""
        text = "".join(pieces)
        if (inner := self._json_text(text)) is not None:
            return [inner, *("" for _ in pieces[1:])]
        spans = self._spans(text)
        if not spans:
            return list(pieces)
        masked, start, first = [], 0, 0
        for piece in pieces:
            self.in_time()
            end, at = start + len(piece), start
            kept: list[str] = []
            # Both are in order: spans that ended before this piece are never looked at again.
            while first < len(spans) and spans[first][0] < end:
                low, high = spans[first]
                kept += (text[at:low], MASK) if low >= start else ()
                at = min(high, end)
                if high > end:
                    break
                first += 1
            masked.append("".join(kept) + text[at:end])
            start = end
        return masked

    def _spans(self, text: str) -> list[tuple[int, int]]:
        """Where matches lie, in their order; those that touch or overlap are one."""
        found: list[tuple[int, int]] = []
        for pattern in self._patterns:
            self.in_time()
            left = max(0.001, self._deadline - time.monotonic())
            try:
                # The interpreter's lock is let go of meanwhile: requests must not wait for it.
                for match in pattern.finditer(text, timeout=left, concurrent=True):
                    self.in_time()
                    low, high = match.span()
                    if high > low:
                        found.append((low, high))
            except TimeoutError:
                raise TooSlow from None
        merged: list[tuple[int, int]] = []
        for low, high in sorted(found):
            if merged and low <= merged[-1][1]:
                merged[-1] = merged[-1][0], max(high, merged[-1][1])
            else:
                merged.append((low, high))
        return merged

    def _json_text(self, text: str) -> str | None:
        """A text that is JSON itself, as tools' arguments are, when something in it is masked; else None.

        Its own escapes could hide what is looked for.
        """
        if "\\" not in text or text.lstrip()[:1] not in ("{", "["):
            return None
        try:
            before = json.loads(text)
        except ValueError:
            return None
        after = self.values([json.loads(text)])[0]
        return json.dumps(after) if after != before else None

    def values(self, values: list[Any]) -> list[Any]:
        """JSON values, changed in place, of which the strings at the same place are pieces of one text."""
        places: dict[tuple[Any, ...], list[_Place]] = {}
        self._collect(values, (), places, top=True)
        for path, found in places.items():
            self.in_time()
            if path[-1] in WHOLE:
                masked = [self.word(text) for _, _, text in found]
            elif len(found) == 1:
                masked = [self.text(text) for _, _, text in found]
            else:
                masked = self.pieces([text for _, _, text in found])
            for (container, key, _), text in zip(found, masked, strict=True):
                container[key] = text
        return values

    def _collect(
        self, value: Any, path: tuple[Any, ...], places: dict[Any, list[_Place]], *, top: bool = False
    ) -> None:
        self.in_time()
        if isinstance(value, dict):
            for key in list(value):
                if (masked := self.word(key)) != key:
                    value[masked] = value.pop(key)
            items = [(key, key, one) for key, one in value.items()]
        else:
            # Choices and tool calls of a stream say which one they are of; the values of a stream are one text.
            items = [(i, "" if top else _position(one, i), one) for i, one in enumerate(value)]
        for key, name, one in items:
            here = (*path, name)
            if isinstance(one, str):
                places.setdefault(here, []).append((value, key, one))
            elif isinstance(one, dict | list):
                self._collect(one, here, places)


def _position(value: Any, position: int) -> int:
    index = value.get("index") if isinstance(value, dict) else None
    return index if isinstance(index, int) else position
