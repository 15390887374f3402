"""[[ingest]]: one place that answers are collected from."""

from proxy.section import Section


class Ingest(Section, frozen=True):
    name: str
