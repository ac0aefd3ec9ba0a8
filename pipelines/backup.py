"""Back up, and restore, all that cannot be made again. Usage: python pipelines/backup.py --help."""

from pathlib import Path
from typing import Annotated

import typer

from ml.cli import HELP, exit_on_error, read_path, start

app = typer.Typer(add_completion=False, context_settings=HELP)
restore_app = typer.Typer(add_completion=False, context_settings=HELP)


@app.command()
def backup(
    folder: Annotated[
        Path, typer.Argument(parser=read_path, metavar="DIR", help="Folder of backups.")
    ],
) -> None:
    """Copy raw data, tables, ledgers, models, versions and settings without secrets."""
    with exit_on_error():
        from ml.settings import settings
        from pipelines.retention.backup import back_up

        done = back_up(settings(), folder)
        typer.echo(f"backed up to '{done.folder}': {done.text}")


@restore_app.command()
def restore_backup(
    folder: Annotated[
        Path,
        typer.Argument(
            parser=read_path, metavar="DIR", help="A backup, or a folder of them: the newest."
        ),
    ],
) -> None:
    """Bring a backup back into the folders of the settings, which have to be empty."""
    with exit_on_error():
        from ml.settings import settings
        from pipelines.retention.backup import SETTINGS, restore

        done = restore(settings(), folder)
        typer.echo(f"restored from '{done.folder}': {done.text}, all whole")
        typer.echo(f"its settings, without secrets: '{done.folder / SETTINGS}'")


if __name__ == "__main__":
    start(app)
