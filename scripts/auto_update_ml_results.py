"""The nightly job. Usage: auto_update_ml_results --help."""

from pathlib import Path
from typing import Annotated

import typer

from ml.cli import HELP, Results, exit_on_error, name_list, read_path, start

app = typer.Typer(add_completion=False, context_settings=HELP)


@app.command()
def run(
    to: Annotated[
        Path | None,
        typer.Option(parser=read_path, metavar="FOLDER", help="Publish to a folder, not to S3."),
    ] = None,
    results: Results = None,
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
        bool,
        typer.Option(
            "--force-retrain", help="Train all models anew; they are taken if they are better."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say which steps there would be.")
    ] = False,
    try_messages: Annotated[
        bool,
        typer.Option(
            "--try-messages",
            help="Only send a trial message to each of MESSAGE_URLS, and say who took it.",
        ),
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

        if try_messages:
            _try_messages()
            return
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


def _try_messages() -> None:
    from datetime import UTC, datetime

    from ml.errors import MachineError
    from ml.settings import settings
    from pipelines.messages.watch import try_addresses

    config, refused = settings(), []
    found = [*try_addresses(config, datetime.now(UTC))]
    for name, reason in found:
        typer.echo(f"{name}: {'taken' if reason is None else f'not taken: {reason}'}")
        refused += [name] if reason is not None else []
    if refused:
        raise MachineError(
            f"messages: {len(refused)} of {len(found)} addresses did not take the trial message: "
            f"{', '.join(refused)}. Correct MESSAGE_URLS, or look why they are away."
        )


def main() -> None:
    """Console command."""
    start(app)


if __name__ == "__main__":
    main()
