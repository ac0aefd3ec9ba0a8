"""A season of nights: a small company, a country whose services answer, and all that befalls them.

Each night is the real job in its own processes, on the day that ``TODAY`` says. The company's
files hold what was asked for until the day before; the outside world is on loopback; messages go
to a webhook there. A :class:`SeasonPlan` says on which nights what happens.
"""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import cache

import numpy as np
import pandas as pd

from pipelines.nightly import ledger
from pipelines.sample_data.ledger import record
from pipelines.sample_data.sample import Sample, generate, planning_table
from tests.commands import ROOT
from tests.pipelines.job.conftest import Workspace
from tests.pipelines.nightly.processes import MARK, await_none, marked
from tests.pipelines.nightly.rehearsal import Files, write_files
from tests.pipelines.outside.world import ADDRESSES, JSON, World, business, days_between
from tests.pipelines.sources.payloads_money import ipeadata_values
from tests.pipelines.sources.replay import Replay, Reply
from tests.power_cut import contents, empty_unflushed

ITEMS, SEED = 12, 14
MOST_NIGHTS, MISSED = 63, 3
WALKS_SINCE, WALKS = date(2025, 6, 1), 900  # of prices and rates, days
NIGHT = "scripts/auto_update_ml_results.py"
DEAD = "bcb_sgs"  # the source that dies; nobody else serves the interest rate
SPARED = ("ledger.sqlite*", "*.lock", ".lock")  # SQLite flushes by itself
# What is flushed while the power lasts, told by each process of a night to a file.
NOTE_FLUSHES = """
import os
_place, _fsync = os.environ["FLUSHED"], os.fsync

def _flush(file):
    stat = os.fstat(file if isinstance(file, int) else file.fileno())
    line = f"{stat.st_dev} {stat.st_ino} {stat.st_size} {stat.st_mtime_ns}\\n"
    note = os.open(_place, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(note, line.encode())
    os.close(note)

os.fsync = os.fdatasync = _flush
"""


@dataclass(frozen=True)
class SeasonPlan:
    """What happens on which night, counted from 1; 0 = never."""

    nights: int
    first: date = date(2026, 1, 5)  # of the company's demand
    history: int = 200  # days of it before the first night
    outside: int = 200  # days of the outside world before it
    monthly: bool = False  # two items by months, too short for a network: nights are quick
    dead: tuple[int, ...] = ()  # a source answers with errors
    kills: tuple[int, ...] = ()  # the night is killed at a random moment, and started again
    cuts: tuple[int, ...] = ()  # the power is cut at one
    revised: int = 0  # from then on an exchange rate of the week before is another one
    shifted: int = 0  # from then on the company moves three times as much of everything
    rewritten: int = 0  # from then on its files say something else about a month long past
    ended: int = 0  # from then on nobody asks for a family any more
    missed: int = 0  # after this night the machine is off for three
    poisoned: int = 0  # on this night alone large items are written as small ones: a bad model
    alarms: tuple["Alarm", ...] = ()  # what people are to be told of it

    def day(self, night: int) -> date:
        """The day of a night; its files end the day before."""
        off = MISSED if self.missed and night > self.missed else 0
        return self.first + timedelta(days=self.history + night + off)

    @property
    def outside_since(self) -> date:
        """First day of the outside world that anybody asks for."""
        return self.day(0) - timedelta(days=self.outside)


@dataclass(frozen=True)
class Alarm:
    """A message that is expected."""

    kind: str  # of the condition
    subject: str  # what it is about
    opens: tuple[int, int]  # first and last night on which it may open
    ends: tuple[int, int] | None = None  # likewise of its end; `None` = not within the season


@dataclass
class Night:
    """How one of them went."""

    number: int
    day: date
    code: int = -1  # exit code, of the last start
    seconds: float = 0.0  # of the start that came to its end
    stopped: str = ""  # `killed`, `power cut`; empty where it was left in peace
    after: float = 0.0  # seconds into the night
    left: float = 0.0  # seconds until no process of it was left
    lost: tuple[str, ...] = ()  # files that the power cut emptied
    said: str = ""  # all that it said


