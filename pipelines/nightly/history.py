"""What the ledger of the nights answers: the last runs, one of them, and four questions.

Each question is one query on ``DATA_DIR/nights/ledger.sqlite``; the documentation has them as they
are here.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ml.artifacts.errors import StoreError
from ml.artifacts.reading import read_dataset
from ml.contracts.forecasts import FORECASTS
from ml.contracts.recommendations import RECOMMENDATIONS
from ml.errors import ConfigError, DataError
from pipelines.nightly.ledger import FILE, night_ledger

RUNS = """
SELECT id, day, started_at, outcome, exit_code,
       round((julianday(ended_at) - julianday(started_at)) * 86400) AS seconds, last_line
FROM runs ORDER BY id DESC LIMIT ?
"""
STEPS = """
SELECT name, outcome, exit_code, seconds, cpu_seconds, peak_mib, last_line
FROM steps WHERE run = ? ORDER BY id
"""
DECISIONS = "SELECT at, about, choice, reason FROM decisions WHERE run = ? ORDER BY id"


@dataclass(frozen=True, slots=True)
class Question:
    """Something that people ask, and the query that answers it."""

    text: str  # as people ask it
    option: str  # of `previsor history`
    sql: str  # one statement; its parameters are named


QUESTIONS = {
    "made": Question(
        "Which data, code, model and seed made this row?",
        "--version VERSION",
        """
SELECT versions.version_id, versions.dataset_id, versions.model_version, versions.code,
       versions.seed, runs.id AS run, runs.day, runs.code AS all_code, inputs.name,
       inputs.bytes, inputs.sha256
FROM versions JOIN runs ON runs.id = versions.run LEFT JOIN inputs ON inputs.run = runs.id
WHERE versions.version_id = :version ORDER BY runs.id, inputs.name
""",
    ),
    "models": Question(
        "Why was the model changed?",
        "--models",
        """
SELECT runs.day, runs.id AS run, decisions.about, decisions.choice, decisions.reason,
       versions.version_id, versions.model_version
FROM decisions JOIN runs ON runs.id = decisions.run
     LEFT JOIN versions ON versions.run = runs.id
WHERE decisions.about IN ('models', 'promotion', 'retrain')
      AND (:all OR decisions.choice NOT IN ('kept', 'gone on with'))
ORDER BY decisions.id DESC LIMIT :last
""",
    ),
    "said": Question(
        "What did we say on that day about this item?",
        "--item ITEM --on DAY",
        """
SELECT runs.day, versions.version_id, versions.as_of, versions.store, versions.seq,
       versions.published_at
FROM versions JOIN runs ON runs.id = versions.run
WHERE versions.seq IS NOT NULL AND runs.day <= :day
ORDER BY runs.day DESC, versions.id DESC LIMIT 1
""",
    ),
    "cost": Question(
        "What did it cost?",
        "--cost",
        """
SELECT runs.day, runs.id AS run, steps.name, steps.outcome, steps.seconds, steps.cpu_seconds,
       steps.peak_mib
