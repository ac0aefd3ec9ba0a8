"""Write the report of a version. Usage: python pipelines/report.py --help."""

from pathlib import Path
from typing import Annotated

import typer

from ml.cli import HELP, exit_on_error, read_path, start
from pipelines.publish import options

app = typer.Typer(add_completion=False, context_settings=HELP)


@app.command()
def report(
    version: Annotated[
        str | None, typer.Argument(help="The version to show; the newest without it.")
    ] = None,
    lang: Annotated[
        str | None,
        typer.Option(
            "--lang", help="Language that it opens in: pt or en.", show_default="REPORT_LANG"
        ),
    ] = None,
    store: Annotated[
        bool, typer.Option("--store", help="A version of the settings' S3 store.")
    ] = False,
    to: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="A version of the store in this folder.",
            metavar="FOLDER",
            parser=read_path,
        ),
    ] = None,
    results: options.Results = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            help="File to write.",
            show_default="REPORTS_DIR/results",
            metavar="PATH",
            parser=read_path,
        ),
    ] = None,
) -> None:
    """Write a version as one page that opens in any browser, from disk, without a network.

    It reads the results folder, or a store that versions were published to.
    """
    with exit_on_error():
        from pipelines.job.report_job import write_report

        for line in write_report(version, lang, store=store, folder=to, results=results,
                                 output=output):  # fmt: skip
            typer.echo(line)


if __name__ == "__main__":
    start(app)
