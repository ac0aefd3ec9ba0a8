"""The drills: what a store and the protocol have to survive, each written once for every store.

A drill raises ``AssertionError`` where readers would have been served wrong, or a publish lost.
"""

import os
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from ml.artifacts import log
from ml.artifacts.errors import ConflictError, VerificationError
from ml.artifacts.flat_view import expected_files
from ml.artifacts.log import rollback_record
from ml.artifacts.reading import verify
from ml.artifacts.store import holds
from pipelines.publish.collect_garbage import Retention, collect_garbage
from pipelines.publish.publishing import publish
from pipelines.publish.reader import published_record
from pipelines.publish.rollback import roll_back
from tests.pipelines.publish.faults import Died, Faults
from tests.pipelines.publish.places import copy_of, keys
from tests.pipelines.publish.versions import STARTED

LATER = STARTED + timedelta(days=100)
KEEP_TWO = Retention(versions=2, age=timedelta(0), grace=timedelta(0))


def put(store, version, **kwargs):
    return publish(store, version, publisher="host/test", **kwargs)


def whole(store, record):
    try:
        manifest = log.record_manifest(store, record)
        problems = verify(store, manifest)
    except VerificationError as error:
        problems = [str(error)]
    assert not problems, f"a version is not whole: {problems}"


def served(store):
    """The version that a reader gets, which has to be whole and in the log."""
    record = published_record(store, trusting=True)
    whole(store, record)
    records = list(log.records(store))
    assert record in records, "readers are shown what was never committed"
    return record.version_id


def sound_log(store, *, removed=()):
    """The log's versions; all numbers are there and every version is whole unless removed."""
    records = list(log.records(store))
    assert [record.seq for record in records] == list(range(1, len(records) + 1))
    assert [record.parent for record in records] == list(range(len(records)))
    for record in {record.version_id: record for record in records}.values():
        if record.version_id not in removed:
            whole(store, record)
    return [record.version_id for record in records]


def log_is(store, expected, *, removed=()):
    """One record of each version, in this order."""
    found = sound_log(store, removed=removed)
    assert found == expected, f"the log has {found}"


def mended(store):
    """Pointer and flat view show the newest record."""
    newest = log.newest(store)
    assert log.read_pointer(store) == newest
    for key, file in expected_files(store, newest).items():
        assert holds(store, key, size=file.bytes, sha256=file.sha256), key


class PublishDrill:
    """A second version is published over a first one."""

    def __init__(self, made):
        self.old, self.new = made(1), made(2)
        self.before = {self.old.version_id}
        self.after = self.new.version_id

    def prepare(self, store):
        put(store, self.old)

    def act(self, store):
        put(store, self.new)

    def check(self, store):
        log_is(store, [self.old.version_id, self.new.version_id])
        mended(store)


class RollbackDrill:
    """Of three versions the first is made the newest again."""

    def __init__(self, made):
        self.versions = [made(number) for number in (1, 2, 3)]
        self.before = {self.versions[2].version_id}
        self.after = self.versions[0].version_id

    def prepare(self, store):
        for version in self.versions:
            put(store, version)

    def act(self, store):
        roll_back(store, publisher="host/test", to_seq=1)

    def check(self, store):
        names = [version.version_id for version in self.versions]
        log_is(store, [*names, names[0]])
        mended(store)


class GarbageDrill:
    """Of four versions the first two, and an upload that died, are removed."""

    def __init__(self, made):
        self.versions = [made(number) for number in (1, 2, 3, 4)]
        self.orphan = made(5)
        self.before = {self.versions[3].version_id}
        self.after = self.versions[3].version_id

    def prepare(self, store):
        for version in self.versions:
            put(store, version)
        file = self.orphan.manifest.files[0]
        store.create(file.path, self.orphan.body(file))

    def act(self, store):
        for hours in (0, 1):  # mark, then remove
            collect_garbage(store, KEEP_TWO, now=LATER + timedelta(hours=hours))

    def check(self, store):
        gone = {version.version_id for version in self.versions[:2]}
        log_is(store, [version.version_id for version in self.versions], removed=gone)
        left = {key.split("/")[1] for key in keys(store, "versions/")}
        assert left == {version.version_id for version in self.versions[2:]}
        mended(store)


