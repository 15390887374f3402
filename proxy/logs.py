"""Logs on standard error: readable on a terminal, JSON lines elsewhere. Never a header, a prompt or an answer."""

import asyncio
import logging
import sys

import structlog


def set_up(level: str) -> None:
    readable = sys.stderr.isatty()
    number = logging.getLevelNamesMapping()[level.upper()]
    processors: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if readable:
        processors.append(structlog.dev.ConsoleRenderer())
    else:
        processors += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # The server's own words; a stream that broke as the upstream's did, or was cut at the end, is no failure of this.
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("uvicorn.error").addFilter(_not_the_upstreams_fault)


def _not_the_upstreams_fault(record: logging.LogRecord) -> bool:
    from proxy.exchange import UpstreamBroke

    error = record.exc_info[1] if record.exc_info else None
    # The framework wraps what is raised after an answer has begun.
    return not any(isinstance(e, UpstreamBroke | asyncio.CancelledError) for e in (error, error and error.__cause__))
