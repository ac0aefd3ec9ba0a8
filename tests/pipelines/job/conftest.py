"""A small company's files, and a workspace in which the real commands run on them."""

import csv
import fcntl
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.commands import folders_below, run_alone, run_here

MONTHS = np.arange("2022-01", "2025-11", dtype="datetime64[M]").astype("datetime64[D]")
DAYS = np.arange("2025-01-01", "2025-11-01", dtype="datetime64[D]")
RATES = {"A/1": 0.2, "B 'x'": 0.7, "NA": 1.5, "Ção-✓": 3.0, "slow": 0.08, "fast": 8.0}


@dataclass(frozen=True)
class Workspace:
    """Folders of one user, and the commands run as that user would."""

    folder: Path

    @property
    def results(self) -> Path:
        return self.folder / "data" / "ml_results"

    @property
    def environment(self) -> dict[str, str]:
        """Variables by which commands find the folders."""
        return folders_below(self.folder) | {"TODAY": "2025-11-20"}

    def run(self, *command: str, expect: int | None = 0, alone: bool = False, **extra: str):
        """Run a command: in this process, where all is imported, or ``alone`` in one of its own."""
        env = self.environment | extra
        done = (run_alone if alone else run_here)(self.folder, env, *command)
        if expect is not None:
            assert done.returncode == expect, done.stdout + done.stderr
        return done

    def generate(self, *options: str, expect: int | None = 0, alone: bool = False, **extra: str):
        """Run the main job; without a process of its own it has no workers either."""
        options = options if alone else (*options, "--jobs", "1")
        script = "scripts/generate_ml_results.py"
        return self.run(script, *options, expect=expect, alone=alone, **extra)

    def pointer(self) -> dict:
        return json.loads((self.results / "metadata" / "last_updated.json").read_text())

    def manifest(self, version: str | None = None) -> dict:
        version = version or self.pointer()["version_id"]
        return json.loads((self.results / "versions" / version / "manifest.json").read_text())

    def hashes(self, version: str | None = None) -> dict[str, str]:
        """Of all that inputs alone decide: these three tell of the versions before as well."""
        files = self.manifest(version)["files"]
        own = {one["dataset"]: one["content_sha256"] for one in files if one["content_sha256"]}
        of_others = ("changes", "past_forecasts", "scores")
        return {name: digest for name, digest in own.items() if name not in of_others}

    def table(self, dataset: str, version: str | None = None):
        manifest = self.manifest(version)
        (path,) = [one["path"] for one in manifest["files"] if one["dataset"] == dataset]
        return pq.read_table(self.results / path)


def demand_rows(items=RATES, months=MONTHS, seed: int = 0) -> list[tuple[str, str, str]]:
    rows = []
    for item in items:
        # seeded by the name, so that adding an item changes no other
        rng = np.random.default_rng([seed, *item.encode()])
        counts = rng.poisson(RATES.get(item, 1.0), len(months))
        rows += [(item, str(day), str(count)) for day, count in zip(months, counts, strict=True)]
    return rows


def write_csv(path: Path, header: list[str], rows) -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(header)
        writer.writerows(rows)
    return path


def write_demand(path: Path, rows=None) -> Path:
    return write_csv(path, ["item_id", "ds", "y"], demand_rows() if rows is None else rows)


def write_prices(path: Path) -> Path:
    closes = 70 + np.cumsum(np.random.default_rng(7).normal(0, 1, len(DAYS)))
    rows = [(str(day), f"{close:.2f}") for day, close in zip(DAYS, closes, strict=True)
            if np.is_busday(day)]  # fmt: skip
    return write_csv(path, ["Date", "Price"], rows)


def write_exposure(path: Path) -> Path:
    """What is paid at the price of Brent: soon, and of another series that nobody knows."""
    header = ["series", "volume", "due_date", "hedged_share", "currency", "fixed_quote"]
    rows = [("brent", "400", "2025-11-12", "0.25", "USD", "71.5"), ("gas", "9", "", "", "", "")]
    return write_csv(path, header, rows)


def write_stock(path: Path) -> Path:
    header = ["item_id", "snapshot_at", "on_hand", "on_order", "lead_time_days_mean",
              "lead_time_days_std", "moq", "order_multiple", "unit_cost", "currency"]  # fmt: skip
    rows = [(item, "2025-10-31", str(2 * k), "0", "45", "10", "5", "5", "12.5", "BRL")
            for k, item in enumerate(RATES)]  # fmt: skip
    return write_csv(path, header, rows)


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    return Workspace(tmp_path)


def write_company(folder: Path) -> list[str]:
    """Demand, stock and prices; the options that name them."""
    return [
        "--demand", str(write_demand(folder / "demand.csv")),
        "--inventory", str(write_stock(folder / "stock.csv")),
        "--prices", str(write_prices(folder / "brent.csv")),
        "--exposure", str(write_exposure(folder / "exposure.csv")),
    ]  # fmt: skip


@pytest.fixture(scope="session")
def company(tmp_path_factory, worker_id) -> Workspace:
    """One whole run on demand, stock and prices, shared by the tests that only look at it.

    The first of the processes of the tests that asks for it makes it; each has a copy of its own.
    """
    own = tmp_path_factory.mktemp("company")
    made = Workspace((own if worker_id == "master" else own.parent).parent / "whole-run")
    made.folder.mkdir(exist_ok=True)
    with (made.folder.parent / "whole-run.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (made.folder / "stderr.txt").exists():
            done = made.generate(*write_company(made.folder), alone=True)
            (made.folder / "stdout.txt").write_text(done.stdout)
            (made.folder / "stderr.txt").write_text(done.stderr)
    shutil.copytree(made.folder, own, dirs_exist_ok=True)
    return Workspace(own)
