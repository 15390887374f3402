"""What callers act on."""


class IngestError(Exception):
    """A source or a file of it cannot be read; the message says why and what to do."""
