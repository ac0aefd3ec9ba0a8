"""The boundary between commands and the rest: options, one-line errors, exit codes.

Imports only the standard library and typer, so that ``--help`` answers at once; the work is
imported where a command runs.
"""

import atexit
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, TextIO
from unicodedata import normalize

import typer

from ml.errors import ConfigError, PipelineError, machine_error

HELP = {"help_option_names": ["-h", "--help"]}
OUTPUT = "What to do"


def read_day(text: str) -> date:
    """A day of the command line.

    Raises:
        typer.BadParameter: It is none.
    """
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007 - a day has no zone
    except ValueError:
        raise typer.BadParameter(f"'{text}' is no day; write it as 2026-11-20.") from None


def read_path(text: str) -> Path:
    """A file or folder of the command line.

    Raises:
        typer.BadParameter: It is empty, as of a variable that is not set: no folder is meant by
            that, and least of all the one that this runs in.
    """
    if not text:
        raise typer.BadParameter("an empty name is no file and no folder.")
    return Path(text)


AsOf = Annotated[
    date | None,
    typer.Option(
        parser=read_day,
        metavar="YYYY-MM-DD",
        help="Last period to see, by its start; nothing later is used.",
    ),
]
DecisionDay = Annotated[
    date | None,
    typer.Option(
        parser=read_day,
        metavar="YYYY-MM-DD",
        help="Day on which orders are placed.",
        show_default="that of the newest stock count",
        rich_help_panel=OUTPUT,
    ),
]
Horizon = Annotated[
    int | None,
    typer.Option(help="Periods ahead, of each panel.", show_default="30 days, 13 weeks, 12 months"),
]
Items = Annotated[str | None, typer.Option(help='Only these items: "a,b".', rich_help_panel=OUTPUT)]
AllModels = Annotated[
    bool,
    typer.Option(
        "--all-models",
        help="Run every model for every item, those without a share in its forecast too.",
        rich_help_panel=OUTPUT,
    ),
]
Refit = Annotated[
    bool,
    typer.Option(
        "--refit",
        help="Fit all models anew, and take them if they are better than those in use; REFIT_DAYS "
        "says how often else.",
        rich_help_panel=OUTPUT,
    ),
]
RefitPanels = Annotated[
    str | None,
    typer.Option(
        "--refit-panels",
        metavar="A,B",
        help="The same of these panels alone, as demand_d.",
        rich_help_panel=OUTPUT,
    ),
]
Jobs = Annotated[int | None, typer.Option(help="Worker processes.", show_default="one a core")]
Engine = Annotated[
    Literal["loky", "ray"] | None,
    typer.Option(help="What runs the worker processes.", show_default="ENGINE"),
]
RayAddress = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT",
        help="Take the workers of this Ray cluster; asks for --engine ray.",
        show_default="RAY_ADDRESS",
    ),
]
Results = Annotated[
    Path | None,
    typer.Option(
        parser=read_path,
        metavar="PATH",
        help="Folder of the results.",
        show_default="ML_RESULTS_PATH",
        rich_help_panel=OUTPUT,
    ),
]


@contextmanager
def exit_on_error() -> Iterator[None]:
    """Print what a user can fix to stderr and exit with its code; let bugs through.

    That is a :class:`PipelineError`, or what the machine refused wherever it did. What libraries
    warn of is for whoever looks after the program: it goes to the log.
    """
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _log_warning
            yield
        if sys.stdout is not None:  # closed by whoever started this
            sys.stdout.flush()  # where that fails, it fails here
    except (PipelineError, OSError, MemoryError) as error:
        told = error if isinstance(error, PipelineError) else machine_error(error)
        if told is None:
            raise
        with suppress(OSError):  # what it is written to may be full itself
            for line in (*told.details, f"error: {' '.join(str(told).split())}"):
                typer.echo(line, err=True)
        _give_up_full_streams()
        raise typer.Exit(told.exit_code) from None
    except KeyboardInterrupt:
        typer.echo("interrupted: what was published is whole; run it again to go on", err=True)
        raise typer.Exit(130) from None


