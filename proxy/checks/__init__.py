"""What `driftium doctor` looks at. A check is a function from the settings to its findings; none changes anything:

no folder is made, no model loaded, nothing downloaded.
"""

from typing import Literal

import msgspec

Mark = Literal["ok", "warning", "error"]

ASK_SECONDS = 2.0
"""Longest wait for another server."""


class Finding(msgspec.Struct, frozen=True):
    """What was found of a part; `mend` is the command or setting that puts it right."""

    mark: Mark
    part: str
    found: str
    mend: str = ""
