"""One run over a source: what is new there goes to the exchange log, and how it went to the history."""

import time
from collections.abc import Callable
from contextlib import nullcontext

import msgspec
import structlog
from sqlalchemy.exc import SQLAlchemyError

from proxy.alone import Busy, alone
from proxy.ingest.batch import Requests
from proxy.ingest.checkpoints import BadLine, Checkpoints, Status, begun
from proxy.ingest.entries import Maker
from proxy.ingest.errors import IngestError
from proxy.ingest.files import Found, listed, rotated
from proxy.ingest.reading import Reader
from proxy.ingest.room import room
from proxy.ingest.settings import Ingest
from proxy.ingest.sink import POLL_SECONDS, Observer, Sink, Stopped
from proxy.ingest.wording import message_of
from proxy.redaction import Redactor
from proxy.settings import Settings
from proxy.stores.history import History
from proxy.stores.log import Log

log = structlog.get_logger()

MOST_PROBLEMS = 20
LOST = ("malformed", "no_content", "too_large", "unredacted")

Pause = Callable[[float], object]


class Run:
    """`stop` says whether to end; `pause` waits so many seconds, or less when it is time to end.

    `wait` False: end where no worker runs, instead of waiting for one. `dry`: only look.
    """

    def __init__(
        self,
        source: Ingest,
        settings: Settings,
        history: History,
        exchange_log: Log,
        *,
        stop: Callable[[], bool],
        pause: Pause = time.sleep,
        observer: Observer | None = None,
        wait: bool = True,
        dry: bool = False,
    ):
        self._source = source
        self._settings = settings
        self._history = history
        self._log = exchange_log
        self._stop = stop
        self._pause = pause
        self._wait = wait
        self._dry = dry
        self._checkpoints = Checkpoints(history.engine, source.name)
        maker = Maker(source.name, source.monitor, settings.tap.max_bytes, Redactor(settings.privacy.redact))
        # A dry run leaves no trace, a data folder neither.
        status = begun(Status() if dry else self._checkpoints.status(), source)
        self._sink = Sink(
            self._checkpoints,
            status,
            maker,
            None if dry else exchange_log,
            self._room,
            observer,
            remember=bool(source.url),
        )
        self._problems: list[str] = []
        self._failed = False
        self._told_before = "" if dry else self._checkpoints.status().message

    @property
    def first_errors(self) -> list[BadLine]:
        """The first records of this run that could not be taken."""
        return self._sink.first_errors

    def run(self, files: list[Found] | None = None) -> Status:
        """Collect what is new; `files` in their order, else what the source's place holds.

        Raises SQLAlchemyError where the data folder cannot be written; what was taken until then is logged.
        """
        source, state = self._source, "idle"
        try:
            with nullcontext() if self._dry else alone(self._settings.data_dir, f"ingest-{source.name}"):
                if not self._dry:
                    self._checkpoints.write_status(self._sink.status)
                if source.url:
                    self._api()
                else:
                    self._files(files)
        except Stopped as error:
            # Whoever stopped it knows why.
            self._problems += [] if self._stop() else [f"Stopped: {error}"]
            self._sink.abandon()
        except Busy:
            # Whoever reads it now tells how it goes.
            why = f"{source.name} is being read by another process: wait until it is done."
            log.warning("a source is read already", source=source.name)
            return msgspec.structs.replace(self._sink.status, state="failed", message=why, problems=[why])
        except IngestError as error:
            state = "failed"
            self._problems.append(str(error))
            self._sink.abandon()
        return self._end("failed" if self._failed and not self._sink.total else state)

    def _end(self, state: str) -> Status:
        counts = self._sink.total
        message = message_of(counts, self._problems, self._sink.status.errors)
        status = msgspec.structs.replace(
            self._sink.status,
            state=state,
            message=message,
            ended_at=time.time(),
            last=dict(counts),
            problems=self._problems[:MOST_PROBLEMS],
        )
        if self._dry:
            return status
        self._checkpoints.write_status(status)
        lost = {name: counts[name] for name in LOST if counts[name]}
        if (lost or self._problems) and message != self._told_before:
            log.warning("not all could be collected", source=self._source.name, reason=message, **lost)
        elif counts["logged"]:
            log.info("exchanges were collected", source=self._source.name, **counts)
        return status

    def _room(self) -> int:
        """How many exchanges may be logged now, once there is room. Raises Stopped."""
        while True:
            now = room(self._settings, self._history, self._log)
            if now.exchanges:
                return now.exchanges
            if self._stop() or (now.no_worker and not self._wait):
                raise Stopped(now.why)
            self._sink.waits(now)
            self._pause(POLL_SECONDS)

    def _files(self, files: list[Found] | None) -> None:
        source = self._source
        known = [] if self._dry else self._checkpoints.files()
        there = listed(source.path) if files is None else files
        if not there:
            self._problems.append(f"No file is at {source.path} (yet).")
        beside = rotated(known, there) if files is None else []
        reader = Reader(source, self._sink, self._stop, Requests([*beside, *there], source.max_line_bytes))
        unchanged = {(one.place, one.version) for one in known}
        for found in [*beside, *there]:
            if (found.place, found.version) in unchanged:
                continue
            try:
                if checkpoint := reader.read(found, known):
                    known = [one for one in known if (one.place, one.head) != (checkpoint.place, checkpoint.head)]
                    known.append(checkpoint)
            except (Stopped, SQLAlchemyError):
                raise
            except Exception as error:
                # Each store raises what its own library does.
                if not isinstance(error, IngestError | OSError) and "://" not in found.path:
                    raise
                self._failed = True
                self._problems.append(f"{found.path}: {error}")
        if files is not None:
            self._problems += [f"{line} breaks off; run again once it is whole" for line in reader.unfinished]
        elif not self._dry:
            self._checkpoints.forget_files([one.place for one in there])

    def _api(self) -> None:
        from proxy.ingest.api import collect  # Which alone needs an HTTP client.

        collect(self._source, self._sink, stop=self._stop, pause=self._pause)