def crash_drill(place, drill, *, sample=None, seed=20261121):
    """Die before and after every request, or at a sample of these points.

    Args:
        place: Empty.
        drill: What is done.
        sample: Number of points to try; all without it, and where DRILLS is set.
        seed: Of the sample.

    Returns:
        How many points were tried, and how many there are.
    """
    drill.prepare(place.open())
    rehearsal = Faults()
    drill.act(copy_of(place).open(rehearsal))
    steps = range(len(rehearsal.names))
    points = tried = [(step, when) for step in steps for when in ("before", "after")]
    if sample is not None and not os.environ.get("DRILLS"):
        tried = sorted(random.Random(seed).sample(points, min(sample, len(points))))
    for step, when in tried:
        here = copy_of(place)
        with pytest.raises(Died):
            drill.act(here.open(Faults(step, when)))
        where = f"died {when} request {step}: {rehearsal.names[step]}"
        assert served(here.open()) in drill.before | {drill.after}, where
        drill.act(here.open())
        assert served(here.open()) == drill.after, where
        drill.check(here.open())
    return len(tried), len(points)


def lost_answers_drill(place, made):
    """Half of all writes are done twice and the first answer is lost; then all is rolled back."""
    chance = random.Random(20261120)
    names = [made(number).version_id for number in range(1, 5)]
    for number in range(1, 5):
        put(place.open(Faults(chance=chance)), made(number))
    log_is(place.open(), names)
    for seq in (1, 2, 3, 1, 2):
        try:
            roll_back(place.open(Faults(chance=chance)), publisher="host/test", to_seq=seq)
        except ConflictError as error:
            raise AssertionError(f"refused although nobody else was there: {error}") from None
    log_is(place.open(), names + names[:3] + names[:2])
    mended(place.open())


def is_record(name):
    """Whether a request is the one that creates a record."""
    return "_commits/" in name and name.startswith(("create", "PUT"))


def overtaken_drill(place, made):
    """Just before a publisher writes its record, another one publishes."""
    overtaking = []

    def other(name):
        if is_record(name) and not overtaking:
            overtaking.append(None)
            overtaking.append(put(place.open(), made(2)).record)

    mine = put(place.open(Faults(about=other)), made(1), force=True).record
    store = place.open()
    acknowledged(store, [overtaking[1], mine])
    assert sound_log(store) == [made(2).version_id, made(1).version_id]
    mended(store)


def acknowledged(store, records):
    """Every acknowledged publish is in the log under its number."""
    for record in records:
        assert log.read_record(store, record.seq).nonce == record.nonce, "a publish was lost"


def crowd_drill(place, made):
    """Eight publishers and four readers at once."""
    publishers, readers = 8, 4
    put(place.open(), made(0))
    versions = [made(number) for number in range(1, publishers + 1)]
    begin, ended = threading.Barrier(publishers + readers), threading.Event()

    def publisher(version):
        begin.wait()
        return put(place.open(), version, force=True).record

    def reader(_):
        begin.wait()
        reads = 0
        while not ended.is_set():
            served(place.open())
            reads += 1
        return reads

    with ThreadPoolExecutor(publishers + readers) as threads:
        reading = [threads.submit(reader, number) for number in range(readers)]
        try:
            records = [
                future.result()
                for future in [threads.submit(publisher, version) for version in versions]
            ]
        finally:
            ended.set()
        assert all(future.result() for future in reading)
    store = place.open()
    acknowledged(store, records)
    assert sorted(sound_log(store)) == [made(n).version_id for n in range(publishers + 1)]
    mended(store)


