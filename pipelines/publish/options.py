"""The options of publishing, declared once for every command that has them; nothing heavy here."""

from pathlib import Path
from typing import Annotated, Any

import typer

from ml.cli import read_path

ACTIONS, LIMITS, WHERE = "Instead of publishing", "Details", "From where, to where"


def flag(name: str, text: str, panel: str = ACTIONS) -> Any:
    """An option without a value."""
    return typer.Option(name, help=text, rich_help_panel=panel)


def value(name: str, text: str, panel: str = LIMITS, **more: Any) -> Any:
    """An option with a value."""
    return typer.Option(name, help=text, rich_help_panel=panel, **more)


Version = Annotated[
    str | None, typer.Argument(help="The version to verify or repair; the newest without it.")
]
To = Annotated[
    Path | None,
    value("--to", "A folder instead of the S3 store.", WHERE, metavar="FOLDER", parser=read_path),
]
Results = Annotated[
    Path | None,
    value(
        "--results",
        "Folder of the results.",
        WHERE,
        show_default="ML_RESULTS_PATH",
        metavar="PATH",
        parser=read_path,
    ),
]
All = Annotated[bool, flag("--all", "All versions that are not marked for removal.", LIMITS)]
Share = Annotated[
    str | None,
    value(
        "--subset",
        "With --all, a stable share of the versions: 2/7 in the second of seven nights.",
        metavar="N/M",
    ),
]
ToSeq = Annotated[
    int | None,
    value(
        "--to-seq",
        "Number of the record to roll back to.",
        min=1,
        show_default="the version before",
    ),
]
Keep = Annotated[int, value("--keep", "So many last versions are kept by gc.", min=1)]
# The least that lets publishers and readers, who may be at work, finish what they began.
Days = Annotated[float, value("--days", "Days for which gc keeps any version.", min=1)]
Grace = Annotated[float, value("--grace", "Hours from the mark of gc to the removal.", min=1)]
Pin = Annotated[
    list[str] | None, value("--pin", "A version that gc keeps until --unpin. Repeatable.")
]
Unpin = Annotated[
    list[str] | None, value("--unpin", "A version that gc no longer keeps. Repeatable.")
]
Local = Annotated[
    bool,
    flag(
        "--local",
        "With gc: versions, plain files, models, logs and empty answers of this machine.",
        LIMITS,
    ),
]
DryRun = Annotated[
    bool, flag("--dry-run", "Only say what would be published, removed or restored.", LIMITS)
]
Force = Annotated[bool, flag("--force", "Publish although a later day is published.", LIMITS)]
ExpectParent = Annotated[
    int | None,
    value("--expect-parent", "Publish only if this record is the newest.", min=0),
]
Accept = Annotated[
    list[str] | None,
    value("--accept", "Pass a rule of the gate, by its name. Repeatable.", metavar="RULE"),
]
AllowSynthetic = Annotated[
    bool, flag("--allow-synthetic", "Publish made-up results: a rehearsal.", LIMITS)
]
SingleWriter = Annotated[
    bool,
    flag(
        "--single-writer",
        "For a store without conditional writes: nobody else ever publishes there.",
        LIMITS,
    ),
]
