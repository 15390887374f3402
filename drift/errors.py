"""The few errors that callers act on."""


class DriftError(Exception):
    """Base of the errors below; the message says what to do."""


class TooFewSamples(DriftError):
    """A statistic was asked of fewer vectors than it is defined for."""


class BaselineTooSmall(DriftError):
    """A baseline was asked for with fewer samples than it can be made of."""


class EmbedderUnavailable(DriftError):
    """Nothing can be embedded: no weights could be loaded, or no server embeds; the message says where was looked."""


class EncoderChanged(DriftError):
    """The same texts have other vectors than before, under the same name."""


class EncoderMismatch(DriftError):
    """A baseline was made with another encoder than the one at hand."""


class UnknownFeature(DriftError):
    """A column was asked about that the report does not have; the message names those it has."""
