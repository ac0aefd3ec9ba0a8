"""What reading demand came to, kept for whoever reads the very same again.

It lies in ``DATA_DIR/read/<kind>/<name>/``. The name stands for all that it was made of, bytes,
wishes and code, so it is never told otherwise than it was read. Of each kind the last one stays.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ml.contracts.demand import PART, DemandParts
from ml.durable import disk_errors, remove_all, staged
from ml.frequency import Frequency
from ml.locks import hold
from ml.mapped import keep, let_go, map_array
from ml.panel import Panel, in_portions
from ml.panel_tables import Prepared, Refusal, demand_panel
from ml.run.model_store import finish_part, read_parts, start_part
from ml.run.plan import fingerprint
from ml.run.request import RunRequest
from ml.seeds import code_version
from ml.stockouts import Shortages

READ, PANEL = "read", "panel"
_LOCK = ".read.lock"
_CELLS = ("row", "period", "served", "exposure", "short")  # of shortages


@dataclass(frozen=True, slots=True)
class KeptReading:
    """What was kept under a name."""

    facts: Mapping[str, Any]  # what JSON can say
    tables: Mapping[str, pq.ParquetFile]  # the rest, held open


def find_reading(data_dir: Path, kind: str, name: str) -> KeptReading | None:
    """What is kept under a name; ``None`` where nothing is, or with a line where it is damaged.

    Raises:
        MachineError: The disk refuses.
    """
    folder = data_dir / READ / kind
    if not folder.is_dir() or not os.access(data_dir, os.W_OK):
        return None
    with hold(data_dir, name=_LOCK, wait=True), disk_errors(f"reading '{folder}'"):
        facts = read_parts(folder).get(name)
        if facts is None:
            return None
        paths = [folder / name / file for file in facts["files"]]
        opened = {path.stem: pq.ParquetFile(pa.OSFile(str(path))) for path in paths}
        return KeptReading(facts, opened)


def keep_reading(
    data_dir: Path, kind: str, name: str, tables: Mapping[str, Iterable[pa.Table]], **facts: Any
) -> None:
    """Keep what was read in the place of what was kept before; not where nobody may write.

    Tables come in parts, each one of at least one part.

    Raises:
        MachineError: The disk is full, or refuses.
    """
    folder = data_dir / READ / kind
    if data_dir.exists() and not os.access(data_dir, os.W_OK):
        return
    with hold(data_dir, name=_LOCK, wait=True), disk_errors(f"writing '{folder}'"):
        remove_all(folder)
        start_part(folder / name)
        for table, parts in tables.items():
            with staged(folder / name / f"{table}.parquet") as path:
                _write(path, iter(parts))
        finish_part(folder / name, **facts)


def _write(path: Path, parts: Iterator[pa.Table]) -> None:
    first = next(parts)
    options = {"compression": "zstd", "write_statistics": False}
    with pq.ParquetWriter(path, first.schema, **options) as writer:
        for part in chain([first], parts):
            writer.write_table(part)


def prepare_demand(demand: DemandParts, request: RunRequest) -> Prepared:
    """The demand panel of a request; of demand that was read before, the one that was made then.

    Raises:
        DataError: Two frequencies among the usable series, or no period is over.
    """
    data_dir = request.settings.data_dir
    as_of, today = request.as_of, request.today
    name = fingerprint(PANEL, demand.name, str(as_of), str(today), code_version())
    kept = find_reading(data_dir, PANEL, name) if demand.name else None
    if kept is not None:
        return _unpack(kept)
    found = demand_panel(demand, as_of=as_of, today=today)
    if demand.name and found.panel is not None:
        tables, facts = _pack(found, found.panel)
        keep_reading(data_dir, PANEL, name, tables, **facts)
    return found


def _pack(found: Prepared, panel: Panel) -> tuple[dict[str, Iterable[pa.Table]], dict[str, Any]]:
    """Tables and facts that give every bit of a demand panel back."""
    tables: dict[str, Iterable[pa.Table]] = {
        "items": [pa.table({"item_id": pa.array(panel.items, pa.string()), "unit": panel.units})],
        "values": map(_bits_of, in_portions(panel)),
    }
    if panel.shortages is not None:
        tables["shortages"] = [pa.table({one: getattr(panel.shortages, one) for one in _CELLS})]
    facts = {
        "frequency": panel.frequency.value,
        "periods": panel.periods.astype("datetime64[D]").astype(int).tolist(),
        "refusals": [asdict(one) for one in found.refusals],
        "statements": found.statements,
    }
    return tables, facts


def _bits_of(panel: Panel) -> pa.Table:
    """Values as whole numbers: equal floats may differ in their bits, and few of them differ."""
    return pa.table({"bits": panel.values.reshape(-1).view(np.int64)})


def _unpack(kept: KeptReading) -> Prepared:
    facts, tables = kept.facts, kept.tables
    items = tables["items"].read()
    periods = np.array(facts["periods"], "datetime64[D]")
    values = map_array((len(items), len(periods)), np.float64)
    flat, at = values.reshape(-1), 0
    for batch in tables["values"].iter_batches(PART):
        flat[at : at + len(batch)] = batch["bits"].to_numpy().view(np.float64)
        at += len(batch)
        let_go(values)
    shortages = None
    if "shortages" in tables:
        cells = tables["shortages"].read()
        shortages = Shortages(*(keep(cells[one].to_numpy()) for one in _CELLS))
    panel = Panel(
        "demand",
        Frequency(facts["frequency"]),
        tuple(items["item_id"].to_pylist()),
        periods,
        values,
        tuple(items["unit"].to_pylist()),
        shortages=shortages,
    )
    refusals = tuple(Refusal(**one) for one in facts["refusals"])
    return Prepared(panel, refusals, tuple(facts["statements"]))
