"""Small versions, and a stand-in for ``os`` that takes notes or fills the disk."""

import os
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from ml import durable
from ml.artifacts.parquet_file import DatasetWriter, footer
from ml.artifacts.version import (
    Provenance,
    commit_version,
    stage_version,
    write_manifest,
    write_metadata,
    write_model_versions,
)
from ml.contracts.base import Column, Contract
from ml.contracts.forecasts import FORECASTS, REFUSALS
from ml.contracts.metrics import METRICS

STARTED = datetime(2026, 11, 20, 2, 15, 3, tzinfo=UTC)
RECOMMENDATIONS = Contract(  # a stand-in with a key of two columns and optional numbers
    "recommendations",
    key=("item_id", "location_id"),
    columns=(
        Column("run_id", pa.string()),
        Column("item_id", pa.string()),
        Column("location_id", pa.string()),
        Column("order_qty", pa.float64(), "units", "what to order", nullable=True),
        Column("days", pa.int64(), "days", "cover", nullable=True),
    ),
)
CONTRACTS = {c.name: c for c in (FORECASTS, REFUSALS, RECOMMENDATIONS, METRICS)}


def made(contract, rows, **values):
    """A table of a contract: plain values for what is not given."""
    plain = {pa.string(): "x", pa.float64(): 1.5, pa.int64(): 1, pa.bool_(): False}
    columns = []
    for column in contract.columns:
        fill = next(iter(column.vocabulary), plain.get(column.dtype, STARTED))
        if pa.types.is_timestamp(column.dtype) and column.dtype.tz is None:
            fill = datetime(2026, 11, 19)
        columns.append(pa.array(values.get(column.name, [fill] * rows), column.dtype))
    return pa.Table.from_arrays(columns, schema=contract.schema)


def forecasts(items=("A-1", "B 2", "NA"), horizon=3, level=1.5):
    steps = [(item, step) for item in items for step in range(1, horizon + 1)]
    return made(
        FORECASTS,
        len(steps),
        item_id=[item for item, _ in steps],
        ds=[datetime(2026, 11, 19) + timedelta(days=step) for _, step in steps],
        horizon_step=[step for _, step in steps],
        forecast=[level * step for _, step in steps],
        cum_mean=[None if item == "NA" else level for item, _ in steps],
        unit=["units"] * len(steps),
        fallback_reason=[None] * len(steps),
    )


def metrics(level=1.5):
    return made(
        METRICS,
        2,
        item_id=["A-1", None],
        demand_class=[None, None],
        cutoff=[None, None],
        horizon_step=[1, None],
        value=[level, None],
    )


def tables(level=1.5):
    return {
        "forecasts": forecasts(level=level),
        "refusals": REFUSALS.schema.empty_table(),
        "recommendations": made(
            RECOMMENDATIONS, 2, item_id=["A-1", "NA"], order_qty=[level, None], days=[None, 3]
        ),
        "metrics": metrics(level),
    }


@pytest.fixture(autouse=True)
def _no_flushing(monkeypatch):
    """No test cuts the power, and on a busy disk thousands of flushes take minutes.

    That they happen, and before what, is tested by the notes that a :class:`RiggedOs` takes.
    """
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture(scope="session")
def kit():
    """What tests build tables with: this module's plain functions and contracts."""
    return Kit


class Kit:
    contracts = CONTRACTS
    made = staticmethod(made)
    forecasts = staticmethod(forecasts)
    metrics = staticmethod(metrics)
    tables = staticmethod(tables)

    @staticmethod
    def version(results, version, *, as_of="2026-11-19", partial=False, level=1.5, only=None):
        """Build a version up to its manifest, as a run does."""
        staged = stage_version(results, version)
        provenance = Provenance("0.1.0", 7, {"demand": "2026-11-19"}, {"arima": "a1"}, ("short",))
        files = []
        for name, table in tables(level).items():
            if only and name not in only:
                continue
            contract = CONTRACTS[name]
            about = footer(contract, version_id=version, as_of=as_of, generator="previsor test")
            with DatasetWriter(staged.data_path(name), contract, about) as writer:
                writer.append(table)
                files.append(writer.close())
            write_metadata(staged, contract, files[-1], provenance, as_of=as_of, refusals=0)
        write_model_versions(staged, {"model_version": f"m-{level}"})
        write_manifest(staged, files, as_of=as_of, partial=partial,
                       run={"seed": 7, "data_until": {"demand_ms": as_of}})  # fmt: skip
        return staged

    @staticmethod
    def commit(results, version, **how):
        """Build a version and commit it; its record."""
        Kit.version(results, version, **how)
        return commit_version(results, version, publisher="host/test")


class RiggedOs:
    """``os`` for the module of file operations: notes what changes the disk, and may be full.

    Args:
        step: Number of the operation from which on every write raises ``error``.
        error: What is raised.
    """

    CHANGING = ("write", "fsync", "replace", "rename", "link", "unlink", "mkdir")

    def __init__(self, step=0, error=None):
        self.step, self.error = step, error
        self.notes = []
        self._paths = {}

    def __getattr__(self, name):
        real = getattr(os, name)
        if name == "open":
            return self._open
        return self._noted(name, real) if name in self.CHANGING else real

    def _open(self, path, flags, mode=0o777):
        descriptor = os.open(path, flags, mode)
        self._paths[descriptor] = str(path)
        if flags & os.O_CREAT:
            self.notes.append(("create", str(path)))
        return descriptor

    def _noted(self, name, real):
        def call(first, *rest):
            if self.error and name == "write" and len(self.notes) >= self.step:
                raise self.error
            about = (self._paths.get(first, first), *rest)
            self.notes.append((name, *(str(a) for a in about if not isinstance(a, memoryview))))
            return real(first, *rest)

        return call


@pytest.fixture
def rig(monkeypatch):
    """Put a :class:`RiggedOs` in the place of ``os``; call again to rig anew."""

    def put(*args, **kwargs):
        rigged = RiggedOs(*args, **kwargs)
        monkeypatch.setattr(durable, "os", rigged)
        return rigged

    put.off = lambda: monkeypatch.setattr(durable, "os", os)
    return put
