"""The facts of a version that lies in a store: those written into it, else what its tables say."""

import json
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

import pyarrow as pa

from ml.artifacts.commit import Judge
from ml.artifacts.documents import parse
from ml.artifacts.errors import VerificationError
from ml.artifacts.keys import MODEL_VERSIONS, version_key
from ml.artifacts.log import CommitRecord, record_manifest
from ml.artifacts.manifest import Manifest
from ml.artifacts.reading import read_table
from ml.artifacts.store import Body, Store, read_small
from ml.errors import DataError
from ml.gate.facts import READ, Facts, JudgedCase, describe_forecasts, describe_orders
from ml.gate.verdict import GATE, Verdict, judge, refuse_closed, to_record

LARGEST = 64 << 20  # bytes of a document with the ids of a million items


def read_verdict(store: Store, manifest: Manifest) -> Verdict | None:
    """The verdict that a version holds, ``None`` if earlier code made it.

    Raises:
        StoreRefusedError: Only a newer program can read it.
        VerificationError: It is missing or not what was written.
    """
    data = _read_document(store, manifest, GATE)
    return None if data is None else parse(Verdict, data, where=f"{store.name}: {GATE}")


def _read_document(store: Store, manifest: Manifest, name: str) -> bytes | None:
    key = version_key(manifest.version_id, name)
    file = next((file for file in manifest.files if file.path == key), None)
    if file is None:
        return None
    data = read_small(store, key, limit=min(file.bytes, LARGEST))
    if Body.of(data).sha256 != file.sha256:
        raise VerificationError(f"{store.name}: {key} is not what was written. Restore it.")
    return data


def facts_of(store: Store, manifest: Manifest) -> Facts:
    """The facts of a version; those that tables and manifest tell where it holds none.

    Raises:
        VerificationError: A file of it is missing or damaged.
    """
    verdict = read_verdict(store, manifest)
    if verdict is not None:
        return verdict.facts
    forecasts = _columns(store, manifest, "forecasts", READ)
    wanted = ("location_id", "order_qty", "order_value", "currency")
    orders = _columns(store, manifest, "recommendations", wanted)
    refusals = _columns(store, manifest, "refusals", ("kind",))
    counts = (
        refusals.group_by("kind").aggregate([([], "count_all")]).to_pylist() if refusals else []
    )
    scores = _scores(store, manifest)
    sources = manifest.run.get("source")
    return Facts(
        version_id=manifest.version_id,
        sources=dict(sources) if isinstance(sources, Mapping) else None,
        panels=describe_forecasts(forecasts) if forecasts else {},
        refusals={one["kind"]: one["count_all"] for one in counts},
        bias=scores.get("bias") or {},
        coverage=scores.get("coverage_80_interval") or {},
        orders=describe_orders(orders) if orders else None,
    )


def _columns(
    store: Store, manifest: Manifest, dataset: str, wanted: tuple[str, ...]
) -> pa.Table | None:
    """Columns of a table; ``None`` where it has not all of them, or no row."""
    try:
        table = read_table(store, manifest, dataset, wanted)
    except DataError:
        return None
    return table if table.num_rows and set(wanted) <= set(table.column_names) else None


def _scores(store: Store, manifest: Manifest) -> Mapping[str, Any]:
    data = _read_document(store, manifest, MODEL_VERSIONS)
    metrics = {} if data is None else json.loads(data).get("metrics")
    return metrics if isinstance(metrics, dict) else {}


def facts_of_record(store: Store, record: CommitRecord | None) -> Facts | None:
    """The facts of a committed version, ``None`` if there is none or it cannot be read.

    A version that is damaged does not keep the one away that would replace it.
    """
    try:
        return None if record is None else facts_of(store, record_manifest(store, record))
    except VerificationError:
        return None


def store_judge(
    store: Store, facts: Facts, accepted: Iterable[str], today: date, *, allow_synthetic: bool
) -> Judge:
    """The gate of a store: judges a version against the record that it would follow there.

    The function returned gives what the new record says, and raises GateError where the gate is
    closed. ``accepted`` names the rules that a person passes.
    """
    known: dict[int, Mapping[str, Any]] = {}

    def ask(head: CommitRecord | None) -> Mapping[str, Any]:
        seq = head.seq if head else 0
        if seq not in known:
            before = facts_of_record(store, head)
            case = JudgedCase(facts, before, today, allow_synthetic, follows=head is not None)
            verdict = judge(case, accepted)
            refuse_closed(verdict, store.name)
            known[seq] = to_record(verdict)
        return known[seq]

    return ask
