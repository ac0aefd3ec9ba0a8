"""A folder of one user, a made-up country, and the commands run on both."""

from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from ml.settings import settings
from pipelines.outside.domain_sources import adapters
from tests.pipelines.outside.world import ADDRESSES, World

ETL = {"climate": "climate_etl", "economic": "economic_etl", "anatel_5g": "anatel_5g_etl",
       "prices": "price_etl"}  # fmt: skip


@dataclass
class Desk:
    """Where the commands run."""

    folder: Path
    world: World
    monkeypatch: pytest.MonkeyPatch

    def set(self, **names):
        for name, value in names.items():
            self.monkeypatch.setenv(name, str(value))
        settings.cache_clear()

    def run(self, command, *arguments, expect=0, today=None):
        self.set(TODAY=today or self.world.day)
        app = import_module(f"pipelines.{command}").app
        done = CliRunner().invoke(app, [str(one) for one in arguments], catch_exceptions=False)
        assert done.exit_code == expect, done.output
        return done

    def etl(self, domain, *arguments, **how):
        return self.run(ETL[domain], *arguments, **how)

    def next_day(self, days=1):
        self.world.day += timedelta(days=days)
        self.world.clear()

    def next_etl(self, domain, *arguments, expect=0):
        """On the next day, with a fresh log of the services."""
        self.next_day()
        return self.etl(domain, *arguments, expect=expect)

    def path(self, table):
        return self.folder / "data" / "processed" / f"{table}.parquet"

    def rows(self, table, series=None, region=None):
        rows = pq.read_table(self.path(table)).to_pylist()
        return [
            row for row in rows
            if series in (None, row["series"]) and region in (None, row["region"])
        ]  # fmt: skip

    def stored(self, table):
        path = self.path(table)
        return path.read_bytes() if path.exists() else None


@pytest.fixture
def world():
    with World() as country:
        yield country


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    """No pauses between requests to this machine; tests of the client have some."""
    for adapter in adapters(settings()).values():
        monkeypatch.setattr(type(adapter), "pause", 0.0)


@pytest.fixture
def desk(tmp_path, world, monkeypatch):
    made = Desk(tmp_path, world, monkeypatch)
    made.set(
        ENABLE_EXTERNAL_APIS="true", DATA_DIR=tmp_path / "data", LOG_DIR=tmp_path / "logs",
        HISTORY_START="2026-09-01", HTTP_TIME_LIMIT="20", STATES="BA,SP", SYMBOLS="PETR4=PETR4.SA",
        SITES="salvador_ba:-12.97:-38.51:A401,sao_paulo_sp:-23.55:-46.63:A701",
        ALPHAVANTAGE_API_KEY="",
        **{setting: world.servers[name].base for name, setting in ADDRESSES.items()},
    )  # fmt: skip
    return made
