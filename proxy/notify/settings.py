"""[[notify]]: one channel that is told of trouble."""

from proxy.section import Section


class Notify(Section, frozen=True):
    name: str
