"""Write what the pages of docs/ say of the code: options, settings, columns, lists, features.

Usage: python docs/generate.py [--check]. In a page, everything between the comments
``<!-- from the code: WHAT -->`` and ``<!-- end -->`` is replaced; WHAT is a key of ``PARTS``, and
may be followed by one word, such as the name of a table.
"""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import typer
from pydantic import SecretStr

from ml.contracts import KEPT, PUBLISHED
from ml.contracts.base import Column
from ml.contracts.demand import INVENTORY, ITEMS, OPEN_ORDERS, RECEIPTS, SUPPLIERS
from ml.contracts.forecasts import FORECAST_MODELS, FORECASTS, TOTALS
from ml.contracts.metrics import METRICS_MEANING
from ml.contracts.price_outlook import EXPOSURE, EXPOSURE_FLAGS
from ml.contracts.recommendations import FLAGS, RECOMMENDATIONS
from ml.contracts.simulation import ANCHORS
from ml.features.declarations import FEATURES
from ml.gate.rules import RULES
from ml.setting_groups import PROJECT
from ml.settings import GROUPS
from pipelines.intake import names
from pipelines.intake.find_files import PREFIXES, READABLE
from pipelines.intake.quarantine import Reason
from pipelines.nightly.history import QUESTIONS
from scripts.previsor import app

PAGES = (PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *sorted(PROJECT.glob("docs/*.md")))
REGION = re.compile(r"(<!-- from the code: ([^>]*?) -->\n).*?(<!-- end -->)", re.DOTALL)
MEANINGS = {  # of the columns that only the user's files have
    "ds": ("1", "any day of the period"),
    "y": ("units", "quantity; empty = not observed"),
    "site_id": ("1", "site; summed over, and its share of the item's demand is kept"),
    "is_stockout": ("1", "stock ran out: demand was at least `y`"),
    "series": ("1", "name of the series"),
    "unit": ("1", "unit of the values, one for each item or series"),
    "currency": ("1", "ISO 4217 code"),
}
PLACEHOLDERS = {  # typer's names of types, as people write them
    r"<[Pp]ath>|<list\[Path\]>": "PATH",
    r"<(int|float)[^>]*>": "N",
    r"<%Y-%m-%d>": "DATE",
    r"<(str|list\[str\])>": "TEXT",
}
NEEDED = {"item_id", "ds", "y", "ordered_at", "received_at"}
SAME_OPTIONS = {  # commands whose options stand under another one
    **{f"etl/{domain}": "etl/climate" for domain in ("economic", "anatel_5g", "prices")},
    **{f"train/{family}": "train/prophet" for family in ("arima", "lstm", "trees", "ensemble")},
}


