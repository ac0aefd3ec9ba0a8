"""The main job. Usage: generate_ml_results --help."""

from functools import partial
from typing import Annotated

import typer

from ml.cli import (
    HELP,
    OUTPUT,
    AllModels,
    AsOf,
    DecisionDay,
    Engine,
    Horizon,
    Items,
    Jobs,
    RayAddress,
    Refit,
    RefitPanels,
    Results,
    exit_on_error,
    name_list,
    require_ml_processing,
    start,
    worker_wishes,
)
from pipelines.intake import options
from pipelines.publish.options import Accept, AllowSynthetic

app = typer.Typer(add_completion=False, context_settings=HELP)
_output = partial(typer.Option, rich_help_panel=OUTPUT)


@app.command()
def run(
    demand: options.Demand = None,
    prices: options.Prices = None,
    exposure: options.Exposure = None,
    items_file: options.ItemsFile = None,
    inventory: options.Inventory = None,
    open_orders: options.OpenOrders = None,
    receipts: options.Receipts = None,
    suppliers: options.Suppliers = None,
    sample: options.Sample = False,
    column: options.Column = None,
    gaps: options.Gaps = None,
    duplicates: options.Duplicates = None,
    frequency: options.SummedTo = None,
    no_drivers: options.NoDrivers = False,
    only_forecasts: Annotated[
        bool, _output("--only-forecasts", help="Forecasts only: a partial version.")
    ] = False,
    only_recommendations: Annotated[
        bool,
        _output(
            "--only-recommendations",
            help="New recommendations from saved forecasts and today's stock.",
        ),
    ] = False,
    portfolio_fill: Annotated[
        str | None,
        _output(
            "--portfolio-fill",
            metavar="SHARE",
            help="Share of units that all items together serve, as .95 or A=.98,B=.95,.90.",
            show_default="PORTFOLIO_FILL",
        ),
    ] = None,
    budget: Annotated[
        str | None,
        _output(
            "--budget",
            metavar="AMOUNT",
            help="Most that all orders cost together, as 50000 or 50000BRL.",
            show_default="BUDGET",
        ),
    ] = None,
    publish: Annotated[bool, _output("--publish", help="Publish the version afterwards.")] = False,
    accept: Accept = None,
    allow_synthetic: AllowSynthetic = False,
    all_models: AllModels = False,
    refit: Refit = False,
    refit_panels: RefitPanels = None,
    items: Items = None,
    horizon: Horizon = None,
    as_of: AsOf = None,
    decision_day: DecisionDay = None,
    results: Results = None,
    jobs: Jobs = None,
    engine: Engine = None,
    ray_address: RayAddress = None,
) -> None:
    """Forecast demand and prices, recommend orders, and write them as one version.

    Reads the files named; with none named, what lies in DATA_DIR/raw/user, else
    DATA_DIR/processed, else, where nothing real was ever forecast, a synthetic sample.
    """
    given = locals()
    with exit_on_error():
        require_ml_processing()
        from ml.run.request import RunRequest
        from ml.settings import settings
        from pipelines.job.main_job import generate

        wishes = {"portfolio_fill": portfolio_fill, "budget": budget}
        request = RunRequest(
            command="generate_ml_results",
            items=name_list(items, "--items"),
            horizon=horizon,
            as_of=as_of,
            decision_day=decision_day,
            jobs=jobs,
            results_folder=results,
            drivers=not no_drivers,
            all_models=all_models,
            refit=refit,
            refit_panels=name_list(refit_panels, "--refit-panels") or (),
            only_forecasts=only_forecasts,
            only_recommendations=only_recommendations,
            settings=settings().model_copy(
                update={name: value for name, value in wishes.items() if value is not None}
                | worker_wishes(engine, ray_address)
            ),
        )
        files = options.request_reading(given, request.settings, request.today)
        generate(
            files,
            request,
            publish=publish,
            sample=sample,
            accept=accept or (),
            allow_synthetic=allow_synthetic,
        )


def main() -> None:
    """Console command."""
    start(app)


if __name__ == "__main__":
    main()
