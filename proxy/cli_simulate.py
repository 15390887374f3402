"""`driftium simulate`."""

import sys
from pathlib import Path
from typing import Literal

import rich_click as click

from proxy.cli_options import USAGE, config_option, json_option, settings_from


@click.command()
@config_option
@click.option(
    "--rate",
    type=click.FloatRange(0, 20_000, min_open=True),
    required=True,
    help="Answers a second, over all proxies together.",
)
@click.option("--seconds", type=click.FloatRange(1, 86_400), default=60, show_default=True, help="How long.")
@click.option("--monitors", type=click.IntRange(1, 1_000), default=20, show_default=True, help="How many monitors.")
@click.option(
    "--replicas",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Proxies that are started here; more than one share database.url.",
)
@click.option(
    "--workers",
    type=click.IntRange(0, 64),
    default=1,
    show_default=True,
    help="Workers that are started here; 0: forward and log only.",
)
@click.option(
    "--url", "urls", multiple=True, metavar="URL", help="A proxy that runs already, instead of those; several times."
)
@click.option("--upstream-host", default="127.0.0.1", show_default=True, help="Where the upstream listens.")
@click.option("--upstream-port", type=click.IntRange(0, 65_535), default=0, help="Its port.  [default: a free one]")
@click.option(
    "--arrivals",
    type=click.Choice(["poisson", "constant"]),
    default="poisson",
    show_default=True,
    help="At random, as of many users, or evenly spaced.",
)
@click.option(
    "--streamed", type=click.FloatRange(0, 1), default=0.3, show_default=True, help="Share that asks for a stream."
)
@click.option(
    "--answer-seconds",
    type=click.FloatRange(0, 600),
    default=1.0,
    show_default=True,
    help="How long the upstream takes for an answer of average length.",
)
@click.option(
    "--answers",
    type=click.Path(path_type=Path),
    help='Replay these instead: JSON lines {"prompt": …, "response": …}, also gzipped.',
)
@json_option
def simulate(
    config: Path | None,
    rate: float,
    seconds: float,
    monitors: int,
    replicas: int,
    workers: int,
    urls: tuple[str, ...],
    upstream_host: str,
    upstream_port: int,
    arrivals: Literal["poisson", "constant"],
    streamed: float,
    answer_seconds: float,
    answers: Path | None,
    as_json: bool,
) -> None:
    """Load a deployment with recorded real answers, and say what it carries and what breaks first.

    No model is asked: a small upstream on this machine replays the answers. Proxies and workers are started here with
    your settings, in a folder (and a database schema) of their own that are removed; or --url names proxies that run.
    Requests are sent when they are due, however slow the answers are. Ctrl-C tells what was measured until then.
    """
    from proxy import logs
    from proxy.simulate.plan import Asked, Wrong
    from proxy.simulate.run import run

    settings = settings_from(config, {})
    logs.set_up("error")
    asked = Asked(
        rate=rate,
        seconds=seconds,
        monitors=monitors,
        replicas=replicas,
        workers=workers,
        urls=urls,
        arrivals=arrivals,
        streamed=streamed,
        answer_seconds=answer_seconds,
        # The processes that read it work in another folder.
        answers=str(answers.absolute()) if answers else "",
        upstream_host=upstream_host,
        upstream_port=upstream_port,
    )
    try:
        code = run(asked, settings, as_json=as_json)
    except Wrong as error:
        click.echo(f"error: {error}", err=True)
        code = USAGE
    sys.exit(code)
