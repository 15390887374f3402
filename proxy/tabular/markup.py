"""Texts from a table as HTML: inert, whatever they hold."""

from html import escape

from proxy.tabular.words import arrows, visible


def text(value: str) -> str:
    """Any text, safe inside an element or a quoted attribute."""
    return escape(visible(value))


def name(value: str) -> str:
    """A column's or category's name inside an element; it may break after an underscore. "" reads (empty)."""
    return text(value).replace("_", "_<wbr>") or "(empty)"


def direction(value: str) -> str:
    """A sentence or direction with real arrows for "->", and no line break within "0.1 % -> 2.3 %"."""
    return escape(arrows(value)).replace(" %", "&nbsp;%").replace(" → ", "&nbsp;→&nbsp;")