KEEP_NEWEST = Retention(versions=1, age=timedelta(0), grace=timedelta(hours=1))


def put_three(place, made):
    """Publish three versions."""
    versions = [made(number) for number in (1, 2, 3)]
    for version in versions:
        put(place.open(), version)
    return versions


def gc_race_drill(place, made):
    """Between the look of a rollback and its record, the version is marked; then swept."""
    first, second, third = put_three(place, made)
    collected = []

    def janitor(name):
        if is_record(name) and not collected:
            collected.append(collect_garbage(place.open(), KEEP_NEWEST, now=LATER))

    roll_back(place.open(Faults(about=janitor)), publisher="host/test", to_seq=1)
    assert first.version_id in collected[0].marked
    later = collect_garbage(place.open(), KEEP_NEWEST, now=LATER + timedelta(hours=2))
    assert (later.removed, later.marked) == ((second.version_id,), (third.version_id,))
    assert served(place.open()) == first.version_id


def sweep_race_drill(place, made):
    """A version that was marked is the newest again before the sweep gets to it."""
    first, *_ = put_three(place, made)
    collect_garbage(place.open(), KEEP_NEWEST, now=LATER)
    seen = []

    def publisher(name):
        # A rollback that looked for marks before there were any, and commits during the sweep.
        if not seen and "versions/" in name and name.startswith(("remove", "DELETE")):
            return
        if not seen and "_gc/" in name and name.startswith(("get", "GET")):
            seen.append(name)
            store = place.open()
            head = log.newest(store)
            record = rollback_record(log.read_record(store, 1), head, "host/test")
            assert log.append(store, record)

    faults = Faults(about=publisher)
    collect_garbage(place.open(faults), KEEP_NEWEST, now=LATER + timedelta(hours=2))
    assert seen
    assert served(place.open()) == first.version_id


class Storm:
    """Publishers, a rollback, a janitor with a grace of a second, and readers, for a while.

    Args:
        place: Empty.
        make: Makes the version of a number, now.
        seconds: How long.
    """

    RETENTION = Retention(versions=3, age=timedelta(seconds=2), grace=timedelta(seconds=1))

    def __init__(self, place, make, seconds):
        self.place, self.make = place, make
        self.until = time.monotonic() + seconds
        self.lock = threading.Lock()
        self.numbers = iter(range(1, 100_000))
        self.records, self.removed = [], set()
        self.counts = dict.fromkeys(("publisher", "roller", "janitor", "reader"), 0)

    def publisher(self):
        with self.lock:
            version = self.make(next(self.numbers))
        self.records.append(put(self.place.open(), version, force=True).record)
        return 1

    def roller(self):
        with suppress(ConflictError):  # somebody published meanwhile, or it is marked
            self.records.append(roll_back(self.place.open(), publisher="host/test")[1])
            return 1
        return 0

    def janitor(self):
        swept = collect_garbage(self.place.open(), self.RETENTION, now=datetime.now(UTC)).removed
        self.removed.update(swept)
        return len(swept)

    def reader(self):
        store = self.place.open()
        whole(store, published_record(store, trusting=True))
        return 1

    def keep_on(self, job):
        while time.monotonic() < self.until:
            done = getattr(self, job)()
            with self.lock:
                self.counts[job] += done

    def rage(self):
        jobs = ["publisher"] * 3 + ["roller", "janitor"] + ["reader"] * 3
        with ThreadPoolExecutor(len(jobs)) as threads:
            for future in [threads.submit(self.keep_on, job) for job in jobs]:
                future.result()


def storm_drill(place, make):
    """See :class:`Storm`; how many publishes, rollbacks, removals and reads there were."""
    put(place.open(), make(0))
    storm = Storm(place, make, seconds=10.0)
    storm.rage()
    store = place.open()
    acknowledged(store, storm.records)
    assert sound_log(store, removed=storm.removed)[-1] not in storm.removed
    return storm.counts
