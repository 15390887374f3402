"""The commands for what is kept: backup, restore, erase."""

import sys
from pathlib import Path

import rich_click as click

from proxy.cli_options import config_option, data_dir_option, server_url_option, settings_from


@click.command()
@config_option
@server_url_option
@click.option("--exchange", metavar="ID", help="One exchange, by the id in its answer's x-driftium-exchange-id.")
@click.option("--monitor", metavar="NAME", help="A monitor with everything that is known of it.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def erase(config: Path | None, url: str | None, exchange: str | None, monitor: str | None, yes: bool) -> None:
    """Erase an exchange or a monitor for good: from log, history and vectors.

    Asks the Driftium at --url, else the one that runs at server.host and server.port. An exchange in a baseline
    leaves that with an answer less. Backups that were made before still hold what is erased.
    """
    from proxy.keeping.asking import erase as run

    if (exchange is None) == (monitor is None):
        raise click.UsageError("name what to erase: --exchange ID or --monitor NAME")
    if monitor is not None and not yes:
        click.confirm(f"Erase {monitor} with its exchanges, baselines and history, for good?", abort=True)
    sys.exit(run(settings_from(config, {}), url, exchange=exchange, monitor=monitor))


@click.command()
@config_option
@data_dir_option
@click.argument("target", type=click.Path(path_type=Path))
def backup(config: Path | None, data_dir: str | None, target: Path) -> None:
    """Back up the data folder to TARGET: a file that ends in .tar.gz, or else a new folder.

    Driftium may run meanwhile: what is copied is of one moment. The backup holds prompts and answers.
    """
    from proxy.keeping.backup import backup as run

    sys.exit(run(settings_from(config, {"data.dir": data_dir}), target))


@click.command()
@config_option
@data_dir_option
@click.option("--replace-vectors", is_flag=True, help="Write over vectors that the Qdrant server at qdrant.url holds.")
@click.argument("source", type=click.Path(path_type=Path))
def restore(config: Path | None, data_dir: str | None, replace_vectors: bool, source: Path) -> None:
    """Restore the backup SOURCE into an empty or new data folder.

    Nothing is embedded again: baselines, thresholds, history and log are as they were.
    """
    from proxy.keeping.restore import restore as run

    sys.exit(run(settings_from(config, {"data.dir": data_dir}), source, replace_vectors=replace_vectors))
