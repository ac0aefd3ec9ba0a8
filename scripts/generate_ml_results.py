"""The main job. Usage: generate_ml_results --help."""

from pathlib import Path
from typing import Annotated

import typer

from ml.cli import HELP, existing, exit_on_error, item_list, require_ml_processing
from ml.cli_training import AsOf, Horizon, Jobs

app = typer.Typer(add_completion=False, context_settings=HELP)
FILES, SHAPE, OUTPUT = "Input files", "How to read them", "What to do"


@app.command()
def run(
    demand: Annotated[
        Path | None,
        typer.Option(help="Demand: a file or folder of CSV or Parquet.", rich_help_panel=FILES),
    ] = None,
    prices: Annotated[
        Path | None, typer.Option(help="Price series: a file or folder.", rich_help_panel=FILES)
    ] = None,
    items_file: Annotated[
        Path | None, typer.Option(help="Items: lead times, costs, lots.", rich_help_panel=FILES)
    ] = None,
    inventory: Annotated[
        Path | None,
        typer.Option(
            help="Stock; without it there are no order quantities.", rich_help_panel=FILES
        ),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            help="A column under a name of your own: item_id=Código. Repeatable.",
            rich_help_panel=SHAPE,
        ),
    ] = None,
    gaps: Annotated[
        str,
        typer.Option(
            help="A period without a row: missing, zero or auto (zero in lists of movements).",
            rich_help_panel=SHAPE,
        ),
    ] = "auto",
    duplicates: Annotated[
        str,
        typer.Option(help="Rows of one item, site and day: sum or error.", rich_help_panel=SHAPE),
    ] = "sum",
    frequency: Annotated[
        str | None,
        typer.Option(
            help="D, B, W or MS: sum demand to it.", show_default="inferred", rich_help_panel=SHAPE
        ),
    ] = None,
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
        from pipelines.intake.command import column_mapping
        from pipelines.job.main_job import generate
        from pipelines.job.sources import Named

        named = Named(
            existing(demand, "--demand"),
            existing(prices, "--prices"),
            existing(items_file, "--items-file"),
            existing(inventory, "--inventory"),
            column_mapping(column or []),
            gaps,
            duplicates,
            frequency,
            not no_drivers,
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
