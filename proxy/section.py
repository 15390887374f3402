"""What every table of config.toml is made of."""

from typing import Annotated

import msgspec
from msgspec import Meta

Port = Annotated[int, Meta(ge=0, le=65535)]
Count = Annotated[int, Meta(ge=1)]
# The end leaves out inf and nan, with which no clock can count.
Seconds = Annotated[float, Meta(gt=0, le=1e9)]


class ConfigError(Exception):
    """A setting that cannot be used, in one line: key, value and rule."""


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One table of config.toml. What each key means stands there."""
