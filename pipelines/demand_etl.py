"""Read the user's demand, item, stock and price files into ``DATA_DIR/processed``."""

from pathlib import Path
from typing import Annotated

import typer

from ml.cli import HELP, existing, exit_on_error

File = Annotated[Path | None, typer.Option(help="A file, or a folder of files.")]

app = typer.Typer(context_settings=HELP, add_completion=False)


@app.command()
def demand_etl(
    demand: File = None,
    items_file: File = None,
    inventory: File = None,
    prices: File = None,
    column: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=FILE_NAME", help="What a column is called in the files."),
    ] = None,
    gaps: Annotated[
        str, typer.Option(help="Periods of demand without a row: auto, missing or zero.")
    ] = "auto",
    duplicates: Annotated[str, typer.Option(help="Repeated rows: sum or error.")] = "sum",
    frequency: Annotated[
        str | None, typer.Option(help="Frequency of demand: D, B, W or MS; inferred if not given.")
    ] = None,
) -> None:
    """Read your demand, item, stock and price files; default: what data/raw/user holds."""
    with exit_on_error():
        from ml.settings import settings
        from pipelines.intake import IntakeOptions, UserFiles
        from pipelines.intake.command import column_mapping, day_of_run, run

        files = UserFiles(
            demand=existing(demand, "--demand"),
            items=existing(items_file, "--items-file"),
            inventory=existing(inventory, "--inventory"),
            prices=existing(prices, "--prices"),
        )
        options = IntakeOptions(
            today=day_of_run(settings()),
            columns=column_mapping(column or []),
            gaps=gaps,
            duplicates=duplicates,
            frequency=frequency,
        )
        for line in run(files, options, settings().data_dir):
            typer.echo(line)


if __name__ == "__main__":
    app()
