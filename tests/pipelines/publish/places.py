"""Stores to test with: each place can be opened many times, with faults, and copied."""

import secrets
from dataclasses import dataclass, replace
from pathlib import Path

from ml.artifacts.folder_store import folder_store
from ml.artifacts.store import Body, read_small
from pipelines.publish.s3_connection import RetryPolicy
from pipelines.publish.s3_store import S3Store
from pipelines.publish.s3_target import S3Target
from tests.pipelines.publish.faults import FaultyPool, FaultyStore

LIMIT = 1 << 30
# A lost answer is tried again at once: nothing in a test waits for a clock.
AT_ONCE = RetryPolicy(seconds=60.0, pause=lambda _: None)


@dataclass(frozen=True)
class FolderPlace:
    """A folder of its own for each copy."""

    root: Path
    name: str = "folder"

    def open(self, faults=None, **kwargs):
        store = folder_store(self.root / "store", **kwargs)
        return FaultyStore(store, faults) if faults else store

    def fresh(self):
        root = self.root.parent / secrets.token_hex(8)
        root.mkdir()
        return replace(self, root=root)


@dataclass(frozen=True)
class S3Place:
    """A prefix of its own for each copy, in one bucket."""

    target: S3Target
    name: str
    retries: RetryPolicy = AT_ONCE

    def open(self, faults=None, **kwargs):
        pool = FaultyPool(faults, self.target.ca_file) if faults else None
        return S3Store(self.target, pool=pool, retries=self.retries, **kwargs)

    def fresh(self):
        return replace(self, target=replace(self.target, prefix=secrets.token_hex(8)))


def copy_of(place):
    """A place with the same objects."""
    fresh = place.fresh()
    there, here = fresh.open(), place.open()
    for entry in here.listing(""):
        there.put(entry.key, Body.of(read_small(here, entry.key, limit=LIMIT)))
    return fresh


def keys(store, prefix=""):
    return [entry.key for entry in store.listing(prefix)]
