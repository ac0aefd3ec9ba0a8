"""The options that say which files of the user are read and how: declared once for all commands.

Loads nothing heavy, so that ``--help`` answers at once.
"""

from pathlib import Path
from typing import Annotated

import typer

FILES, SHAPE = "Input files", "How to read them"

Demand = Annotated[
    Path | None,
    typer.Option(help="Demand: a file or folder of CSV or Parquet.", rich_help_panel=FILES),
]
Prices = Annotated[
    Path | None, typer.Option(help="Price series: a file or folder.", rich_help_panel=FILES)
]
ItemsFile = Annotated[
    Path | None, typer.Option(help="Items: lead times, costs, lots.", rich_help_panel=FILES)
]
Inventory = Annotated[
    Path | None,
    typer.Option(help="Stock; without it there are no order quantities.", rich_help_panel=FILES),
]
Column = Annotated[
    list[str] | None,
    typer.Option(
        help="A column under a name of your own: item_id=Código. Repeatable.",
        rich_help_panel=SHAPE,
    ),
]
Gaps = Annotated[
    str,
    typer.Option(
        help="A period without a row: missing, zero or auto (zero in lists of movements).",
        rich_help_panel=SHAPE,
    ),
]
Duplicates = Annotated[
    str,
    typer.Option(help="Rows of one item, site and day: sum or error.", rich_help_panel=SHAPE),
]
SummedTo = Annotated[
    str | None,
    typer.Option(
        "--frequency",
        help="D, B, W or MS: sum demand to it.",
        show_default="inferred",
        rich_help_panel=SHAPE,
    ),
]


def existing_files(
    demand: Path | None, prices: Path | None, items: Path | None, inventory: Path | None
) -> dict[str, Path]:
    """The files named on a command line, by table.

    Raises:
        ConfigError: There is nothing at a path.
    """
    from ml.cli import existing

    paths = {
        "demand": existing(demand, "--demand"),
        "prices": existing(prices, "--prices"),
        "items": existing(items, "--items-file"),
        "inventory": existing(inventory, "--inventory"),
    }
    return {table: path for table, path in paths.items() if path is not None}