class Country(World):
    """A country whose prices and rates wander, as they do, and are out soon."""

    def value(self, code, base, day):
        told = self.revised.get((code, day.isoformat()))
        return told or round(base * float(np.exp(_walk(code)[(day - WALKS_SINCE).days])), 4)

    def months_out(self, first, lag):
        return super().months_out(first, min(lag, 20))

    def _ipeadata(self, request):
        if "Metadados" in request.target:
            return super()._ipeadata(request)
        code = "EIA366_PBRENT366" if "PBRENT" in request.target else "GM366_ERC366"
        out = days_between(self.start, self.day - timedelta(days=1))
        base = {"EIA366_PBRENT366": 80.0, "GM366_ERC366": 5.4}[code]
        values = {str(day): self.value(code, base, day) for day in business(out)}
        return Reply(200, ipeadata_values(code, values), JSON)


@cache
def _walk(code: str) -> np.ndarray:
    steps = np.random.default_rng([SEED, *code.encode()]).standard_t(5, WALKS)
    return 0.008 * steps.cumsum()


@cache
def sample(first: date, days: int) -> Sample:
    """All that the company would ever have, were nothing to befall it."""
    return generate(ITEMS, np.datetime64(first), days, seed=SEED)


@cache
def demand(plan: SeasonPlan) -> pd.DataFrame:
    """Its demand, without the anomalies and the dirt that the generator plants by itself."""
    truth = sample(plan.first, plan.history + MOST_NIGHTS).truth
    rows = record(truth).frame(truth.items.ids, truth.days)
    if plan.monthly:
        units = rows.groupby("item_id")["quantity"].sum()
        rows = rows[rows["item_id"].isin(units.nlargest(2).index)]
    return rows


def ended_family(plan: SeasonPlan) -> frozenset[str]:
    """The family that is asked for on most days, among those with several items."""
    items = planning_table(sample(plan.first, plan.history + MOST_NIGHTS).truth)
    days = demand(plan).query("quantity > 0").groupby("item_id")["date"].nunique()
    several = [own["item_id"] for _, own in items.groupby("family") if len(own) > 1]
    return frozenset(max(several, key=lambda ids: days.reindex(ids).sum()))


def files_of(plan: SeasonPlan, night: int) -> Files:
    """What the company brings on a night."""
    last = str(plan.day(night) - timedelta(days=1))
    rows, whole = demand(plan).copy(), sample(plan.first, plan.history + MOST_NIGHTS)
    if plan.shifted:
        later = rows["date"] >= str(plan.day(plan.shifted) - timedelta(days=1))
        rows.loc[later, "quantity"] *= 3
    if plan.ended:
        over = rows["date"] >= str(plan.day(plan.ended) - timedelta(days=1))
        rows.loc[over & rows["item_id"].isin(ended_family(plan)), "quantity"] = 0.0
    if plan.rewritten and night >= plan.rewritten:
        month = rows["date"].str.startswith(f"{plan.first + timedelta(days=60):%Y-%m}")
        rows.loc[month & (rows["quantity"] > 0), "quantity"] += 1
    if night == plan.poisoned:
        ranked = rows.groupby("item_id")["quantity"].sum().sort_values().index
        swapped = dict(zip(ranked, reversed(ranked), strict=True))
        rows["item_id"] = rows["item_id"].map(swapped)
    later = rows[rows["date"] > last].groupby("item_id")["quantity"].sum()
    stock = whole.inventory.drop_duplicates("item_id")
    stock = stock[stock["item_id"].isin(set(rows["item_id"]))].copy()
    stock["on_hand"] += stock["item_id"].map(later).fillna(0.0).clip(lower=0.0)
    stock["snapshot_at"] = last
    items = whole.items[whole.items["item_id"].isin(set(rows["item_id"]))]
    return Files(rows[rows["date"] <= last], items, stock, None)


