"""Collect the 5G roll-out in the states of ``STATES`` into ``DATA_DIR/processed``."""

from datetime import datetime
from typing import Annotated

import typer

from ml.cli import HELP, exit_on_error

app = typer.Typer(context_settings=HELP, add_completion=False)


@app.command()
def anatel_5g_etl(
    since: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            metavar="DATE",
            help="Ask for everything from this day on, whatever is stored.  "
            "[default: HISTORY_START, then only what is new]",
        ),
    ] = None,
    series: Annotated[str | None, typer.Option(help='Only these series: "fiveg_accesses".')] = None,
    reparse: Annotated[
        bool,
        typer.Option(
            "--reparse", help="Build the tables again from data/raw alone; opens no socket."
        ),
    ] = False,
) -> None:
    """Collect mobile accesses and 5G stations of the states of STATES.

    Opens sockets only where ENABLE_EXTERNAL_APIS is true; otherwise it says what is stored.
    """
    with exit_on_error():
        from pipelines.outside.command import Options, name_list, run_etl, say

        options = Options(
            since=since.date() if since else None, series=name_list(series), reparse=reparse
        )
        say(run_etl("anatel_5g", options), typer.echo)


if __name__ == "__main__":
    app()
