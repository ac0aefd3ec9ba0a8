"""Read the user's demand, item, stock, order and price files into ``DATA_DIR/processed``."""

import typer

from ml.cli import HELP, exit_on_error, start
from pipelines.intake import options

app = typer.Typer(context_settings=HELP, add_completion=False)


@app.command()
def demand_etl(
    demand: options.Demand = None,
    items_file: options.ItemsFile = None,
    inventory: options.Inventory = None,
    open_orders: options.OpenOrders = None,
    receipts: options.Receipts = None,
    suppliers: options.Suppliers = None,
    prices: options.Prices = None,
    exposure: options.Exposure = None,
    column: options.Column = None,
    gaps: options.Gaps = None,
    duplicates: options.Duplicates = None,
    frequency: options.SummedTo = None,
) -> None:
    """Read your demand, item, stock, order and price files; default: what data/raw/user holds."""
    given = locals()
    with exit_on_error():
        from ml.settings import settings
        from pipelines.intake.read_tables import process_files

        request = options.request_reading(given, settings(), settings().current_day)
        for line in process_files(request, settings().data_dir).statements:
            typer.echo(line)


if __name__ == "__main__":
    start(app)
