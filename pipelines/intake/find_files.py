"""Where the user's files are: the data files of a path, and the tables below ``data/raw/user``."""

from pathlib import Path

from ml.errors import DataError, first_few
from pipelines.intake.names import plain
from pipelines.intake.request import TABLES

READABLE = (".csv", ".txt", ".csv.gz", ".parquet")
SPREADSHEETS = (".xlsx", ".xls", ".xlsb", ".ods")
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
        DataError: There is nothing at the path, or a folder without data files; or its name cannot
            be told.
    """
    refuse_odd_name(path)
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise DataError(f"{path}: there is no such file or folder.")
    found = sorted(child for child in path.iterdir() if _is_data(child) and child.is_file())
    if not found:
        raise DataError(
            f"{path}: the folder has no data file; put {', '.join(READABLE)} files into it."
        )
    return found


def refuse_odd_name(path: Path) -> None:
    """Refuse a name that cannot be written to a list or a line.

    Raises:
        DataError: It is no UTF-8, as archives of other systems leave them.
    """
    try:
        path.name.encode()
    except UnicodeEncodeError:
        raise DataError(f"{path.name!a}: the name is no UTF-8 text; rename the file.") from None


def collect_user_files(folder: Path) -> dict[str, Path]:
    """Find the tables in a folder by the names of its files and subfolders.

    Returns:
        A file or a folder of files for each table found; nothing where the folder is missing.

    Raises:
        DataError: A data file of unknown name, a spreadsheet, or two files for one table.
    """
    if not folder.is_dir():
        return {}
    tables: dict[str, list[Path]] = {}
    for entry in sorted(child for child in folder.iterdir() if _holds_data(child)):
        name = "" if entry.suffix.lower() in SPREADSHEETS else plain(entry.name)
        found = (table for table, starts in PREFIXES.items() if name.startswith(starts))
        tables.setdefault(next(found, ""), []).append(entry)
    if unknown := tables.pop("", []):
        names = first_few([path.name for path in unknown])
        if all(path.suffix.lower() in SPREADSHEETS for path in unknown):
            raise DataError(
                f"{folder}: spreadsheets are not read: {names}. Save them as CSV (UTF-8)."
            )
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


def _holds_data(path: Path) -> bool:
    if path.is_dir():
        return path.name[0] not in "._" and any(_is_data(child) for child in path.iterdir())
    return _is_data(path, (*READABLE, *SPREADSHEETS))
