"""The main job. Usage: generate_ml_results --help."""

from pathlib import Path
from typing import Annotated

import typer

from ml.cli import HELP, exit_on_error, item_list, require_ml_processing
from ml.cli_training import AsOf, Horizon, Jobs
from pipelines.intake.options import (
    SHAPE,
    Column,
    Demand,
    Duplicates,
    Gaps,
    Inventory,
    ItemsFile,
    Prices,
    SummedTo,
    existing_files,
)

app = typer.Typer(add_completion=False, context_settings=HELP)
OUTPUT = "What to do"


@app.command()
def run(
    demand: Demand = None,
    prices: Prices = None,
    items_file: ItemsFile = None,
    inventory: Inventory = None,
    column: Column = None,
    gaps: Gaps = "auto",
    duplicates: Duplicates = "sum",
    frequency: SummedTo = None,
    no_drivers: Annotated[
        bool,
        typer.Option(
            "--no-drivers",
            help="Leave out weather, economy, 5G and the calendar.",
            rich_help_panel=SHAPE,
        ),
    ] = False,
    only_forecasts: Annotated[
        bool,
        typer.Option(
            "--only-forecasts", help="Forecasts only: a partial version.", rich_help_panel=OUTPUT
        ),
    ] = False,
    only_recommendations: Annotated[
        bool,
        typer.Option(
            "--only-recommendations",
            help="New recommendations from saved models and today's stock.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    publish: Annotated[
        bool,
        typer.Option("--publish", help="Publish the version afterwards.", rich_help_panel=OUTPUT),
    ] = False,
    items: Annotated[
        str | None, typer.Option(help='Only these items: "a,b".', rich_help_panel=OUTPUT)
    ] = None,
    horizon: Horizon = None,
    as_of: AsOf = None,
    results: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the results.", show_default="ML_RESULTS_PATH", rich_help_panel=OUTPUT
        ),
    ] = None,
    jobs: Jobs = None,
) -> None:
    """Forecast demand and prices, recommend orders, and write them as one version.

    Reads the files named; with none named, what lies in DATA_DIR/raw/user, else
    DATA_DIR/processed, else a synthetic sample that it makes.
    """
    with exit_on_error():
        require_ml_processing()
        from ml.run.commands import Asked
        from pipelines.intake.request import column_mapping
        from pipelines.job.main_job import generate
        from pipelines.job.sources import Named

        files = existing_files(demand, prices, items_file, inventory)
        named = Named(
            **files,
            columns=column_mapping(column or []),
            gaps=gaps,
            duplicates=duplicates,
            frequency=frequency,
            drivers=not no_drivers,
        )
        asked = Asked(item_list(items), horizon, as_of.date() if as_of else None, jobs, results)
        generate(
            named,
            asked,
            only_forecasts=only_forecasts,
            only_recommendations=only_recommendations,
            publish=publish,
        )


def main() -> None:
    """Console command."""
    app()


if __name__ == "__main__":
    main()
