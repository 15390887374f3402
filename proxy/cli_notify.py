"""`driftium notify`."""

import sys
from pathlib import Path

import rich_click as click

from proxy.cli_options import config_option, data_dir_option, settings_from


@click.command()
@config_option
@data_dir_option
@click.option("--test", is_flag=True, help="Send a test message through every channel, and say what became of it.")
@click.option("--channel", help="Only this channel.")
def notify(config: Path | None, data_dir: str | None, test: bool, channel: str | None) -> None:
    """List the channels that are told of trouble, what stands open and what was delivered last; or test them."""
    from proxy import logs
    from proxy.notify.command import run

    settings = settings_from(config, {"data.dir": data_dir})
    logs.set_up(settings.server.log_level)
    sys.exit(run(settings, test=test, channel=channel))
