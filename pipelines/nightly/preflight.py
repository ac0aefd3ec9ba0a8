"""What a night looks at before it works: who else is at work, the disks, the store, the clock."""

import math
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import date, datetime, timedelta
from pathlib import Path

from ml.artifacts.errors import UnreachableError
from ml.durable import make_folder
from ml.errors import MachineError
from ml.locks import HeldError, hold
from ml.logs import logger
from ml.settings import Settings
from pipelines.nightly.ledger import BegunRun, decide, moment
from pipelines.publish.deploy import Deployment, ask_store

LOCK = ".nightly"  # below DATA_DIR: the night's own
TEXTS = "nights"  # below LOG_DIR: what the steps of each night said
OF_A_STEP = ".step.lock"  # in it: held while something of a step lives
KEEPING = ".keeping.lock"  # likewise: by a backup or a restore, which hold the night's own as well
RESTORING = ".restoring"  # likewise: names the backup that a restore has not brought back whole
DYING = 60.0  # seconds that the steps of a night that was killed have to end
MIB = 1 << 20
Decide = Callable[..., None]


def remark(line: str) -> None:
    """Say something on stderr, and in the log."""
    sys.stderr.write(f"warning: {line}\n")
    logger().warning("remark", line=line)


def hold_the_night(config: Settings, stack: ExitStack) -> str:
    """Hold the lock of nights; empty, or what another night says of itself that holds it.

    Raises:
        HeldError: A backup or a restore took longer than a night waits.
        MachineError: A restore has not come to its end.
    """
    folder = config.data_dir / LOCK
    try:
        stack.enter_context(hold(folder))
    except HeldError as held:
        kept = (folder / KEEPING).exists()  # else there never was a backup: touch nothing
        if not kept or not _await_others(folder, KEEPING, config.night_wait_minutes):
            return str(held)
        try:
            stack.enter_context(hold(folder))
        except HeldError as other:
            return str(other)
    if (folder / RESTORING).exists():
        raise MachineError(
            f"'{config.data_dir}': a restore has not come to its end: run previsor restore again, "
            "it goes on. Nothing was done."
        )
    return ""


def await_dying_steps(config: Settings) -> Path:
    """Wait until nothing is left of a night that was killed; the lock of this one's steps.

    Raises:
        HeldError: Something still is.
    """
    _await_lock(config.data_dir / LOCK, OF_A_STEP, DYING)
    return config.data_dir / LOCK / OF_A_STEP


def await_run_by_hand(results: Path, minutes: float, note: Decide) -> None:
    """Wait for whoever writes into the results folder now.

    Raises:
        HeldError: It took longer than these minutes; nothing was done.
    """
    waited = _await_others(results, ".lock", minutes) if results.is_dir() else 0.0
    if waited:
        told = f"{waited / 60:.1f} minutes"
        note("run by hand", "waited", f"another run held the results folder for {told}")


def _await_others(folder: Path, name: str, minutes: float) -> float:
    """Wait for whoever holds a lock; seconds, 0 where nobody does.

    Raises:
        HeldError: It took longer than these minutes; nothing was done.
    """
    start = time.monotonic()
    try:
        _await_lock(folder, name, 0.0)
    except HeldError as held:
        remark(f"{held} The night waits, for {minutes:g} minutes at most.")
    else:
        return 0.0
    try:
        _await_lock(folder, name, minutes * 60)
    except HeldError as held:
        raise HeldError(
            f"{held} The night has waited {minutes:g} minutes (NIGHT_WAIT_MINUTES) and did nothing."
        ) from None
    return time.monotonic() - start


def _await_lock(folder: Path, name: str, seconds: float) -> None:
    until = time.monotonic() + seconds
    while True:
        try:
            with hold(folder, name=name):
                return
        except HeldError:
            if time.monotonic() >= until:
                raise
        time.sleep(min(1.0, max(0.01, until - time.monotonic())))


def check_disks(config: Settings, results: Path) -> None:
    """Ask every folder that a night writes to for room.

    Raises:
        MachineError: A disk has less than the settings ask for; nothing was done.
    """
    folders = [config.data_dir, config.models_dir, config.reports_dir, config.log_dir, results,
               Path(tempfile.gettempdir())]  # fmt: skip
    lacking: dict[int, str] = {}
    for folder in folders:
        there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        free = shutil.disk_usage(there).free / MIB
        if free < config.night_free_mib:
            lacking.setdefault(there.stat().st_dev, f"{free:.0f} MiB are left at '{folder}'")
    if lacking:
        raise MachineError(
            f"disk: {' and '.join(lacking.values())}, a night asks for {config.night_free_mib:g} "
            "MiB (NIGHT_FREE_MIB); nothing was done. Make room there: previsor gc --local removes "
            "old versions, models and logs."
        )


def check_store(place: Deployment, note: Decide) -> None:
    """See before the work whether the key will do; a store that is away may be back after it.

    Raises:
        StoreError: It is there and refuses; nothing was done.
    """
    try:
        ask_store(place)
    except UnreachableError as error:
        remark(f"{error} The night goes on and publishes last.")
        note("store", "away", error.message)


def check_days(config: Settings, run: BegunRun, last: date | None, note: Decide) -> None:
    """Tell of nights that were missed, and of a clock that went back."""
    today = config.current_day
    if last is not None:
        missed = missed_nights(last, today, config.night_hours)
        if missed:
            line = f"{missed} nights were missed: the last one was of {last}"
            remark(f"{line}. This one does the work of all.")
            note("missed nights", "made up for", line, missed=missed)
    if run.before is None:
        return
    begun, day = datetime.fromisoformat(run.before["started_at"]), run.before["day"]
    if begun > moment(config) + timedelta(minutes=5) or day > str(today):
        line = (
            f"a clock or TODAY was moved back: a night was of {day}, begun {begun:%Y-%m-%d %H:%M} "
            f"UTC, and this one is of {today}"
        )
        remark(f"{line}. What is published of a later day stays; correct the clock.")
        note("clock", "gone on", line)


def missed_nights(last: date, today: date, hours: float) -> int:
    """How many nights lie between two days, where one is due each so many hours.

    >>> missed_nights(date(2026, 11, 16), date(2026, 11, 20), 24.0)
    3
    """
    return max(0, math.ceil((today - last).days * 24 / hours) - 1)


class NightLog:
    """The file that keeps what the steps of a night say, beside the terminal."""

    def __init__(self, path: Path, *, quiet: bool) -> None:
        self.path, self._quiet = path, quiet

    def say(self, line: str) -> None:
        """Pass a line on; a disk that takes no more does not end a night."""
        if not self._quiet:
            sys.stderr.write(line)
        with suppress(OSError):
            make_folder(self.path.parent)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(line)


def noter(data_dir: Path, run: int) -> Decide:
    """What notes decisions of a run."""

    def note(about: str, choice: str, reason: str, /, **facts: object) -> None:
        logger().info("decided", about=about, choice=choice, reason=reason)
        decide(data_dir, run, about, choice, reason, **facts)

    return note
