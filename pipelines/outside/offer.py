"""The command line that the four outside ETLs share."""

from datetime import datetime
from typing import Annotated

import typer

from ml.cli import HELP, exit_on_error, name_list

Since = Annotated[
    datetime | None,
    typer.Option(
        formats=["%Y-%m-%d"],
        metavar="DATE",
        help="Ask for everything from this day on, whatever is stored.",
        show_default="HISTORY_START, then only what is new",
    ),
]
Reparse = Annotated[
    bool,
    typer.Option("--reparse", help="Build the tables again from data/raw alone; opens no socket."),
]
SOCKETS = "Opens sockets only where ENABLE_EXTERNAL_APIS is true; otherwise it says what is stored."


def outside_etl(domain: str, about: str, example: str) -> typer.Typer:
    """The command of one domain.

    Args:
        domain: climate, economic, anatel_5g or prices.
        about: What its help says first.
        example: Two of its series, as ``--series`` takes them.
    """
    app = typer.Typer(context_settings=HELP, add_completion=False)

    @app.command(help=f"{about}\n\n{SOCKETS}")
    def etl(
        since: Since = None,
        series: Annotated[str | None, typer.Option(help=f'Only these series: "{example}".')] = None,
        reparse: Reparse = False,
    ) -> None:
        with exit_on_error():
            from pipelines.outside.command import Options, run_etl, say

            names = name_list(series, "--series", "nothing")
            day = since.date() if since else None
            say(run_etl(domain, Options(since=day, series=names, reparse=reparse)), typer.echo)

    return app
