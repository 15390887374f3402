"""The command line. Each command imports what it needs: `driftium version` should not wait for a web framework."""

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

import rich_click as click

from proxy import cli_export, cli_ingest, cli_keeping, cli_notify, cli_scheduler, cli_simulate, cli_tabular
from proxy.cli_options import (
    OK,
    config_option,
    data_dir_option,
    json_option,
    monitor_option,
    server_url_option,
    settings_from,
    url_option,
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Driftium watches the answers of language models for drift.

    Start it with `driftium serve`, point your client's base URL at it, and ask `driftium drift`.

    Exit codes: 0 ok, 1 error, 2 usage, 3 drift found, 4 upstream unreachable.
    """


@main.command()
@config_option
@click.option("--host", help="Address to listen on.")
@click.option("--port", type=int, help="Port to listen on.")
@click.option("--upstream", help="The OpenAI-compatible server behind the proxy, without /v1.")
@data_dir_option
@click.option("--embedded", is_flag=True, default=None, help="Run a small real model here and use it as the upstream.")
@click.option("--no-worker", is_flag=True, help="Only forward and log; scoring runs elsewhere (driftium worker).")
@click.option("--end-with-parent", is_flag=True, hidden=True)
def serve(
    config: Path | None,
    host: str | None,
    port: int | None,
    upstream: str | None,
    data_dir: str | None,
    embedded: bool | None,
    no_worker: bool,
    end_with_parent: bool,
) -> None:
    """Run the proxy, and the worker beside it."""
    from proxy import logs
    from proxy.children import Commands
    from proxy.serve import serve as run

    flags = {
        "server.host": host,
        "server.port": port,
        "upstream.url": upstream,
        "data.dir": data_dir,
        "embedded.enabled": embedded,
        "worker.enabled": False if no_worker else None,
    }
    settings = settings_from(config, flags)
    logs.set_up(settings.server.log_level)
    options = ["--end-with-parent", "--data-dir", str(settings.data_dir)]
    options += ["--config", str(config)] if config else []
    commands = Commands(
        worker=["proxy", "worker", *options] if settings.worker.enabled else None,
        # The port is named, since a canary asks through the data plane.
        scheduler=["proxy", "scheduler", *options, "--port", str(settings.server.port)] if settings.scheduled else None,
    )
    sys.exit(run(settings, commands, end_with_parent=end_with_parent))


@main.command()
@config_option
@data_dir_option
@click.option("--end-with-parent", is_flag=True, hidden=True)
def worker(config: Path | None, data_dir: str | None, end_with_parent: bool) -> None:
    """Embed and score what the proxy has logged (serve starts one by itself)."""
    from proxy import logs
    from proxy.worker import run

    settings = settings_from(config, {"data.dir": data_dir})
    logs.set_up(settings.server.log_level)
    sys.exit(run(settings, end_with_parent=end_with_parent))


@main.command()
@config_option
@data_dir_option
@url_option
@monitor_option
@json_option
@click.option(
    "--fail-on",
    type=click.Choice(["MEDIUM", "HIGH", "CRITICAL"], case_sensitive=False),
    help="Exit with 3 when the severity is this or worse.",
)
def drift(
    config: Path | None, data_dir: str | None, url: str | None, monitor: str | None, as_json: bool, fail_on: str | None
) -> None:
    """Say how far the answers have moved from the baseline."""
    from proxy.client import show_drift

    sys.exit(show_drift(settings_from(config, {"data.dir": data_dir}), url, monitor, as_json=as_json, fail_on=fail_on))


@main.command()
@config_option
@data_dir_option
@server_url_option
@monitor_option
@click.option("--json", "form", flag_value="json", help="Print JSON.")
@click.option("--markdown", "form", flag_value="markdown", help="Print Markdown, ready for a ticket.")
@click.option("--no-model", is_flag=True, help="By rules alone: ask no language model.")
def rca(
    config: Path | None, data_dir: str | None, url: str | None, monitor: str | None, form: str | None, no_model: bool
) -> None:
    """Say why the answers have drifted and what to do, each sentence with its evidence.

    Asks the Driftium at --url, else the one that runs at server.host and server.port. Where none does, or with
    --data-dir, the data folder is read and the rules alone speak.
    """
    from proxy.rca.command import run

    settings = settings_from(config, {"data.dir": data_dir})
    use_model, folder = not no_model, data_dir is not None
    sys.exit(run(settings, url, monitor, folder=folder, form=form or "terminal", use_model=use_model))


@main.group(invoke_without_command=True)
@click.pass_context
def baseline(context: click.Context) -> None:
    """List, make and activate baselines."""
    if context.invoked_subcommand is None:
        context.invoke(baseline_list)


@baseline.command("list")
@config_option
@data_dir_option
@url_option
@monitor_option
@json_option
def baseline_list(
    config: Path | None = None,
    data_dir: str | None = None,
    url: str | None = None,
    monitor: str | None = None,
    as_json: bool = False,
) -> None:
    """List the baselines, newest first."""
    from proxy.client import list_baselines

    sys.exit(list_baselines(settings_from(config, {"data.dir": data_dir}), url, monitor, as_json=as_json))


@baseline.command("set")
@config_option
@server_url_option
@monitor_option
@click.option("--last", type=click.IntRange(min=2), help="Of the last N answers. Default: all since the last baseline.")
@click.option("--since", help="Of the answers since a time, ISO 8601.")
@click.option("--note", default="", help="Why.")
def baseline_set(
    config: Path | None, url: str | None, monitor: str | None, last: int | None, since: str | None, note: str
) -> None:
    """Make a baseline of the answers that have passed."""
    from proxy.client import post_baseline

    body = {"monitor": monitor, "last": last, "since": since, "note": note}
    sys.exit(post_baseline(settings_from(config, {}), url, "/baseline", body))


@baseline.command("activate")
@config_option
@server_url_option
@click.argument("baseline_id")
def baseline_activate(config: Path | None, url: str | None, baseline_id: str) -> None:
    """Go back to an earlier baseline."""
    from proxy.client import post_baseline

    sys.exit(post_baseline(settings_from(config, {}), url, f"/baseline/{baseline_id}/activate", None))


@main.command()
@config_option
@click.option("--host", help="Address that serve would listen on.")
@click.option("--port", type=int, help="Port that serve would listen on.")
@click.option("--upstream", help="The server behind the proxy.")
@data_dir_option
@click.option("--embedded", is_flag=True, default=None, help="Check what --embedded needs.")
@click.option(
    "--pull", is_flag=True, help="First have Ollama fetch the model that explains, and upstream.default_model."
)
@click.option("--mend", is_flag=True, help="First move damaged files of the data folder aside; new ones are made.")
def doctor(
    config: Path | None,
    host: str | None,
    port: int | None,
    upstream: str | None,
    data_dir: str | None,
    embedded: bool | None,
    pull: bool,
    mend: bool,
) -> None:
    """Check upstream, model, weights, ports, disk and clock, and say how to mend each."""
    from proxy.doctor import examine
    from proxy.pull import pull_missing

    flags = {
        "server.host": host,
        "server.port": port,
        "upstream.url": upstream,
        "data.dir": data_dir,
        "embedded.enabled": embedded,
    }
    settings = settings_from(config, flags)
    if mend:
        from proxy.keeping.mending import mend as move_aside

        if code := move_aside(settings):
            sys.exit(code)
    sys.exit((pull_missing(settings) if pull else OK) or examine(settings))


@main.command()
@config_option
@click.option("--data-dir", type=click.Path(), help="Keep the demo's data here. Default: a folder that is removed.")
@click.option("--keep", is_flag=True, help="Keep serving afterwards, until Ctrl-C.")
def demo(config: Path | None, data_dir: str | None, keep: bool) -> None:
    """Tell the whole story in two minutes: a real small model, a baseline, no drift, then drift."""
    from proxy.demo import tell

    sys.exit(tell(settings_from(config, {}), data_dir, keep=keep))


@main.command()
def version() -> None:
    """Print the version."""
    click.echo(f"driftium {installed_version('driftium')} on Python {sys.version.split()[0]}")


main.add_command(cli_scheduler.scheduler)
main.add_command(cli_notify.notify)
main.add_command(cli_export.export)
main.add_command(cli_ingest.ingest)
for command in (cli_keeping.backup, cli_keeping.restore, cli_keeping.erase, cli_simulate.simulate, cli_tabular.tabular):
    main.add_command(command)
