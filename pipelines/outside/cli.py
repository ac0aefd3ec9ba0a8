"""The command line of the four outside ETLs: options and commands, declared once."""

from datetime import datetime
from typing import Annotated

import typer

from ml.cli import HELP, exit_on_error, name_list

_HELP = {
    "climate": "Collect the daily weather of the cities of SITES.",
    "economic": "Collect the dollar, Selic, IPCA, IGP-M and IBC-Br.",
    "anatel_5g": "Collect mobile accesses and 5G stations of the states of STATES.",
    "prices": "Collect Brent, the dollar, and the quotes and dividends of SYMBOLS.",
}
_EXAMPLES = {"climate": "precipitation_mm,humidity_percent", "economic": "usd_brl,ipca",
             "anatel_5g": "fiveg_accesses", "prices": "Brent,PETR4"}  # fmt: skip
_SOCKETS = (
    "Opens sockets only where ENABLE_EXTERNAL_APIS is true; otherwise it says what is stored."
)


def etl_app(domain: str) -> typer.Typer:
    """The runnable file of a domain: climate, economic, anatel_5g or prices."""
    app = typer.Typer(context_settings=HELP, add_completion=False)
    series_help = f'Only these series: "{_EXAMPLES[domain]}".'

    @app.command(help=f"{_HELP[domain]}\n\n{_SOCKETS}")
    def etl(
        since: Annotated[
            datetime | None,
            typer.Option(
                formats=["%Y-%m-%d"],
                metavar="DATE",
                help="Ask for everything from this day on, whatever is stored.",
                show_default="HISTORY_START, then only what is new",
            ),
        ] = None,
        series: Annotated[str | None, typer.Option(help=series_help)] = None,
        reparse: Annotated[
            bool,
            typer.Option(
                "--reparse", help="Build the tables again from data/raw alone; opens no socket."
            ),
        ] = False,
    ) -> None:
        with exit_on_error():
            from pipelines.outside.etl import run_etl, show_result

            names = name_list(series, "--series")
            day = since.date() if since else None
            result = run_etl(domain, since=day, series=names, reparse=reparse)
            show_result(result, typer.echo)

    return app
