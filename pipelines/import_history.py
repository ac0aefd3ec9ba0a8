"""Import history files of outside series into ``DATA_DIR/raw`` and ``DATA_DIR/processed``."""

from pathlib import Path
from typing import Annotated

import typer

from ml.cli import HELP, exit_on_error, read_path, start

app = typer.Typer(context_settings=HELP, add_completion=False)


@app.command()
def import_history(
    files: Annotated[
        list[Path],
        typer.Argument(parser=read_path, help="CSV or Parquet files, or folders of them."),
    ],
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FILE_NAME", help="What date, city or a series is called in the files."
        ),
    ] = None,
    series: Annotated[
        str | None, typer.Option(metavar="NAME", help="Series of the only column of values.")
    ] = None,
    region: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="City or state of files without a column that says it."),
    ] = None,
) -> None:
    """Import history files of weather, economy, 5G and prices; opens no socket.

    Columns are known by the names of our series and by those of public files, such as
    usd_brl_sell, selic_target_pct, ipca_mom_pct, temp_mean with city, or Date,Price in a file
    called brent. Values count as known from the day on which they were normally published.
    """
    with exit_on_error():
        from pipelines.outside.etl import show_result
        from pipelines.outside.import_files import run_import

        show_result(run_import(files, column or [], series, region), typer.echo)


if __name__ == "__main__":
    start(app)