def _log_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,  # noqa: ARG001
    line: str | None = None,  # noqa: ARG001
) -> None:
    from ml.logs import logger

    logger().warning("library_warning", text=f"{category.__name__}: {message}",
                     place=f"{filename}:{lineno}")  # fmt: skip


def start(command: Callable[[], object]) -> NoReturn:
    """Run what this process was started for, and end the process with its exit code.

    Once in some thousand processes a thread of Arrow that still lives asks for the interpreter
    while that is being taken down, and aborts them, whatever the command came to
    (github.com/apache/arrow/issues/34314). So the process ends before: after its threads and all
    else that is left to do, for that is done in the opposite order, and this is registered first.
    """
    codes = [PipelineError.exit_code]
    atexit.register(_end_process, codes)
    try:
        with exit_on_error():  # help may go to a full disk as well
            try:
                command()
                codes[:] = [0]
            except SystemExit as asked:
                codes[:] = [asked.code if isinstance(asked.code, int) else int(bool(asked.code))]
    except typer.Exit as told:
        codes[:] = [told.exit_code]
    sys.exit(codes[0])


def _end_process(codes: list[int]) -> None:
    """Called when threads have ended, and after what modules have registered for the end."""
    _give_up_full_streams()
    os._exit(codes[0])


def _give_up_full_streams() -> None:
    """Let what cannot be printed go; Python would try again at its end and take the exit code."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def require_ml_processing() -> None:
    """Stop where the settings forbid training and forecasting.

    Raises:
        ConfigError: ``ENABLE_ML_PROCESSING`` is false.
    """
    from ml.settings import settings

    if not settings().enable_ml_processing:
        raise ConfigError("ENABLE_ML_PROCESSING is false: nothing is trained or forecast here.")


def name_list(text: str | None, option: str) -> tuple[str, ...] | None:
    """The names of an option such as ``--items "a,b"``, each once; ``None`` = all.

    Raises:
        ConfigError: The option is there but names nothing.
    """
    if text is None:
        return None
    text = normalize("NFC", text)  # as files are read
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not names:
        raise ConfigError(f'{option} names nothing; write {option} "a,b".')
    return names


def worker_wishes(engine: str | None, ray_address: str | None) -> dict[str, Any]:
    """The settings that ``--engine`` and ``--ray-address`` replace; an address asks for Ray.

    Raises:
        ConfigError: There is an address for another engine, or it is none.
    """
    from ml.setting_groups import read_head

    if ray_address and engine == "loky":
        raise ConfigError("--ray-address is of --engine ray; leave one of them out.")
    try:
        read_head(ray_address or "")
    except ValueError as error:
        raise ConfigError(f"--ray-address {ray_address}: {error}.") from None
    wishes = {"engine": "ray" if ray_address else engine, "ray_address": ray_address}
    return {name: value for name, value in wishes.items() if value is not None}


def training_command(family: str, about: str) -> typer.Typer:
    """The command that trains one family on the processed tables; its help says ``about``."""
    app = typer.Typer(add_completion=False, context_settings=HELP)

    @app.command(help=about)
    def train(
        horizon: Horizon = None,
        as_of: AsOf = None,
        jobs: Jobs = None,
        engine: Engine = None,
        ray_address: RayAddress = None,
    ) -> None:
        with exit_on_error():
            require_ml_processing()
            from ml.run.request import RunRequest
            from ml.run.run import train_family
            from ml.settings import settings

            request = RunRequest(
                command=f"train_{family}", horizon=horizon, as_of=as_of, jobs=jobs,
                settings=settings().model_copy(update=worker_wishes(engine, ray_address)),
            )  # fmt: skip
            for folder in train_family(family, request):
                typer.echo(f"trained: {folder}")

    return app
