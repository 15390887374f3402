"""Which monitor an entry is of: what the client named, else its model; "other" past the limits."""

from collections.abc import Collection

from proxy.names import OTHER, wanted_name
from proxy.settings import Settings
from proxy.stores.canaries import PREFIX
from proxy.stores.log import Entry


class Naming:
    """The limits that the settings set to names."""

    def __init__(self, settings: Settings):
        self._limits = settings.monitors
        self._canaries = {canary.monitor for canary in settings.canary}

    def of(self, entry: Entry, known: Collection[str], *, answered: bool) -> str:
        """The name of an entry's monitor, where these are known already.

        Only an answer makes a name known: failures can name anything.
        """
        name = wanted_name(entry.monitor, entry.model)
        if name.startswith(PREFIX):
            # Those that are configured have a place of their own beyond the limits; nobody else may take their names.
            name = name if entry.monitor is not None and name in self._canaries else OTHER
        elif entry.monitor is not None and self._limits.allow and name not in self._limits.allow:
            name = OTHER
        if name in known or name == OTHER or name in self._canaries:
            return name
        full = sum(one != OTHER and not one.startswith(PREFIX) for one in known) >= self._limits.max
        return OTHER if full or not answered else name
