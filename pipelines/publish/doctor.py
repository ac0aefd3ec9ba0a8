"""Looking a store over: the log, what it names, the view for people, and who may do what."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime

from ml.artifacts import flat_view, log
from ml.artifacts.errors import DeniedError, StoreError
from ml.artifacts.keys import POINTER, commit_key
from ml.artifacts.log import CommitRecord
from ml.artifacts.reading import find_strays, verify_stored_hashes
from ml.artifacts.store import Store, holds
from ml.errors import first_few
from pipelines.publish.collect_garbage import marked_versions
from pipelines.publish.future_record import future_record
from pipelines.publish.probe import probe

NO_RECORD = commit_key(10**20 - 1)  # a number that no log ever reaches


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    level: str  # `ok`, `warning` (publishing goes on) or `problem`
    text: str  # what was found, and what to do unless all is well


def examine(
    store: Store,
    anonymous: Callable[[str], int] | None = None,
    *,
    today: date | None = None,
) -> Iterator[Finding]:
    """All findings; nothing but probe objects is written.

    Args:
        store: The store.
        today: After it nothing can be as of; without it the clock is not asked.
        anonymous: The HTTP status that an unsigned request for a key gets; ``None`` for a store
            that knows no requests.
    """
    yield _conditions(store)
    try:
        records = list(log.records(store))
        yield Finding("ok", f"the log is whole: {len(records)} records without a gap")
    except StoreError as error:
        yield Finding("problem", str(error))
        return
    yield from _chain(records)
    yield from _strays(store)
    if today is not None and (found := future_record(store, today, datetime.now(UTC))):
        yield Finding("problem" if found.blocks else "warning", found.text)
    yield _pointer(store, records)
    yield from _versions(store, records)
    if records:
        yield _flat(store, records[-1])
    if anonymous is not None:
        yield from _rights(store, anonymous)


def _conditions(store: Store) -> Finding:
    try:
        problem = probe(store)
    except DeniedError:
        return Finding("warning", "conditional writes were not tried: this key may not write")
    if problem:
        return Finding("problem", f"conditional writes: {problem}")
    return Finding("ok", "conditional writes are kept, also when several writers race")


def _chain(records: list[CommitRecord]) -> Iterator[Finding]:
    """Records that a program without the chain added after it began; a broken one is an error."""
    first = next((r.seq for r in records if r.parent_sha256), len(records))
    if loose := [record.seq for record in records[first:] if not record.parent_sha256]:
        yield Finding(
            "warning",
            f"{len(loose)} of {len(records)} records hold no hash of the one before: "
            f"{first_few(loose)}. An older program wrote them; update it",
        )


def _strays(store: Store) -> Iterator[Finding]:
    if strays := find_strays(store):
        yield Finding(
            "warning",
            f"{len(strays)} files are none of ours and are passed over: {first_few(strays)}. "
            f"Remove them if nobody needs them",
        )


def _pointer(store: Store, records: list[CommitRecord]) -> Finding:
    try:
        pointed = log.read_pointer(store)
    except StoreError as error:
        return Finding("problem", str(error))
    newest = records[-1] if records else None
    if pointed == newest:
        return Finding("ok", f"the pointer names record {newest.seq if newest else 0}, the newest")
    if pointed is None or pointed in records:
        return Finding("warning", f"{POINTER} lags behind the log; the next publish mends it")
    return Finding("problem", f"{POINTER} names a record that is not in the log; run --repair")


def _versions(store: Store, records: list[CommitRecord]) -> Iterator[Finding]:
    """Every version that was not removed, by looking at its objects."""
    marked = marked_versions(store)
    newest = records[-1].version_id if records else None
    latest = {record.version_id: record for record in records}
    whole = 0
    for version, record in latest.items():
        if version in marked and version != newest:
            continue
        try:
            problems = verify_stored_hashes(store, log.record_manifest(store, record))
        except StoreError as error:
            problems = [error.message]
        if problems:
            yield Finding(
                "problem",
                f"version {version}: {len(problems)} problems: {first_few(problems)}. Run "
                f"--repair {version} where it was made, or roll back.",
            )
        else:
            whole += 1
    yield Finding("ok", f"{whole} of {len(latest)} versions are whole, {len(marked)} marked")


def _flat(store: Store, newest: CommitRecord) -> Finding:
    try:
        wanted = flat_view.expected_files(store, newest)
    except StoreError as error:
        return Finding("problem", str(error))
    try:
        behind = [
            key
            for key, file in wanted.items()
            if file and not holds(store, key, size=file.bytes, sha256=file.sha256)
        ]
    except DeniedError:
        return Finding("warning", "the flat view was not looked at: this key may not read it")
    if behind:
        return Finding("warning", f"the flat view lags in {first_few(behind)}; publish mends it")
    return Finding("ok", f"the flat view shows {newest.version_id}")


def _rights(store: Store, anonymous: Callable[[str], int]) -> Iterator[Finding]:
    status = anonymous(POINTER)
    if status in (401, 403):
        yield Finding("ok", f"a request without a key is refused ({status})")
    else:
        text = f"a request without a key is answered ({status}): everybody may read the results"
        yield Finding("warning", text)
    try:
        store.remove(NO_RECORD)
    except DeniedError:
        yield Finding("ok", "this key may not remove records of the log")
    else:
        text = "this key may remove records of the log: publish with one that may not, see"
        yield Finding("warning", f"{text} --print-policies")
