"""A version recorded in the future: a clock, or TODAY, was wrong where it was made.

Such a version would stay the newest until its day comes, for all others are stale beside it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime

from ml.artifacts import log
from ml.artifacts.errors import ConflictError, StaleError
from ml.artifacts.log import future_facts
from ml.artifacts.store import Store
from pipelines.publish.collect_garbage import marked_versions
from pipelines.publish.publishing import LocalVersion


@dataclass(frozen=True, slots=True)
class FutureRecord:
    """The newest record of a log, if it lies in the future."""

    text: str  # which it is, and the way to repair it
    blocks: bool  # whether what is published now is refused as stale


def future_record(store: Store, today: date, now: datetime) -> FutureRecord | None:
    """The newest record, if it lies in the future, and what to do.

    Raises:
        StoreError: The store cannot be read.
    """
    head = log.newest(store)
    facts = future_facts(head, today, now) if head else []
    if head is None or not facts:
        return None
    named = (
        f"record {head.seq} (version {head.version_id}, by {head.publisher}) lies in the future, "
        f"{' and '.join(facts)}, though today is {today}: a clock or TODAY was wrong there"
    )
    if head.as_of <= str(today):
        return FutureRecord(f"{named}. Nothing is refused for it; correct the clock", blocks=False)
    marked = marked_versions(store)
    before = log.find_record(
        store, lambda one: not future_facts(one, today, now) and one.version_id not in marked
    )
    way = (
        f"make record {before.seq} the newest again with --rollback --to-seq {before.seq}, then "
        f"publish"
        if before is not None
        else "publish with --force"
    )
    return FutureRecord(f"{named}. Correct that, {way}", blocks=True)


@contextmanager
def refusing_the_future(
    store: Store, version: LocalVersion, today: date, *, force: bool
) -> Iterator[None]:
    """Refuse a version of the future, and name the one that makes another stale.

    Raises:
        ConflictError: The version is as of a day after today, and nobody forces it.
        StaleError: A later one is published; where that lies in the future, how to repair it.
    """
    if version.manifest.as_of > str(today) and not force:
        raise ConflictError(
            f"version {version.version_id} is as of {version.manifest.as_of}, though today is "
            f"{today}: a clock or TODAY was wrong when it was made. Nothing was published; correct "
            f"that and run generate_ml_results again."
        )
    try:
        yield
    except StaleError as error:
        if found := future_record(store, today, datetime.now(UTC)):
            raise StaleError(f"{store.name}: {found.text}. Nothing was published.") from error
        raise
