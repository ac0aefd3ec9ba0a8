"""Panels that tests share, all synthetic and drawn from fixed seeds; the guard of sockets."""

import os

import numpy as np
import pytest

from ml.frequency import Frequency, period_range
from ml.panel import Floats, Panel
from ml.settings import settings
from ml.stockouts import Shortages
from tests import socket_guard

# Read by TensorFlow when a test first imports it: tests compute as workers do.
for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
    os.environ[name] = "1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"

# No test knows of a store of whoever runs it, but for the one that CONTRIBUTING.md tells of.
for name in [one for one in os.environ if one.startswith(("S3_", "MINIO_", "AWS_"))]:
    if not name.startswith("S3_TEST_"):
        del os.environ[name]

GUARD = socket_guard.install()


@pytest.fixture
def guard():
    """The guard of this process, with what it refused."""
    return GUARD


@pytest.fixture(autouse=True)
def _no_other_machine_is_talked_to():
    """Fails a test that tried to, also where its code took the refusal for an answer."""
    yield
    tried = GUARD.seen[:]
    GUARD.seen.clear()
    assert not tried


@pytest.fixture(autouse=True)
def _settings_are_read_anew():
    """What a test sets is for that test alone."""
    settings.cache_clear()
    yield
    settings.cache_clear()


def monthly_panel(n_items: int = 8, months: int = 48, seed: int = 1) -> Panel:
    """Spare parts by the month: rates from a slow mover to a fast one, some gaps."""
    rng = np.random.default_rng(seed)
    rates = np.geomspace(0.05, 6.0, n_items)
    values = rng.poisson(rates[:, None], (n_items, months)).astype(float)
    values[rng.random(values.shape) < 0.02] = np.nan
    values[0, 5] = 1.0
    last = np.datetime64("2025-12-01")
    first = (last.astype("datetime64[M]") - months + 1).astype("datetime64[D]")
    items = tuple(f"PART-{i:03d}" for i in range(n_items))
    periods = period_range(first, last, Frequency.MONTHLY)
    return Panel("demand", Frequency.MONTHLY, items, periods, values, ("units",) * n_items)


def daily_panel(n_items: int = 4, days: int = 240, seed: int = 2) -> Panel:
    """Spare parts by the day with a weekday pattern."""
    rng = np.random.default_rng(seed)
    periods = period_range(np.datetime64("2025-01-01"), np.datetime64("2025-01-01") + days - 1,
                           Frequency.DAILY)  # fmt: skip
    busy = np.where(np.arange(days) % 7 < 5, 1.0, 0.1)
    values = rng.poisson(np.geomspace(0.1, 3.0, n_items)[:, None] * busy).astype(float)
    items = tuple(f"D-{i}" for i in range(n_items))
    return Panel("demand", Frequency.DAILY, items, periods, values, ("units",) * n_items)


def find_shortages(served: Floats, exposure: Floats, short: Floats) -> Shortages:
    """Shortages out of grids (N, T) of what :class:`Shortages` says of its cells."""
    cells = np.nonzero((exposure < 1) | (short != 0))
    row, period = (one.astype(np.int32) for one in cells)
    return Shortages(row, period, served[cells], exposure[cells], short[cells])


def price_panel(days: int = 300, seed: int = 3) -> Panel:
    """Two prices: one that walks near 80, one that is noise around -2."""
    rng = np.random.default_rng(seed)
    walks = np.cumsum(rng.standard_t(5, (2, days)), axis=1)
    values = np.stack([80 + walks[0], rng.normal(-2.0, 1.5, days)])
    values[0, 17] = np.nan
    every = period_range(np.datetime64("2024-01-01"), np.datetime64("2026-12-31"),
                         Frequency.BUSINESS)  # fmt: skip
    return Panel("price", Frequency.BUSINESS, ("BRENT", "SPREAD"), every[:days], values,
                 ("USD", None))  # fmt: skip


@pytest.fixture
def monthly() -> Panel:
    return monthly_panel()


@pytest.fixture
def daily() -> Panel:
    return daily_panel()


@pytest.fixture
def prices() -> Panel:
    return price_panel()
