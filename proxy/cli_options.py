"""What the commands share: exit codes, options and the way to the settings."""

import os
import sys
from pathlib import Path
from typing import Any

import rich_click as click

from proxy.config import load
from proxy.section import ConfigError
from proxy.settings import Settings

OK, ERROR, USAGE, DRIFT, UPSTREAM = range(5)

click.rich_click.TEXT_MARKUP = "markdown"
click.rich_click.MAX_WIDTH = 100


def settings_from(config: Path | None, flags: dict[str, Any]) -> Settings:
    """The settings, or the end of the program with the one line that says what is wrong."""
    try:
        return load(config, environ=os.environ, flags=flags)
    except ConfigError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(USAGE)


config_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="Settings file. Default: config.toml in this folder, if there is one.",
)
data_dir_option = click.option("--data-dir", type=click.Path(), help="Where log, history and vectors lie.")
url_option = click.option(
    "--url", help="A running Driftium, e.g. http://127.0.0.1:8000. Default: read the data folder."
)
server_url_option = click.option("--url", help="The running Driftium. Default: server.host and server.port.")
monitor_option = click.option("--monitor", help="Which monitor. Default: the busiest.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
