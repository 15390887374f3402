"""[[canary]]: one set of prompts."""

from proxy.section import Section


class Canary(Section, frozen=True):
    name: str
