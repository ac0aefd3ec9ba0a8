"""The options that say which files of the user are read and how: declared once for all commands.

Loads nothing heavy, so that ``--help`` answers at once.
"""

from collections.abc import Mapping
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ml.cli import read_path
from ml.errors import ConfigError

if TYPE_CHECKING:
    from ml.setting_groups import IntakeSettings
    from pipelines.intake.request import ReadingRequest

FILES, SHAPE = "Input files", "How to read them"
_file = partial(typer.Option, parser=read_path, metavar="PATH", rich_help_panel=FILES)
_shape = partial(typer.Option, rich_help_panel=SHAPE)

Demand = Annotated[Path | None, _file(help="Demand: a file or folder of CSV or Parquet.")]
Prices = Annotated[Path | None, _file(help="Price series: a file or folder.")]
ItemsFile = Annotated[Path | None, _file(help="Items: lead times, costs, lots.")]
Inventory = Annotated[Path | None, _file(help="Stock; without it there are no order quantities.")]
Sample = Annotated[
    bool, typer.Option("--sample", help="Run on the made-up sample.", rich_help_panel=FILES)
]
OpenOrders = Annotated[
    Path | None, _file(help="Open orders with their due dates, one line an order.")
]
Receipts = Annotated[
    Path | None, _file(help="What past orders took: days of order and receipt; lead times.")
]
Exposure = Annotated[
    Path | None, _file(help="Volumes to be paid at a price: what waiting may cost.")
]
Suppliers = Annotated[
    Path | None, _file(help="Suppliers: smallest order value, fixed cost of an order.")
]
Column = Annotated[
    list[str] | None,
    _shape(
        help="A column under a name of your own: item_id=Código. Repeatable.",
        show_default="INTAKE_COLUMNS",
    ),
]
Gaps = Annotated[
    str | None,
    _shape(
        help="A period without a row: missing, zero or auto (zero in lists of movements).",
        show_default="INTAKE_GAPS",
    ),
]
Duplicates = Annotated[
    str | None,
    _shape(help="Rows of one item, site and day: sum or error.", show_default="INTAKE_DUPLICATES"),
]
SummedTo = Annotated[
    str | None,
    _shape("--frequency", help="D, B, W or MS: sum demand to it.", show_default="INTAKE_FREQUENCY"),
]
NoDrivers = Annotated[
    bool, _shape("--no-drivers", help="Leave out weather, economy, 5G and the calendar.")
]


def request_reading(
    given: Mapping[str, Any], config: "IntakeSettings", today: date
) -> "ReadingRequest":
    """What a command reads and how: by its options, else by the settings.

    ``given`` holds the command's options under the names above, in small letters; those that it
    does not have may be left out.

    Raises:
        ConfigError: There is nothing at a path, or an option has a value that it cannot have.
    """
    from pipelines.intake.request import TABLES, ReadingRequest, column_mapping

    named = {table: given.get("items_file" if table == "items" else table) for table in TABLES}
    stated = [pair for pair in config.intake_columns.split(";") if pair.strip()]
    return ReadingRequest(
        files=existing_files(**named),
        today=today,
        as_of=given.get("as_of"),
        columns=column_mapping(stated) | column_mapping(given["column"] or ()),
        gaps=given["gaps"] or config.intake_gaps,
        duplicates=given["duplicates"] or config.intake_duplicates,
        frequency=given["frequency"] or config.intake_frequency or None,
    )


def existing_files(**paths: Path | None) -> dict[str, Path]:
    """The files named on a command line, by table; ``None`` = not named.

    Raises:
        ConfigError: There is nothing at a path.
    """
    named = {table: path for table, path in paths.items() if path is not None}
    for table, path in named.items():
        if not path.exists():
            option = "items-file" if table == "items" else table.replace("_", "-")
            raise ConfigError(f"--{option}: there is no file or folder '{path}'.")
    return named
