"""`driftium scheduler`."""

import sys
from pathlib import Path

import rich_click as click

from proxy.cli_options import config_option, data_dir_option, settings_from


@click.command()
@config_option
@data_dir_option
@click.option("--port", type=int, help="Port of the running Driftium, through which canaries ask.")
@click.option("--end-with-parent", is_flag=True, hidden=True)
def scheduler(config: Path | None, data_dir: str | None, port: int | None, end_with_parent: bool) -> None:
    """Notify, collect logs and ask canaries when they are due (serve starts one by itself where any are configured)."""
    from proxy import logs
    from proxy.scheduler import run

    settings = settings_from(config, {"data.dir": data_dir, "server.port": port})
    logs.set_up(settings.server.log_level)
    sys.exit(run(settings, end_with_parent=end_with_parent))