@dataclass
class Season:
    """The company, and its nights so far."""

    plan: SeasonPlan
    workspace: Workspace
    world: World
    hook: Replay
    nights: list[Night] = field(default_factory=list)

    @property
    def data_dir(self):
        return self.workspace.folder / "data"

    @property
    def store(self):
        return self.workspace.folder / "store"

    @property
    def mark(self) -> str:
        return str(self.workspace.folder)

    def environment(self, day: date) -> dict[str, str]:
        """The settings of a night."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        addresses = {setting: self.world.servers[name].base for name, setting in ADDRESSES.items()}
        return kept | self.workspace.environment | addresses | {
            "PYTHONPATH": str(ROOT), MARK: self.mark, "TODAY": str(day),
            "ENABLE_EXTERNAL_APIS": "true", "HISTORY_START": str(self.plan.outside_since),
            "STATES": "BA", "SITES": "salvador_ba:-12.97:-38.51:A401", "SYMBOLS": "PETR4=PETR4.SA",
            "INTAKE_FREQUENCY": "MS" if self.plan.monthly else "",
            "LOKY_MAX_CPU_COUNT": "1", "MESSAGE_URLS": f"json://{self.hook.host}/planner",
        }  # fmt: skip

    def run(self) -> None:
        """All nights, one after the other."""
        chance = random.Random(SEED)
        for number in range(1, self.plan.nights + 1):
            self._befall(number)
            write_files(self.workspace, files_of(self.plan, number))
            night = Night(number, self.plan.day(number))
            if number in (*self.plan.kills, *self.plan.cuts):
                usual = np.median([one.seconds for one in self.nights] or [20.0])
                night = self._stop(night, chance.uniform(0.02, 0.98) * float(usual))
            if night.code:
                night = self._finish(night)
            self.nights.append(night)
            print(_line(night), file=sys.stderr, flush=True)  # noqa: T201 - of a long drill

    def _befall(self, night: int) -> None:
        plan, world = self.plan, self.world
        world.day = plan.day(night)
        if night in plan.dead:
            world.down(DEAD)
        else:
            world.restore()
        if night == plan.revised:
            day = np.busday_offset(str(world.day), -4, roll="backward").astype(object)
            world.revised["ptax", day.isoformat()] = 1.02 * world.value("ptax", 5.4, day)

    def start(self, day: date, **extra: str) -> subprocess.Popen:
        """The nightly job, as cron starts it."""
        command = [sys.executable, str(ROOT / NIGHT), "--to", str(self.store)]
        env = self.environment(day) | extra
        with (self.workspace.folder / "said.txt").open("wb") as said:
            return subprocess.Popen(command, cwd=self.workspace.folder, env=env, stdout=said,
                                    stderr=subprocess.STDOUT)  # fmt: skip

    def _finish(self, night: Night) -> Night:
        began = time.monotonic()
        process = self.start(night.day)
        code = process.wait(timeout=1500)
        said = (self.workspace.folder / "said.txt").read_text(errors="replace")
        return replace(night, code=code, seconds=time.monotonic() - began, said=said)

    def _stop(self, night: Night, after: float) -> Night:
        """Start a night and end it from outside, if it is still at work by then.

        It has two workers, where the others do everything in one process.
        """
        cut = night.number in self.plan.cuts
        flushed, extra = self.workspace.folder / "flushed", {}
        before = contents(self.workspace.folder)
        if cut:
            own = self.workspace.folder / "watch"
            own.mkdir(exist_ok=True)
            (own / "sitecustomize.py").write_text(NOTE_FLUSHES)
            extra = {"PYTHONPATH": f"{own}:{ROOT}", "FLUSHED": str(flushed)}
            flushed.write_text("")
        process = self.start(night.day, LOKY_MAX_CPU_COUNT="2", **extra)
        with suppress(subprocess.TimeoutExpired):
            return replace(night, code=process.wait(timeout=after), seconds=after)
        began = time.monotonic()
        for pid in marked(self.mark) if cut else [process.pid]:
            if pid != os.getpid():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        process.wait()
        await_none(self.mark, seconds=10.0)
        night = replace(night, stopped="power cut" if cut else "killed", after=after,
                        left=time.monotonic() - began)  # fmt: skip
        if not cut:
            return night
        safe = before | {tuple(map(int, line.split())) for line in
                         flushed.read_text().splitlines()}  # fmt: skip
        lost = empty_unflushed(self.data_dir, safe, SPARED)
        lost += empty_unflushed(self.workspace.folder / "models", safe, SPARED)
        lost += empty_unflushed(self.store, safe, SPARED) if self.store.exists() else []
        return replace(night, lost=tuple(lost))

    def rows(self, table: str) -> list[dict]:
        """All rows of a table of the ledger."""
        with ledger.night_ledger(self.data_dir) as db:
            return [dict(row) for row in db.execute(f"SELECT * FROM {table}")]


def _line(night: Night) -> str:
    stopped = f", {night.stopped} after {night.after:.1f} s" if night.stopped else ""
    lost = f", {len(night.lost)} files emptied" if night.stopped == "power cut" else ""
    last = night.said.strip().splitlines()[-1:] or [""]
    went = f"{night.code} in {night.seconds:.0f} s{stopped}{lost}"
    return f"night {night.number}, {night.day}: {went}: {last[0][:300]}"


def run_season(plan: SeasonPlan, workspace: Workspace) -> Season:
    """Run all nights of a plan."""
    with Country(start=plan.outside_since) as world, Replay({"/": Reply(200)}) as hook:
        season = Season(plan, workspace, world, hook)
        season.run()
    return season
