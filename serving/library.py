"""Which versions there are and which one is shown: a task looks, and swaps one reference.

Whatever happens to the store, the last version that was whole is shown, and says that it may be
old.
"""

import asyncio
import gc
import random
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

from pyarrow import ArrowException

from ml.artifacts import log
from ml.artifacts.errors import ConflictError, MissingError, UnreachableError
from ml.artifacts.log import CommitRecord
from ml.artifacts.store import Store
from ml.errors import PipelineError
from serving.measures import MEASURES, tell
from serving.mirror import Mirror
from serving.versions import ServedVersion, ShownVersion, show
from serving.written import RequestProblem

EARLIER = 2  # versions kept at hand beside the newest one
LONGEST_PAUSE = 0.8  # share of a poll between two looks; a look has the rest of it
LONGEST_BROKEN = 600.0  # seconds until a version that was broken is tried again
LOG_SECONDS = 10.0  # that a request waits for the log to be read
MOST_MAPPED = 240 << 20  # bytes of files that may be resident before pages are given back
SOME = 32  # answers of a few rows between two looks at the memory
PAGE = 4096
LOST, BROKEN, OLD = "store-lost", "version-broken", "too-old"
_ERRORS = (PipelineError, OSError, ArrowException)


@dataclass(frozen=True, slots=True)
class LibraryRules:
    """How a library is kept."""

    poll_seconds: float = 30.0  # within which a change at the store is told
    max_age_hours: float = 0.0  # after which the newest version counts as old; 0 = never