FROM steps JOIN runs ON runs.id = steps.run
WHERE runs.id IN (SELECT id FROM runs ORDER BY id DESC LIMIT :last)
ORDER BY steps.id
""",
    ),
}


def answer(data_dir: Path, question: str, **parameters: object) -> list[dict[str, Any]]:
    """Rows that answer one of the questions.

    Raises:
        ConfigError: DATA_DIR is no folder.
        DataError: There was no night yet, or the ledger is damaged.
    """
    return _select(data_dir, QUESTIONS[question].sql, parameters)


def _select(data_dir: Path, query: str, parameters: Any) -> list[dict[str, Any]]:
    if data_dir.exists() and not data_dir.is_dir():
        raise ConfigError(f"DATA_DIR: '{data_dir}' is a file. Set it to the folder of the data.")
    if not (data_dir / FILE).exists():
        raise DataError(f"{data_dir / FILE}: there was no night yet. previsor night runs one.")
    with night_ledger(data_dir) as db:
        rows: list[sqlite3.Row] = db.execute(query, parameters).fetchall()
    return [dict(row) for row in rows]


def show_runs(data_dir: Path, last: int) -> Iterator[str]:
    """The last runs, newest first, a line each."""
    rows = _select(data_dir, RUNS, [last])
    yield "  run  day         begun (UTC)       outcome   code  seconds  last line"
    for row in rows:
        code, seconds = (_blank(row[name]) for name in ("exit_code", "seconds"))
        yield (
            f"{row['id']:>5}  {row['day']}  {row['started_at'][:16].replace('T', ' ')}  "
            f"{row['outcome']:<8}  {code:>4}  {seconds:>7}  {row['last_line'] or ''}"
        )


def show_run(data_dir: Path, run: int) -> Iterator[str]:
    """The steps and decisions of a run.

    Raises:
        ConfigError: There is no such run.
    """
    steps, decisions = (_select(data_dir, query, [run]) for query in (STEPS, DECISIONS))
    if not steps and not decisions:
        raise ConfigError(
            f"--run {run}: the ledger has nothing of such a run; see previsor history."
        )
    yield "step                      outcome   code  seconds  processor  MiB   last line"
    for row in steps:
        cells = [_blank(row[name]) for name in ("exit_code", "seconds", "cpu_seconds", "peak_mib")]
        yield (
            f"{row['name']:<24}  {row['outcome']:<8}  {cells[0]:>4}  {cells[1]:>7}  "
            f"{cells[2]:>9}  {cells[3]:>4}  {row['last_line'] or ''}"
        )
    for row in decisions:
        yield f"{row['at'][11:19]}  {row['about']}: {row['choice']}, for {row['reason']}"


def _blank(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"


def show_made(data_dir: Path, version: str) -> Iterator[str]:
    """Data, code, model and seed of a version.

    Raises:
        ConfigError: No night made it.
    """
    rows = answer(data_dir, "made", version=version)
    if not rows:
        raise ConfigError(
            f"--version: no night made '{version}'. Its manifest says what it was made of: "
            f"versions/{version}/manifest.json."
        )
    first = rows[0]
    yield f"version {version}, by run {first['run']} of {first['day']}"
    yield f"model {first['model_version']}, seed {first['seed']}"
    yield f"code {first['code']}; of all that ran {first['all_code']}"
    yield f"dataset {first['dataset_id']}, read from:"
    for row in rows:
        if row["name"] is not None:
            yield f"  {row['sha256']}  {row['bytes']:>12}  {row['name']}"


def show_models(data_dir: Path, last: int) -> Iterator[str]:
    """When models changed, and why, newest first."""
    for row in answer(data_dir, "models", last=last, all=False):
        made = f" -> {row['version_id']}, model {row['model_version']}" if row["version_id"] else ""
        if row["about"] != "models":
            yield f"{row['day']}  run {row['run']}: {row['reason']}"
            continue
        yield f"{row['day']}  run {row['run']}: models {row['choice']}, for {row['reason']}{made}"


def show_said(data_dir: Path, results: Path, item: str, day: date) -> Iterator[str]:
    """What the version that was published on a day says about an item.

    Raises:
        ConfigError: Nothing was published until then, or not about this item.
    """
    rows = answer(data_dir, "said", day=str(day))
    if not rows:
        raise ConfigError(f"--on {day}: no night had published anything until then.")
    row, version = rows[0], rows[0]["version_id"]
    yield (
        f"on {day} readers saw version {version} (as of {row['as_of']}), record {row['seq']} in "
        f"{row['store']}"
    )
    try:
        tables = {name: read_dataset(results, name, version)
                  for name in (FORECASTS.name, RECOMMENDATIONS.name)}  # fmt: skip
    except (StoreError, DataError):  # collected, or never here
        yield f"its tables are no longer here; from the store: read_ml_results(..., at='{day}')"
        return
    found = {name: table.filter(pc.equal(table["item_id"], item)) for name, table in tables.items()}
    if not any(table.num_rows for table in found.values()):
        raise ConfigError(f"--item: version {version} says nothing about '{item}'.")
    yield from _tell_rows(found)


def _tell_rows(found: Mapping[str, pa.Table]) -> Iterator[str]:
    for row in found[FORECASTS.name].to_pylist():
        mean, low, high = (f"{row[name]:.4g}" for name in ("forecast", "lower", "upper"))
        yield f"{row['ds']:%Y-%m-%d}  {mean} ({low} to {high}) by {row['model_used']}"
    for row in found[RECOMMENDATIONS.name].to_pylist():
        yield f"{row['location_id']}: {row['action']}, order {_plain(row['order_qty'])}"


def _plain(value: float | None) -> str:
    return "unknown" if value is None else f"{value:g}"


def show_cost(data_dir: Path, last: int) -> Iterator[str]:
    """What each of the last runs took: by the clock and of the processors, in all and by step."""
    runs: dict[int, list[dict[str, Any]]] = {}
    for row in answer(data_dir, "cost", last=last):
        runs.setdefault(row["run"], []).append(row)
    for run, rows in sorted(runs.items(), reverse=True):
        wall, cpu = (sum(row[name] or 0.0 for row in rows) for name in ("seconds", "cpu_seconds"))
        peak = max(row["peak_mib"] or 0.0 for row in rows)
        yield f"{rows[0]['day']}  run {run}: {wall:.0f} s, processors {cpu:.0f} s, {peak:.0f} MiB"
        for row in rows:
            if row["seconds"] is not None:
                yield f"    {row['name']}: {row['seconds']:.1f} s, {row['cpu_seconds']:.1f} s"


def show_queries() -> Iterator[str]:
    """The questions as queries."""
    for question in QUESTIONS.values():
        yield f"-- {question.text} ({question.option}){question.sql}"
