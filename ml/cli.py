"""The boundary between commands and the rest: errors become one line and an exit code.

Imports only the standard library and typer, so that ``--help`` answers at once; the work is
imported where a command runs.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from ml.errors import ConfigError, PipelineError

HELP = {"help_option_names": ["-h", "--help"]}


@contextmanager
def exit_on_error() -> Iterator[None]:
    """Print a :class:`PipelineError` to stderr and exit with its code; let bugs through."""
    try:
        yield
    except PipelineError as error:
        typer.echo(f"error: {' '.join(str(error).split())}", err=True)
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt:
        typer.echo("interrupted: what was published is whole; run it again to go on", err=True)
        raise typer.Exit(130) from None


def require_ml_processing() -> None:
    """Stop where the settings forbid training and forecasting.

    Raises:
        ConfigError: ``ENABLE_ML_PROCESSING`` is false.
    """
    from ml.settings import settings

    if not settings().enable_ml_processing:
        raise ConfigError("ENABLE_ML_PROCESSING is false: nothing is trained or forecast here.")


def item_list(text: str | None) -> tuple[str, ...] | None:
    """The ids of an ``--items "a,b"`` option; ``None`` = all items.

    Raises:
        ConfigError: The option is there but names no item.
    """
    return name_list(text, "--items", "no item")


def name_list(text: str | None, option: str, nothing: str) -> tuple[str, ...] | None:
    """The names of an option such as ``--series "a,b"``, each once; ``None`` = all.

    Raises:
        ConfigError: The option is there but names ``nothing``.
    """
    if text is None:
        return None
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not names:
        raise ConfigError(f'{option} names {nothing}; write {option} "a,b".')
    return names


def existing(path: Path | None, option: str) -> Path | None:
    """A path given on the command line, relative to the working directory.

    Raises:
        ConfigError: There is nothing at the path.
    """
    if path is not None and not path.exists():
        raise ConfigError(f"{option}: there is no file or folder '{path}'.")
    return path
