"""Simulate stock with trained models. Usage: python pipelines/simulate.py --help."""

from functools import partial
from typing import Annotated

import typer

from ml.cli import HELP, AsOf, Horizon, Jobs, exit_on_error, require_ml_processing, start
from pipelines.intake import options

app = typer.Typer(add_completion=False, context_settings=HELP)
_supply = partial(typer.Option, rich_help_panel="How items are supplied")
_own = partial(_supply, show_default="each item's own")


@app.command()
def simulate(  # noqa: PLR0913, PLR0917 - the options of a command are its parameters
    lead_time: Annotated[float | None, _own(help="Mean lead time of all items, in days.")] = None,
    review: Annotated[float | None, _own(help="Review period of all items, in days.")] = None,
    lost_sales: Annotated[
        bool, _supply("--lost-sales", help="What is not served at once is lost, not owed.")
    ] = False,
    levels: Annotated[
        str | None,
        _supply(help='Service targets to try: ".8,.9,.95".', show_default="ten, .5 to .995"),
    ] = None,
    demand: options.Demand = None,
    prices: options.Prices = None,
    items_file: options.ItemsFile = None,
    inventory: options.Inventory = None,
    receipts: options.Receipts = None,
    sample: options.Sample = False,
    column: options.Column = None,
    gaps: options.Gaps = None,
    duplicates: options.Duplicates = None,
    frequency: options.SummedTo = None,
    no_drivers: options.NoDrivers = False,
    horizon: Horizon = None,
    as_of: AsOf = None,
    jobs: Jobs = None,
) -> None:
    """Show what stock by the trained models would have come to, beside simple rules.

    Reads what `run` reads, and needs its models: the same data and --horizon. Nothing is trained.
    """  # fmt: skip
    given = locals()
    with exit_on_error():
        require_ml_processing()
        from ml.run.request import RunRequest
        from ml.run.simulate import SupplyWish, read_levels
        from pipelines.job.main_job import simulate as work

        request = RunRequest(
            command="simulate", horizon=horizon, as_of=as_of, jobs=jobs,
            drivers=not no_drivers, train=False,
        )  # fmt: skip
        files = options.request_reading(given, request.settings, request.today)
        wish = SupplyWish(
            lead_time=lead_time, review=review, lost_sales=lost_sales, levels=read_levels(levels)
        )
        work(files, request, wish, sample=sample)


if __name__ == "__main__":
    start(app)
