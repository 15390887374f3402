"""`driftium ingest`."""

import sys
from pathlib import Path

import rich_click as click

from proxy.cli_options import USAGE, config_option, data_dir_option, settings_from


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@config_option
@data_dir_option
@click.option("--monitor", default="", help="Monitor of all the answers. Default: one per model, as in the proxy.")
@click.option(
    "--format",
    "format_name",
    type=click.Choice(["auto", "openai", "ollama", "langfuse", "litellm", "otel", "fields"]),
    default="auto",
    show_default=True,
    help="What the lines are; auto: as each looks.",
)
@click.option(
    "--field",
    "fields",
    multiple=True,
    metavar="NAME=PATH",
    help="Where a record of another format has its prompt, response, model, at, id … (fields.* of config.toml).",
)
@click.option("--dry-run", is_flag=True, help="Read everything, log nothing, and say what would become of it.")
@click.option("--wait/--no-wait", default=True, help="Wait where no worker runs, or end.  [default: wait]")
def ingest(
    files: tuple[str, ...],
    config: Path | None,
    data_dir: str | None,
    monitor: str,
    format_name: str,
    fields: tuple[str, ...],
    dry_run: bool,
    wait: bool,
) -> None:
    """Collect answers from logs: JSON lines, also gzipped. Globs, s3:// and - for standard input.

    Runs beside `driftium serve` on the same data folder, whose worker sets the pace. Ctrl-C keeps what was done; the
    same command goes on from there. Exit codes: 0 all was read, 1 something could not be, 2 usage.
    """
    from proxy import logs
    from proxy.ingest.command import Wrong, run

    settings = settings_from(config, {"data.dir": data_dir})
    logs.set_up("error")
    try:
        code = run(settings, files, monitor=monitor, format=format_name, fields=fields, dry=dry_run, wait=wait)
    except Wrong as error:
        click.echo(f"error: {error}", err=True)
        code = USAGE
    sys.exit(code)