class Library:
    """The versions of a store, the newest of them ready."""

    def __init__(self, store: Store, mirror: Mirror, rules: LibraryRules) -> None:
        self.shown: ShownVersion | None = None
        self.problem = "no version has been read yet"
        self._store, self._mirror, self._rules = store, mirror, rules
        self._records: list[CommitRecord] = []  # newest first
        self._log_read = threading.Event()
        self._earlier: OrderedDict[str, ServedVersion] = OrderedDict()
        self._opening = asyncio.Lock()
        self._mirroring = threading.Lock()  # nothing is cleared while something is fetched
        self._broken: dict[str, tuple[datetime, float]] = {}
        self._answers = 0

    async def watch(self) -> None:
        """Look at the store again and again, until cancelled."""
        while True:
            await asyncio.to_thread(self.look)
            # Servers that were started together do not ask together.
            share = random.uniform(0.7, LONGEST_PAUSE)  # noqa: S311 # nosec B311 - no secret
            await asyncio.sleep(share * self._rules.poll_seconds)

    def look(self) -> None:
        """Look at the store once, and show what is the newest whole version there."""
        MEASURES.polls.inc()
        with self._mirroring:
            try:
                record = self._newest()
            except _ERRORS as error:
                self._fail(LOST, error)
                return
            if self._broken_lately(record):
                return
            try:
                self._show(record)
            except _ERRORS as error:
                lost = isinstance(error, UnreachableError)
                if not lost:
                    self._note_broken(record)
                self._fail(LOST if lost else BROKEN, error)
                return
        MEASURES.last_look.set_to_current_time()
        self._read_log(record)

    def _newest(self) -> CommitRecord:
        record = log.find_record(self._store, lambda one: not one.partial, trusting=True)
        if record is None:
            raise ConflictError(f"{self._store.name}: nothing whole is published yet.")
        return record

    def _show(self, record: CommitRecord) -> None:
        before = self.shown
        if before is not None and before.record.version_id == record.version_id:
            version = before.version
        elif record.version_id in self._earlier:
            version = self._earlier[record.version_id]
        else:
            version = self._mirror.load(self._store, record)
        self._set(show(version, record))
        if before is None or before.record.seq != record.seq:
            tell("shown", version_id=record.version_id, seq=record.seq, as_of=record.as_of)
            gc.freeze()  # what stays for a day is not looked through again, which takes 50 ms
            if before is not None:
                self._keep(before.version)
            self._mirror.note(record)
            self._clear()

    def _set(self, shown: ShownVersion) -> None:
        """Show a version: from here on every request that begins sees this one."""
        if not shown.stale and self._too_old(shown.record):
            shown = shown.again(stale=True, reason=OLD)
        before, self.shown, self.problem = self.shown, shown, ""
        if before is not None and before.stale and not shown.stale:
            tell("up_to_date_again", version_id=shown.record.version_id)
        MEASURES.show(shown)

    def _fail(self, reason: str, error: Exception) -> None:
        text = " ".join(str(error).split())
        if self.shown is None and (last := self._mirror.load_last()) is not None:
            self.shown = show(*last)
            tell("shown_from_mirror", version_id=last[1].version_id)
        self.problem = text
        if self.shown is None:
            tell("not_ready", reason=reason, detail=text)
            return
        if not self.shown.stale or self.shown.reason != reason:
            tell("stale", reason=reason, detail=text, version_id=self.shown.record.version_id)
        self.shown = self.shown.again(stale=True, reason=reason)
        MEASURES.show(self.shown)

    def _too_old(self, record: CommitRecord) -> bool:
        hours = self._rules.max_age_hours
        return bool(hours) and age_of(record) > timedelta(hours=hours)

    def _note_broken(self, record: CommitRecord) -> None:
        _, pause = self._broken.get(record.version_id, (None, self._rules.poll_seconds / 2))
        pause = min(2 * pause, LONGEST_BROKEN)
        self._broken = {record.version_id: (datetime.now(UTC) + timedelta(seconds=pause), pause)}

    def _broken_lately(self, record: CommitRecord) -> bool:
        """Whether a version is to be left alone; it may be repaired, so it is tried again later."""
        until, _ = self._broken.get(record.version_id, (None, 0.0))
        return until is not None and datetime.now(UTC) < until

    def _read_log(self, newest: CommitRecord) -> None:
        """Know the records before the newest one; what is known already is not read again."""
        known = {record.seq: record for record in self._records}
        found: list[CommitRecord] = []
        try:
            for record in self._walk(newest):
                if record.seq in known:
                    found += [one for one in self._records if one.seq <= record.seq]
                    break
                found.append(record)
        except _ERRORS as error:
            tell("log_not_read", detail=" ".join(str(error).split()))
            return
        self._records = found
        self._log_read.set()

    def _walk(self, newest: CommitRecord) -> Iterator[CommitRecord]:
        record: CommitRecord | None = newest
        while record is not None:
            # Only what is told of it is kept: files of years of versions would be many.
            yield replace(record, datasets={}, gate=None)
            record = log.read_parent(self._store, record)

    async def records(self) -> Sequence[CommitRecord]:
        """What was published, newest first.

        Raises:
            RequestProblem: The log is not read yet.
        """
        if not self._log_read.is_set():  # just after the start
            await asyncio.to_thread(self._log_read.wait, LOG_SECONDS)
        if not self._log_read.is_set():
            raise RequestProblem(503, "the log of versions is being read; ask again.", RETRY)
        return self._records

    def now(self) -> ShownVersion:
        """The newest version.

        Raises:
            RequestProblem: There is none yet.
        """
        if self.shown is None:
            raise RequestProblem(503, f"nothing can be shown yet: {self.problem}", RETRY)
        return self.shown

    async def at(self, day: date) -> ShownVersion:
        """The version that was the newest at the end of a day, UTC.

        Raises:
            RequestProblem: There was none, or it cannot be had any more.
        """
        last = day.isoformat()
        for record in await self.records():
            if record.published_at[:10] <= last and not record.partial:
                return (await self._open(record)).again()
        raise RequestProblem(404, f"nothing was published by the end of {last}.")

    async def version(self, version_id: str) -> ShownVersion:
        """A version by its id.

        Raises:
            RequestProblem: There is none, or it cannot be had any more.
        """
        shown = self.now()
        if shown.record.version_id == version_id:
            return shown.again(fixed=True)
        for record in await self.records():
            if record.version_id == version_id:
                return await self._open(record)
        raise RequestProblem(
            404, "no version of that id was ever published; /api/v1/versions lists all."
        )

    async def _open(self, record: CommitRecord) -> ShownVersion:
        wanted = record.version_id
        shown = self.now()
        version = shown.version if shown.version.version_id == wanted else self._at_hand(wanted)
        if version is None:
            async with self._opening:  # one at a time: it may be large
                version = self._at_hand(wanted)
                if version is None:
                    version = await asyncio.to_thread(self._fetch, record)
        return show(version, record, fixed=True)

    def _at_hand(self, version_id: str) -> ServedVersion | None:
        version = self._earlier.get(version_id)
        if version is not None:
            self._earlier.move_to_end(version_id)
        return version

    def _fetch(self, record: CommitRecord) -> ServedVersion:
        wanted = record.version_id
        with self._mirroring:
            try:
                version = self._mirror.load(self._store, record)
            except (ConflictError, MissingError):
                raise RequestProblem(410, f"version {wanted} was removed from the store.") from None
            except _ERRORS as error:
                tell("version_not_opened", version_id=wanted, detail=str(error))
                raise RequestProblem(
                    503, f"version {wanted} cannot be read from the store now.", RETRY
                ) from None
            self._keep(version)
            self._clear()
        return version

    def _keep(self, version: ServedVersion) -> None:
        self._earlier[version.version_id] = version
        self._earlier.move_to_end(version.version_id)
        while len(self._earlier) > EARLIER:
            self._earlier.popitem(last=False)

    def _clear(self) -> None:
        held = set(self._earlier)
        if self.shown is not None:
            held.add(self.shown.version.version_id)
        try:
            self._mirror.clear(held)
        except OSError as error:
            tell("mirror_not_cleared", detail=str(error))

    def count_answer(self, weight: int = 1) -> None:
        """Keep mapped pages that are resident below a limit: look at the memory now and then.

        Some milliseconds are enough to give them back, and the system has them still.

        Args:
            weight: What the answer takes, in answers of a few rows.
        """
        self._answers += weight
        if self._answers < SOME:
            return
        self._answers = 0
        if _resident_files() > MOST_MAPPED:
            shown = [self.shown.version] if self.shown else []
            for version in (*self._earlier.values(), *shown):
                for table in version.tables.values():
                    table.forget_pages()


RETRY = {"Retry-After": "1"}


def age_of(record: CommitRecord) -> timedelta:
    """How long ago a version was published."""
    return datetime.now(UTC) - datetime.fromisoformat(record.published_at)


def _resident_files() -> int:
    """Bytes of mapped files that this process has resident; 0 where the system does not say."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - asked every second
            return int(file.read().split()[2]) * PAGE
    except (OSError, ValueError, IndexError):
        return 0