def tabulate(heads: str, rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table; ``heads`` are separated by commas."""
    titles = heads.split(", ")
    lines = [titles, ["---"] * len(titles), *rows]
    cells = ([str(cell).replace("|", "\\|") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def quote(values: Iterable[Any]) -> str:
    """Values as code, separated by commas."""
    return ", ".join(f"`{value}`" for value in values)


def list_options(command: str) -> str:
    """The options and arguments of a command, ``etl/climate`` of previsor or ``scripts.module``."""
    path = [] if "." in command else command.split("/")
    found: Any = typer.main.get_command(app if path else import_module(command).app)
    context = typer.Context(found)
    for name in path:
        found = found.get_command(context, name)
        context = typer.Context(found, info_name=name, parent=context)
    rows = []
    for option in found.params:
        if option.name == "help" or getattr(option, "hidden", False):
            continue
        shown = option.show_default if isinstance(option.show_default, str) else option.default
        default = "" if shown is None or shown is False or shown == [] else str(shown)
        record = option.get_help_record(context)
        name = record[0] if record else option.name.upper()
        for described, plain in PLACEHOLDERS.items():
            name = re.sub(described, plain, name)
        rows.append([f"`{name}`", default, option.help])
    return tabulate("option, default, meaning", rows)


def list_settings() -> str:
    """Every setting with default and meaning, group by group."""
    parts = []
    for group in GROUPS:
        rows = []
        for name, field in group.model_fields.items():
            value = field.default
            if isinstance(value, Path):
                value = f"./{value.relative_to(PROJECT).as_posix()}"
            value = value.get_secret_value() if isinstance(value, SecretStr) else value
            value = str(value).lower() if isinstance(value, bool) else value
            default = "empty" if value in {None, ""} else f"`{value}`"
            rows.append([f"`{name.upper()}`", default, " ".join((field.description or "").split())])
        title = (group.__doc__ or "").partition("\n")[0]
        parts.append(f"{title}\n\n{tabulate('name, default, meaning', rows)}")
    return "\n\n".join(parts)


def list_columns(table: str) -> str:
    """The columns of a published table; of components and totals, those that forecasts lacks."""
    contract = next(one for one in (*PUBLISHED, *KEPT) if one.name == table)
    columns: Iterable[Column] = contract.columns
    if contract in (FORECAST_MODELS, TOTALS):
        shared = set(FORECASTS.names[FORECASTS.names.index("forecast") :])
        columns = [one for one in columns if one.name not in shared]
    rows = [
        [
            f"`{one.name}`",
            str(one.dtype),
            one.unit,
            "yes" if one.nullable else "no",
            one.description,
        ]
        for one in columns
    ]
    return tabulate("column, type, unit, null, meaning", rows)


def list_inputs(table: str) -> str:
    """The columns that a user's file may have, with the names that are understood.

    Of stock, those that a file of items lacks.
    """
    aliases = getattr(names, f"{table.upper().removesuffix('S')}_NAMES")
    ours = (OPEN_ORDERS, RECEIPTS, SUPPLIERS, ITEMS, INVENTORY,
            *(one for one in (EXPOSURE,) if one.name == table))  # fmt: skip
    own_last = sorted(ours, key=lambda one: one.name == table)
    known = {one.name: (one.unit, one.description) for own in own_last for one in own.columns}
    rows = []
    told = names.ITEM_NAMES.keys() - {"item_id"} if table == "inventory" else ()
    for wanted, understood in aliases.items():
        if wanted in told:
            continue
        unit, meaning = known.get(wanted) or MEANINGS[wanted]
        if table in {"demand", "prices"}:
            unit, meaning = MEANINGS.get(wanted, (unit, meaning))
        needed = (
            " (needed)" if wanted in NEEDED and (table != "inventory" or wanted != "ds") else ""
        )
        others = quote(name for name in understood if name != wanted)
        rows.append([f"`{wanted}`{needed}", "1" if unit == "1" else unit, meaning, others])
    return tabulate("column, unit, meaning, names understood", rows)


def list_features() -> str:
    """Every feature, with a star where it may become a driver."""
    rows = [
        [
            f"`{one.name}`" + (" *" if one.driver else ""), one.group, one.unit,
            one.role.replace("_", " "), str(one.lag), one.source, one.description,
        ]
        for one in FEATURES
    ]  # fmt: skip
    return tabulate("feature, group, unit, role, lag, source, meaning", rows)


def list_files() -> str:
    """Which table a file below data/raw/user is, by the beginning of its name."""
    table = tabulate(
        "table, names begin with", ([name, quote(begins)] for name, begins in PREFIXES.items())
    )
    return f"{table}\n\nFiles that are read end in {quote(READABLE)}."


def list_rules() -> str:
    """The rules of the gate with limit and reason; a star where nobody can accept one."""
    rows = [
        [
            f"`{one.name}`" + ("" if one.acceptable else " *"),
            (one.measure.__doc__ or "").rstrip(".") + ".",
            f"{one.limit:g} {one.unit}",
            f"{one.reason[0].upper()}{one.reason[1:]}.",
        ]
        for one in RULES
    ]
    return tabulate("rule, what is measured, limit, why", rows)


def list_words(meanings: Mapping[str, str], head: str) -> str:
    """A closed list with the meaning of each word."""
    return tabulate(f"{head}, meaning", ([f"`{word}`", text] for word, text in meanings.items()))


def list_vocabularies() -> str:
    """The closed lists of the columns of recommendations, one row a word."""
    rows = [
        [f"`{column.name}`" if first else "", f"`{word}`", meaning]
        for column in RECOMMENDATIONS.columns
        for first, (word, meaning) in zip(
            [True, *[False] * 99], column.vocabulary.items(), strict=False
        )
    ]
    return tabulate("column, value, meaning", rows)


def _planner() -> Any:
    """The module beside this one that makes the ten rows."""
    spec = spec_from_file_location("planner_rows", PROJECT / "docs/planner_rows.py")
    module = module_from_spec(spec)  # type: ignore[arg-type] # the file is there
    spec.loader.exec_module(module)  # type: ignore[union-attr]
    return module


def list_rows() -> str:
    """What the program recommends for the ten made-up items."""
    planner = _planner()
    rows = [
        [f"`{one}`" if isinstance(one, str) else "" if one is None else f"{one:.4g}"
         for one in (row[name] for name in planner.SHOWN[:-1])] + [row["reason_text"]]
        for row in planner.make_rows()
    ]  # fmt: skip
    return tabulate(", ".join(planner.SHOWN), rows)


def explain_rows(language: str) -> str:
    """The ten rows in sentences, English (0) or Portuguese (1)."""
    planner = _planner()
    return "\n".join(
        f"- **{row['item_id']}**, `{row['action']}`: {planner.explain_row(row, int(language))}"
        for row in planner.make_rows()
    )


def list_questions() -> str:
    """What the ledger of the nights is asked, as queries."""
    return "\n\n".join(
        f"{one.text} (`previsor history {one.option}`)\n\n```sql{one.sql}```"
        for one in QUESTIONS.values()
    )


PARTS = {
    "questions to the ledger": list_questions,
    "ten rows": list_rows,
    "ten rows explained": explain_rows,
    "options of": list_options,
    "settings": list_settings,
    "columns of": list_columns,
    "input columns of": list_inputs,
    "features": list_features,
    "files of the user": list_files,
    "reasons of the quarantine": lambda: quote(Reason),
    "rules of the gate": list_rules,
    "metrics": lambda: list_words(METRICS_MEANING, "metric"),
    "closed lists": list_vocabularies,
    "anchors": lambda: list_words(ANCHORS, "anchor"),
    "flags of exposures": lambda: list_words(EXPOSURE_FLAGS, "flag"),
    "quality flags": lambda: list_words(FLAGS, "flag"),
}


def write_part(what: str) -> str:
    """The text of one region."""
    key = max((key for key in PARTS if what.startswith(key)), key=len)
    return PARTS[key](*what[len(key) :].split())


def renew(page: str) -> str:
    """A page with all of its regions written anew."""
    return REGION.sub(lambda found: f"{found[1]}{write_part(found[2])}\n{found[3]}", page)


def stale_pages() -> Iterator[tuple[Path, str]]:
    """Pages that do not say what the code says, with what they should be."""
    for path in PAGES:
        page = path.read_text(encoding="utf-8")
        if (wanted := renew(page)) != page:
            yield path, wanted


def main() -> int:
    """Write the pages, or with --check only name those that are not current."""
    stale = list(stale_pages())
    for path, wanted in stale:
        if "--check" not in sys.argv:
            path.write_text(wanted, encoding="utf-8")
        print(
            f"{path.relative_to(PROJECT)}: {'not current' if '--check' in sys.argv else 'written'}"
        )
    return int(bool(stale) and "--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
