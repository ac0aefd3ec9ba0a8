"""Every request of every command, on a line that throttles, cuts, delays and loses it.

At each point the command is run and harmed; then run again, as it says where it fails. In between
readers must be served a whole version, and the error's word must be true: only ``outcome unknown``,
or a line that says what is committed, may stand for something that was changed.
"""

import errno
import math
import os
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from datetime import timedelta

import pytest

from ml import durable
from ml.artifacts import log
from ml.artifacts.commit import LAGGING, show_newest
from ml.artifacts.errors import OutcomeUnknownError, UnreachableError
from ml.artifacts.folder_store import results_store
from ml.artifacts.store import Body, read_small
from ml.errors import PipelineError
from pipelines.publish import s3_connection
from pipelines.publish.collect_garbage import Retention, collect_garbage, marked_versions
from pipelines.publish.repair import repair
from pipelines.publish.rollback import PendingRollback, roll_back
from tests.pipelines.publish import drills
from tests.pipelines.publish.bad_line import HARMS, BadLine
from tests.pipelines.publish.faults import Died
from tests.pipelines.publish.places import LIMIT

TWO = Retention(versions=2, age=timedelta(days=1), grace=timedelta(hours=1))
DISK_HARMS = ("die before", "die after", "full", "damaged", "damaged after")
CHANGES = ("open", "write", "fsync", "replace", "rename", "link", "unlink", "mkdir")


class PublishOnLine(drills.PublishDrill):
    """A second version is published over a first one."""

    again = True  # the command may be repeated also where it has succeeded

    def __init__(self, made):
        super().__init__(made)
        self.hidden = f"versions/{self.after}/"  # keys of which readers see nothing

    def run(self, store, notes):
        del notes
        self.act(store)


class RollbackOnLine(drills.RollbackDrill):
    """Of three versions the one before the newest comes back, without its number being said."""

    hidden = "nothing"
    again = False  # it would go one version further

    def __init__(self, made):
        super().__init__(made)
        self.after = self.versions[1].version_id

    def run(self, store, notes):
        note = PendingRollback(store, notes)
        roll_back(store, publisher="host/test", note=note)
        with suppress(Died, OSError):  # it has been said how it went
            note.forget()

    def check(self, store):
        drills.log_is(store, [version.version_id for version in (*self.versions, self.versions[1])])
        drills.mended(store)


class MarkOnLine(drills.GarbageDrill):
    """Two versions and a dead upload are marked."""

    hidden = "nothing"
    again = True
    moment = drills.LATER

    def run(self, store, notes):
        del notes
        collect_garbage(store, TWO, now=self.moment)

    def check(self, store):
        old = {version.version_id for version in (*self.versions[:2], self.orphan)}
        assert marked_versions(store) == old
        drills.log_is(store, [version.version_id for version in self.versions])


class SweepOnLine(MarkOnLine):
    """They are removed."""

    def prepare(self, store):
        super().prepare(store)
        self.run(store, None)
        self.moment = drills.LATER + timedelta(hours=1)

    def check(self, store):
        drills.GarbageDrill.check(self, store)


class RepairOnLine(drills.PublishDrill):
    """Of the version before the newest a file is damaged and another one lost."""

    hidden = "nothing"
    again = True

    def prepare(self, store):
        super().prepare(store)
        self.act(store)
        self.before = {self.after}
        damaged, lost = self.old.manifest.files[:2]
        store.put(damaged.path, Body.of(b"x" * damaged.bytes))
        store.remove(lost.path)

    def run(self, store, notes):
        del notes
        repair(store, log.read_record(store, 1), results_store(self.old.results))


COMMANDS = [PublishOnLine, RollbackOnLine, MarkOnLine, SweepOnLine, RepairOnLine]


