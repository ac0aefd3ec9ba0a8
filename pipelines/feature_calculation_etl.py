"""Compute the features of processed outside tables as they were known on one day."""

from datetime import datetime
from typing import Annotated

import typer

from ml.cli import HELP, exit_on_error, start

app = typer.Typer(context_settings=HELP, add_completion=False)


@app.command()
def feature_calculation_etl(
    cutoff: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            help="Nothing that became available after this day is used.",
            show_default="TODAY",
        ),
    ] = None,
    ahead: Annotated[
        int, typer.Option(min=0, help="Days after the cutoff that the calendar reaches.")
    ] = 90,
    region: Annotated[
        str | None,
        typer.Option(help="City whose weather counts, its state's 5G.", show_default="HOME_REGION"),
    ] = None,
    sample: Annotated[
        bool,
        typer.Option(
            "--sample", help="On the synthetic sample; writes into DATA_DIR/sample instead."
        ),
    ] = False,
    plot: Annotated[
        bool, typer.Option("--plot", help="Draw them too, into REPORTS_DIR/features.")
    ] = False,
) -> None:
    """Compute features as known on one day, from the tables in DATA_DIR/processed.

    Reads climate, economic, anatel_5g and prices, whichever there are, writes
    features.parquet, and opens no connection. Without any of them it writes the calendar.
    """
    with exit_on_error():
        from pipelines.outside.features_file import compute_features

        day = cutoff.date() if cutoff else None
        for line in compute_features(day, ahead, region, sample=sample, plot=plot):
            typer.echo(line)


if __name__ == "__main__":
    start(app)
