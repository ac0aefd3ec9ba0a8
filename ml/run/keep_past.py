"""The tables of the past for the version that is being written: what was held, and what is new.

The series themselves are among them as rows, so that a version can be drawn without the user's
files.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ml.artifacts import version as versions
from ml.artifacts.folder_store import results_store
from ml.artifacts.keys import PAST, folder_of, past_key
from ml.artifacts.log import record_manifest
from ml.artifacts.manifest import ManifestFile
from ml.artifacts.reading import read_table
from ml.contracts.base import Contract
from ml.contracts.forecasts import FORECAST_MODELS
from ml.contracts.history import HISTORY, PAST_FORECASTS, SCORES
from ml.contracts.recommendations import RECOMMENDATIONS
from ml.durable import sha256_of
from ml.errors import PublishError, first_few
from ml.gate.stored import read_verdict
from ml.panel import Panel
from ml.run.model_store import say
from ml.run.past import KeptTable, renew_past, renew_scores
from ml.run.plan import PanelPlan
from ml.run.request import RunRequest
from ml.run.rows import as_table
from ml.run.said import add_references, followed_items, read_stock, say_rows
from ml.run.saved_paths import SavedPaths

MADE_UP = ("synthetic", "synthetic_after_real")  # rules that say nothing of the forecasts
KEPT = (PAST_FORECASTS, SCORES)


def renew_tables(
    staged: versions.StagedVersion,
    plans: Sequence[PanelPlan],
    saved: Mapping[str, SavedPaths],
    source: Mapping[str, str],
    metrics: pa.Table,
    request: RunRequest,
) -> dict[Contract, KeptTable]:
    """The tables of the past, by what the version before held and what this one says.

    The other tables of the version are written; ``saved`` holds the paths of its panels.
    """
    panels = [plan.panel for plan in plans]
    past, scores = (read_held(request.results, contract) for contract in KEPT)
    said = [PAST_FORECASTS.schema.empty_table()]
    for plan in plans:
        if plan.name in saved:
            items = _not_said_yet(plan, saved[plan.name], past)
            stock = _read_stock(staged) if items and plan.panel.is_demand else {}
            kind = plan.panel.kind
            said.append(say_rows(plan, saved[plan.name], items, stock, source[kind]))
    models = staged.data_path(FORECAST_MODELS.name)
    rows = add_references(pa.concat_tables(said), models, metrics)
    name = pa.array([staged.version_id] * rows.num_rows, pa.string())
    rows = rows.set_column(
        rows.column_names.index("version_id"), PAST_FORECASTS.schema.field("version_id"), name
    )
    known = renew_past(past, rows, panels, source, request.today)
    found = renew_scores(scores, known.held, panels, source, request.today)
    return {PAST_FORECASTS: known, SCORES: found}


def _not_said_yet(plan: PanelPlan, saved: SavedPaths, past: pa.Table) -> list[str]:
    """Items that are followed and of which nothing is known to have been said as of this day."""
    cutoff = pa.scalar(plan.panel.cutoff.astype("datetime64[us]"))
    same = pc.and_(pc.equal(past["as_of"], cutoff), pc.equal(past["kind"], plan.panel.kind))
    said = set(past.filter(same)["item_id"].to_pylist())
    wanted = set(plan.wanted) & saved.parts.keys() - said
    return [item for item in followed_items(plan.panel) if item in wanted]


def _read_stock(staged: versions.StagedVersion) -> Mapping[str, tuple[float, float | None]]:
    wanted = ["item_id", "location_id", "order_up_to", "service_target", "service_metric"]
    return read_stock(pq.read_table(staged.data_path(RECOMMENDATIONS.name), columns=wanted))


def read_held(results: Path, contract: Contract) -> pa.Table:
    """What the newest version holds of a table of the past, less what the gate kept back.

    Where the table is damaged it is taken from the files of the whole past, which know of nothing
    that has not come true.
    """
    record = versions.newest_version_with(results, contract.name)
    if record is None:
        return contract.schema.empty_table()
    store = results_store(results)
    try:
        manifest = record_manifest(store, record)
        table = _as_now(read_table(store, manifest, contract.name), contract)
        verdict = read_verdict(store, manifest)
    except PublishError as error:
        say(f"{contract.name}: {error} What the files of the past hold is taken instead.")
        tables = [pq.read_table(path) for path in _past_files(results, contract.name)]
        return _newest_rows([_as_now(table, contract) for table in tables], contract)
    closed = {one.name for one in verdict.closed} - {*MADE_UP} if verdict else set()
    if closed and "version_id" in contract.names:
        table = table.filter(pc.not_equal(table["version_id"], record.version_id))
    return table


def list_past(results: Path) -> tuple[ManifestFile, ...]:
    """The files of the whole past, as the newest version with some names them.

    A file that is gone is named no more, with a line.
    """
    record = versions.newest_version_with(results, PAST_FORECASTS.name)
    if record is None:
        return ()
    try:
        named = record_manifest(results_store(results), record).past
    except PublishError as error:
        say(f"{error} What lies in the folders of the past is named instead.")
        return tuple(_entry(path, name) for name in PAST for path in _past_files(results, name))
    gone = [file.path for file in named if not (results / file.path).is_file()]
    if gone:
        say(f"{len(gone)} of {len(named)} files of the past are missing and named no more: "
            f"{first_few(gone)}")  # fmt: skip
    return tuple(file for file in named if file.path not in gone)


def _past_files(results: Path, dataset: str) -> list[Path]:
    return sorted((results / folder_of(dataset) / dataset).glob("*.parquet"))


def _entry(path: Path, dataset: str) -> ManifestFile:
    return ManifestFile(
        path=past_key(dataset, path.stem),
        dataset=dataset,
        bytes=path.stat().st_size,
        sha256=sha256_of(path),
        rows=pq.read_metadata(path).num_rows,
    )


def _as_now(table: pa.Table, contract: Contract) -> pa.Table:
    """A table with the columns of today: what an earlier version lacks is not known."""
    for field in contract.schema:
        if field.name not in table.column_names:
            table = table.append_column(field, pa.nulls(table.num_rows, field.type))
    return table.select(contract.names).cast(contract.schema)


def _newest_rows(tables: Sequence[pa.Table], contract: Contract) -> pa.Table:
    """Rows of tables in their order, of those with the same key the last."""
    whole = pa.concat_tables([contract.schema.empty_table(), *tables])
    places = whole.append_column("place", pa.array(np.arange(whole.num_rows)))
    last = places.group_by(list(contract.key)).aggregate([("place", "max")])["place_max"]
    return whole.take(last).sort_by([(name, "ascending") for name in contract.key])


# Periods told of each series: 400 days (of five a week: 286), 104 weeks, 36 months.
LONGEST = {"D": 400, "B": 286, "W": 104, "MS": 36}
CHUNK = 1024  # items at a time


def history_rows(plans: Sequence[PanelPlan], source: Mapping[str, str]) -> Iterator[pa.Table]:
    """Rows of HISTORY of the wanted items of all panels, in chunks in the order of their ids.

    An item begins with its first observation. ``source`` says of each kind who its data are from.
    """
    placed = sorted((item, place) for place, plan in enumerate(plans) for item in plan.wanted)
    yield HISTORY.schema.empty_table()
    for start in range(0, len(placed), CHUNK):
        own = placed[start : start + CHUNK]
        parts = [
            _rows(plan.panel.select([item for item, of in own if of == place]), source)
            for place, plan in enumerate(plans)
        ]
        yield pa.concat_tables(parts)


def _rows(panel: Panel, source: Mapping[str, str]) -> pa.Table:
    """Rows of a panel's last periods."""
    kept = slice(-LONGEST[panel.frequency.value], None)
    y, used = panel.recorded[:, kept], panel.values[:, kept]
    share = np.round(1.0 - panel.exposure[:, kept], 6)
    begun = np.maximum.accumulate(~np.isnan(panel.values), axis=1)[:, kept]
    rows, places = np.nonzero(begun)
    columns = {
        "item_id": np.asarray(panel.items, dtype=object)[rows],
        "ds": panel.periods[kept][places].astype("datetime64[us]"),
        "frequency": [panel.frequency.value] * len(rows),
        "kind": [panel.kind] * len(rows),
        "unit": np.asarray(panel.units, dtype=object)[rows],
        "y": pa.array(y[rows, places], from_pandas=True),
        "is_stockout": share[rows, places] > 0.0,
        "stockout_share": share[rows, places],
        "y_used": pa.array(used[rows, places], from_pandas=True),
        "source": [source[panel.kind]] * len(rows),
    }
    return as_table(columns, HISTORY)
