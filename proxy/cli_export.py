"""`driftium export`."""

import sys
from pathlib import Path

import rich_click as click

from proxy.cli_options import ERROR, config_option, settings_from
from proxy.export import FILES


@click.command()
@click.argument("what", type=click.Choice(list(FILES)))
@config_option
@click.option(
    "--output", type=click.Path(path_type=Path, file_okay=False), help="Folder to write to. Default: print it."
)
def export(what: str, config: Path | None, output: Path | None) -> None:
    """Print what other programs need to watch Driftium, made out to your settings.

    dashboards: for Grafana. rules: alerts for Prometheus. scrape: the job for prometheus.yml.
    alertmanager: an example. openapi: the HTTP interface.
    """
    from proxy.export import export as text_of

    settings = settings_from(config, {})
    try:
        text = text_of(what, settings)
        if output is None:
            sys.stdout.buffer.write(text.encode())
            return
        output.mkdir(parents=True, exist_ok=True)
        file = output / FILES[what]
        file.write_text(text, "utf-8")
    except OSError as error:
        click.echo(f"error: {error.filename}: {error.strerror}", err=True)
        sys.exit(ERROR)
    click.echo(f"wrote {file}")
