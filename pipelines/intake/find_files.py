"""Where the user's files are: the data files of a path, and the tables below ``data/raw/user``."""

import sys
from pathlib import Path

from ml.errors import DataError, first_few
from pipelines.intake.names import plain
from pipelines.intake.request import TABLES

READABLE = (".csv", ".txt", ".csv.gz", ".parquet")
SPREADSHEETS = (".xlsx", ".xls", ".xlsb", ".xlsm", ".ods")
UNREAD = (
    *SPREADSHEETS, ".tsv", ".tab", ".dat", ".json", ".jsonl", ".xml", ".feather", ".arrow", ".orc",
    ".avro", ".zip", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar",
)  # fmt: skip
"""Endings that tables have elsewhere: to pass such a file over would lose what it holds."""
PREFIXES = {
    "demand": ("demand", "consumo"),
    "items": ("items", "itens"),
    "inventory": ("inventory", "inventario", "stock", "estoque"),
    "prices": ("price", "preco"),
    "suppliers": ("suppliers", "fornecedores"),
    "receipts": ("receipts", "recebimentos", "entradas"),
    "open_orders": ("open_orders", "orders", "pedidos", "ordens"),
    "exposure": ("exposure", "exposicao", "compras"),
}


def data_files(path: Path) -> list[Path]:
    """The data files of a path: the file itself, or those of a folder, sorted by name.

    Raises:
        DataError: There is nothing at the path, or a folder without data files, or with some that
            cannot be read; or its name cannot be told.
    """
    refuse_odd_name(path)
    if path.is_file():
        return [path]
    if path.exists() and not path.is_dir():
        raise DataError(f"{path}: is a pipe or a device; write what it gives into a file first.")
    if not path.is_dir():
        raise DataError(f"{path}: there is no such file or folder.")
    children = sorted(path.iterdir())
    if lost := [child.name for child in children if _is_lost(child)]:
        raise DataError(
            f"{path}: {len(lost)} of {len(children)} entries cannot be read and would be lost: "
            f"{first_few(lost)}. Put {', '.join(READABLE)} files there themselves, no folders or "
            "links to nowhere; names that begin with '_' are passed over."
        )
    found = [child for child in children if _is_data(child)]
    if not found:
        raise DataError(
            f"{path}: the folder has no data file; put {', '.join(READABLE)} files into it."
        )
    return found


def refuse_odd_name(path: Path) -> None:
    """Refuse a name that cannot be written to a list or a line.

    Raises:
        DataError: It is no UTF-8, as archives of other systems leave them; or Python was told to
            read names as something else.
    """
    try:
        path.name.encode()
    except UnicodeEncodeError:
        encoding = sys.getfilesystemencoding()
        fault = "the name is no UTF-8 text; rename the file."
        if encoding != "utf-8":
            fault = (
                f"Python reads names of files as {encoding} here, which this one is not; set "
                "PYTHONUTF8=1 and run again."
            )
        raise DataError(f"{path.name!a}: {fault}") from None


def collect_user_files(folder: Path) -> dict[str, Path]:
    """Find the tables in a folder by the names of its files and subfolders.

    Returns:
        A file or a folder of files for each table found; nothing where the folder is missing.

    Raises:
        DataError: A data file of unknown name, or of a kind that is not read, or two files for one
            table.
    """
    if not folder.is_dir():
        return {}
    tables: dict[str, list[Path]] = {}
    for entry in sorted(child for child in folder.iterdir() if _holds_data(child)):
        name = "" if entry.is_file() and not _is_data(entry) else plain(entry.name)
        found = (table for table, starts in PREFIXES.items() if name.startswith(starts))
        tables.setdefault(next(found, ""), []).append(entry)
    if unknown := tables.pop("", []):
        names = first_few([path.name for path in unknown])
        if all(path.is_file() and not _is_data(path) for path in unknown):
            sheets = all(path.suffix.lower() in SPREADSHEETS for path in unknown)
            told = "spreadsheets are not read" if sheets else "files of such endings are not read"
            raise DataError(f"{folder}: {told}: {names}. Save them as CSV (UTF-8).")
        raise DataError(
            f"{folder}: cannot tell which table {names} is. Let names begin with "
            f"{', '.join(prefix for prefixes in PREFIXES.values() for prefix in prefixes)}."
        )
    for table, paths in tables.items():
        if len(paths) > 1:
            raise DataError(
                f"{folder}: {len(paths)} entries are named as the table '{table}': "
                f"{first_few([path.name for path in paths])}. Put its files into one subfolder "
                f"'{table}/'."
            )
    return {table: tables[table][0] for table in TABLES if table in tables}


def _is_data(path: Path, endings: tuple[str, ...] = READABLE) -> bool:
    return path.name[0] not in "._" and path.name.lower().endswith(endings)


def _is_lost(path: Path) -> bool:
    """Whether an entry of a folder has data, by its name, that would be passed over."""
    if path.is_dir():
        return path.name[0] not in "._" and any(child.name[0] != "." for child in path.iterdir())
    return not path.is_file() if _is_data(path) else _is_data(path, UNREAD)


def _holds_data(path: Path) -> bool:
    if path.is_dir():
        return path.name[0] not in "._" and any(
            _is_data(child) or _is_lost(child) for child in path.iterdir()
        )
    return _is_data(path, (*READABLE, *UNREAD))
