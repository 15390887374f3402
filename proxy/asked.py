"""What the worker's commands have in common."""

from typing import Protocol

from drift.records import Report
from proxy.population import Population
from proxy.stores.ledger import Changes
from proxy.stores.state import Models


class Scores(Protocol):
    """What commands need of the scorer."""

    cursor: int

    @property
    def models(self) -> Models: ...
    def learn(self, models: Models, changes: Changes) -> None: ...
    def report(self, population: Population, changes: Changes, *, look: bool = False) -> Report: ...


class Refused(Exception):
    """A command that cannot be done: an HTTP status and what to do."""

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status
