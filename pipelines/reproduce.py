"""Make a published version again and compare. Usage: python pipelines/reproduce.py --help."""

from typing import Annotated

import typer

from ml.cli import HELP, exit_on_error, start
from pipelines.publish.options import To

app = typer.Typer(add_completion=False, context_settings=HELP)


@app.command()
def reproduce_version(
    version: Annotated[str, typer.Argument(metavar="VERSION", help="Id of the version.")],
    to: To = None,
) -> None:
    """Make a version of a night again from what was kept of it, and compare the content."""
    with exit_on_error():
        from ml.settings import settings
        from pipelines.nightly.reproduce import reproduce

        for line in reproduce(settings(), version, to):
            typer.echo(line)


if __name__ == "__main__":
    start(app)
