"""Logs on standard error: readable on a terminal, JSON lines elsewhere. Never a header, a prompt or an answer.

There is no log file, and so nothing to rotate: whoever keeps standard error does that (systemd, a container's engine).
"""

import asyncio
import logging
import sys
from types import TracebackType

import structlog


def set_up(level: str) -> None:
    """Send what this program and its libraries log to standard error, all in the same form."""
    readable = sys.stderr.isatty()
    number = logging.getLevelNamesMapping()[level.upper()]
    common: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer()]
        if readable
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=common + last,
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    strip = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *common], processors=[strip, *last]
        )
    )
    logging.basicConfig(level=max(number, logging.WARNING), handlers=[handler])
    logging.getLogger("driftium").setLevel(number)
    # A stream that broke as the upstream's did, or was cut at the end, is no failure of this.
    logging.getLogger("uvicorn.error").addFilter(_not_the_upstreams_fault)
    logging.captureWarnings(True)
    if not readable:
        sys.excepthook = _log_uncaught


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """The end of this process, as one line too."""
    structlog.get_logger().error("it failed", exc_info=(kind, error, trace))


def _not_the_upstreams_fault(record: logging.LogRecord) -> bool:
    from proxy.exchange import UpstreamBroke

    error = record.exc_info[1] if record.exc_info else None
    # The framework wraps what is raised after an answer has begun.
    return not any(isinstance(e, UpstreamBroke | asyncio.CancelledError) for e in (error, error and error.__cause__))


def speak_plainly() -> None:
    """No progress bars among the lines, and what the model's libraries say in the same form as the rest."""
    from transformers.utils import logging as of_transformers

    of_transformers.disable_progress_bar()  # type: ignore[no-untyped-call]
    of_transformers.disable_default_handler()
    of_transformers.enable_propagation()
