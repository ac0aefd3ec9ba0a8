"""The nightly job. Usage: auto_update_ml_results --help."""

from pathlib import Path
from typing import Annotated

import typer

from ml.cli import HELP, exit_on_error, require_ml_processing

app = typer.Typer(add_completion=False, context_settings=HELP)


@app.command()
def run(
    to: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Publish to a folder, not to S3.")
    ] = None,
    results: Annotated[
        Path | None, typer.Option(help="Folder of the results.", show_default="ML_RESULTS_PATH")
    ] = None,
) -> None:
    """Bring the data up to date, forecast, recommend and publish: one night's work.

    Runs the other commands one after the other, alone: a second night that starts meanwhile ends
    at once. When a step fails, its exit code and last line are passed on and yesterday's version
    stays published.
    """
    with exit_on_error():
        require_ml_processing()
        from pipelines.nightly.night import night

        code, line = night(to, results)
        typer.echo(line, err=bool(code))
        raise typer.Exit(code)


def main() -> None:
    """Console command."""
    app()


if __name__ == "__main__":
    main()