class LineDrill:
    """A command at one place, to be harmed at each of its steps.

    Args:
        place: Empty.
        drill: The command.
        folder: For what it notes on this disk.
    """

    def __init__(self, place, drill, folder):
        self.place, self.drill, self.folder = place, drill, folder
        drill.prepare(place.open())
        self._objects = content(place.open())
        steps = self._rehearse(self._copy())
        harms = DISK_HARMS if place.name == "folder" else HARMS
        self.points = [(step, harm) for step in range(len(steps)) for harm in harms]
        self.steps = steps

    def _copy(self):
        fresh = self.place.fresh()
        store = fresh.open()
        for key, data in self._objects.items():
            store.put(key, Body.of(data))
        return fresh

    def _rehearse(self, here):
        with self._bad(here, None, None) as (store, bad):
            self.drill.run(store, self.folder / "rehearsal")
            return list(bad.names)

    @contextmanager
    def _bad(self, here, step, harm):
        if here.name == "folder":
            with failing_disk(step, harm) as bad:
                yield here.open(), bad
            return
        with (
            BadLine(f"http://{here.target.endpoint}", step=step, harm=harm) as line,
            one_try() if harm and harm.endswith("for good") else nullcontext(),
        ):
            yield replace(here, target=replace(here.target, endpoint=line.endpoint)).open(), line

    def survive(self, step, harm):
        """Harm one step, look, and run the command again."""
        here, drill = self._copy(), self.drill
        where = f"{harm} at step {step} of {len(self.steps)}, {self.steps[step]}"
        notes = self.folder / f"{step}-{harm}"
        with self._bad(here, step, harm) as (store, bad):
            try:
                drill.run(store, notes)
                word = None
            except (PipelineError, OSError, Died) as error:
                word = error
            assert len(bad.names) > step, f"{where}: was never reached"
            bad.mend()
            now = content(here.open())
            assert drills.served(here.open()) in drill.before | {drill.after}, where
            self._check_word(word, now, where)
            if word is None and not bad.held:
                drill.check(here.open())
            if word is not None or drill.again:
                drill.run(store, notes)
            bad.deliver()
        assert drills.served(here.open()) == drill.after, where
        show_newest(here.open())  # what was late may have turned pointer and flat view back
        try:
            drill.check(here.open())
        except AssertionError as error:
            raise AssertionError(f"{where} ({word}): {error}") from error
        return word

    def _check_word(self, word, now, where):
        before = self._objects
        changed = {key for key in before.keys() | now.keys() if before.get(key) != now.get(key)}
        changed = sorted(key for key in changed if not key.startswith(self.drill.hidden))
        told = isinstance(word, Died | OutcomeUnknownError) or any(
            text in str(word) for text in (LAGGING, "may be marked or removed", "may be put back")
        )
        assert not changed or word is None or told, f"{where}: {word!r}, but changed: {changed}"
        if self.place.name != "folder" and word is not None:
            assert isinstance(word, UnreachableError | OutcomeUnknownError), f"{where}: {word!r}"


@contextmanager
def one_try():
    """Nothing is tried twice, for the time before the second try is too long to be waited for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(s3_connection, "FIRST_PAUSE", math.inf)
        yield


def content(store):
    """All objects."""
    return {
        entry.key: read_small(store, entry.key, limit=LIMIT)
        for entry in store.listing("")
        if not entry.key.startswith(".staging/")
    }


class FailingDisk:
    """``os`` for the module that writes: dies or fails at one step.

    Args:
        step: Number of the step, from 0; none without it.
        harm: How.
    """

    held = ()

    def __init__(self, step, harm):
        self.step, self.harm, self.names, self.dead = step, harm, [], False

    def __getattr__(self, name):
        real = getattr(os, name)
        if name not in CHANGES:
            return real

        def call(*args, **kwargs):
            if self.dead:
                raise Died
            here = len(self.names) == self.step
            self.names.append(name)
            if not here:
                return real(*args, **kwargs)
            if self.harm.endswith("after"):
                real(*args, **kwargs)
            if self.harm.startswith("die"):
                self.dead = True
                raise Died
            code = errno.ENOSPC if self.harm == "full" else errno.EIO
            raise OSError(code, os.strerror(code))

        return call

    def mend(self):
        """Let all work from here on."""
        self.step, self.dead = None, False

    def deliver(self):
        """Nothing is late on a disk."""


@contextmanager
def failing_disk(step, harm):
    with pytest.MonkeyPatch.context() as patch:
        disk = FailingDisk(step, harm)
        patch.setattr(durable, "os", disk)
        yield disk
