"""The nightly job. Usage: auto_update_ml_results --help."""

from pathlib import Path
from typing import Annotated

import typer

from ml.cli import HELP, exit_on_error, name_list

app = typer.Typer(add_completion=False, context_settings=HELP)


@app.command()
def run(
    to: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Publish to a folder, not to S3.")
    ] = None,
    results: Annotated[
        Path | None, typer.Option(help="Folder of the results.", show_default="ML_RESULTS_PATH")
    ] = None,
    steps: Annotated[
        str | None,
        typer.Option(
            metavar="A,B",
            help="Only these steps: outside, demand, checks, drift, results, publish, prune.",
            show_default="all",
        ),
    ] = None,
    no_publish: Annotated[
        bool, typer.Option("--no-publish", help="Make a version and leave it here.")
    ] = False,
    force_retrain: Annotated[
        bool, typer.Option("--force-retrain", help="Train all models anew.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say which steps there would be.")
    ] = False,
    quiet: Annotated[
        bool,
        typer.Option("--quiet", help="Say how it ended only where it failed; for cron."),
    ] = False,
) -> None:
    """Bring the data up to date, forecast, recommend and publish: one night's work.

    Runs the other commands one after the other, alone: a second night that starts meanwhile ends
    at once. When a step fails, its exit code and last line are passed on and yesterday's version
    stays published. Run again, it goes on with what is done.
    """
    with exit_on_error():
        from pipelines.nightly.night import night
        from pipelines.nightly.steps import NightRequest

        asked = NightRequest(
            to=to,
            results=results,
            dry_run=dry_run,
            force_retrain=force_retrain,
            steps=name_list(steps, "--steps"),
            publish=not no_publish,
        )
        code, line = night(asked, quiet=quiet)
        if code or not quiet:
            typer.echo(line, err=bool(code))
        raise typer.Exit(code)


def main() -> None:
    """Console command."""
    app()


if __name__ == "__main__":
    main()
