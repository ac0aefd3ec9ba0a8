"""The options of publishing, declared once for every command that has them; nothing heavy here."""

from pathlib import Path
from typing import Annotated, Any

import typer

ACTIONS, LIMITS, WHERE = "Instead of publishing", "Details", "From where, to where"


def flag(name: str, text: str, panel: str = ACTIONS) -> Any:
    """An option without a value."""
    return typer.Option(name, help=text, rich_help_panel=panel)


def value(name: str, text: str, panel: str = ACTIONS, **more: Any) -> Any:
    """An option with a value."""
    return typer.Option(name, help=text, rich_help_panel=panel, **more)


Version = Annotated[
    str | None, typer.Argument(help="With --verify: the version; the newest without it.")
]
To = Annotated[
    Path | None, value("--to", "A folder instead of the S3 store.", WHERE, metavar="FOLDER")
]
Results = Annotated[
    Path | None,
    value("--results", "Folder of the results.", WHERE, show_default="ML_RESULTS_PATH"),
]
ToSeq = Annotated[
    int | None,
    value(
        "--to-seq",
        "With --rollback: the number in --list.",
        min=1,
        show_default="the version before",
    ),
]
Keep = Annotated[int, value("--keep", "With --gc: last versions kept.", min=1)]
Days = Annotated[float, value("--days", "With --gc: days that any version is kept.", min=0)]
Grace = Annotated[float, value("--grace", "With --gc: hours from mark to removal.", min=0)]
Pin = Annotated[list[str] | None, value("--pin", "With --gc: a version to keep. Repeatable.")]
DryRun = Annotated[bool, flag("--dry-run", "Only say what would be published or removed.", LIMITS)]
Force = Annotated[bool, flag("--force", "Publish although a later day is published.", LIMITS)]
ExpectParent = Annotated[
    int | None,
    value("--expect-parent", "Publish only if this record is the newest.", LIMITS, min=0),
]
SingleWriter = Annotated[
    bool,
    flag(
        "--single-writer",
        "For a store without conditional writes: nobody else ever publishes there.",
        LIMITS,
    ),
]
