"""`driftium tabular`."""

import re
import sys
from pathlib import Path

import rich_click as click

from proxy.cli_options import json_option

_ENGINE = re.compile(r"pandas|dask(://)?|(dask|tls)://[^/\s:]+:\d{1,5}|(dask|tls)://\[[0-9a-fA-F:]+\]:\d{1,5}")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)i?B?", re.IGNORECASE)
_LEAST_BYTES = 256 * 2**20


def _engine(context: click.Context, option: click.Parameter, value: str) -> str:
    if not _ENGINE.fullmatch(value):
        raise click.BadParameter(f"{value!r} is neither pandas nor dask, dask://host:port or tls://host:port.")
    return value


def _bytes(context: click.Context, option: click.Parameter, value: str | None) -> int | None:
    found = _SIZE.fullmatch(value.strip()) if value is not None else None
    size = int(float(found[1]) * 1024 ** " KMGT".index(found[2].upper() or " ")) if found else 0
    if value is not None and size < _LEAST_BYTES:
        raise click.BadParameter(f"{value!r} is no size of 256 MiB or more, such as 2GiB.")
    return size or None


@click.command()
@click.argument("reference")
@click.argument("current")
@click.option(
    "--p-threshold",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.05,
    show_default=True,
    help="Largest adjusted p-value that counts as drift.",
)
@click.option(
    "--effect-threshold",
    type=click.FloatRange(0, 1),
    default=0.1,
    show_default=True,
    help="Smallest effect that counts, 0 to 1: a fault in 5 % of the rows has one of .05.",
)
@json_option
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write the report to this file.")
@click.option(
    "--fail-on",
    type=click.Choice(["drift", "schema"], case_sensitive=False),
    help="Exit with 3 when a column has drifted; schema: also when columns are new, missing or re-typed.",
)
@click.option(
    "--engine",
    default="pandas",
    callback=_engine,
    metavar="pandas|dask|dask://HOST:PORT",
    show_default=True,
    help="dask: folders, globs and s3:// of Parquet too, by all cores; dask://host:port: by a running cluster.",
)
@click.option("--workers", type=click.IntRange(1, 1024), help="With --engine dask: processes. Default: one a core.")
@click.option(
    "--worker-memory",
    metavar="SIZE",
    callback=_bytes,
    help="With --engine dask: the most that each may hold. Default: 2GiB at most.",
)
def tabular(
    reference: str,
    current: str,
    p_threshold: float,
    effect_threshold: float,
    as_json: bool,
    html: Path | None,
    fail_on: str | None,
    engine: str,
    workers: int | None,
    worker_memory: int | None,
) -> None:
    """Compare two tables column by column: CSV, gzipped CSV or Parquet, of any size.

    With `--engine dask` each may also be a folder, a glob or an address such as 's3://bucket/2026-*.parquet' (quoted).
    """
    if (workers or worker_memory) and engine not in ("dask", "dask://"):
        raise click.UsageError(
            "--workers and --worker-memory are those of --engine dask, which starts its own cluster."
        )
    from proxy.tabular.command import run

    code = run(
        reference,
        current,
        p_threshold=p_threshold,
        effect_threshold=effect_threshold,
        as_json=as_json,
        html=html,
        fail_on=fail_on,
        engine=engine,
        workers=workers,
        worker_memory=worker_memory,
    )
    sys.exit(code)
