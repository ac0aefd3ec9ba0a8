"""A published version as it is served: its tables, its items and its documents, whole in memory.

Nothing of it changes once it is made, so a request that holds one sees one version.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from ml.artifacts.log import CommitRecord
from ml.artifacts.manifest import METADATA, Manifest
from serving.tables import ServedTable, load_table
from serving.written import RequestProblem, shorten

_DATED = re.compile(r"_[0-9]{4}-[0-9]{2}-[0-9]{2}_metadata$")


@dataclass(frozen=True, slots=True)
class ServedVersion:
    """A version, verified and indexed."""

    manifest: Manifest  # its files, with their hashes
    tables: Mapping[str, ServedTable]  # by the name that they have in an address
    documents: Mapping[str, bytes]  # its JSON documents by name
    items: Mapping[str, int]  # number of each item that a table names

    @property
    def version_id(self) -> str:
        """Of the version."""
        return self.manifest.version_id

    def table(self, name: str) -> ServedTable:
        """A table by its name.

        Raises:
            RequestProblem: The version has none of that name.
        """
        if name not in self.tables:
            known = ", ".join(sorted(self.tables))
            raise self._unknown(f"holds no table {shorten(name)}; it holds {known}.")
        return self.tables[name]

    def number_of(self, item: str) -> int:
        """Number of an item.

        Raises:
            RequestProblem: No table of the version names it.
        """
        if item not in self.items:
            raise self._unknown(
                f"knows no item {shorten(item)}. Ids are taken as they are written, capitals and "
                f"spaces included."
            )
        return self.items[item]

    def _unknown(self, what: str) -> RequestProblem:
        return RequestProblem(404, f"version {self.version_id} {what}")


@dataclass(frozen=True, slots=True, eq=False)
class ShownVersion:
    """A version with what every answer says of it; what a request takes, once."""

    version: ServedVersion  # that is shown
    record: CommitRecord  # that published it
    fixed: bool  # whether it was asked for by its id, so that the answer can never change
    stale: bool  # whether there is, or may be, a newer one that could not be read
    reason: str  # why, in one word
    tag: bytes  # what tells its answers from those of any other version or state
    published: float  # when it was [seconds since 1970]
    headers: Mapping[bytes, bytes]  # of every answer
    opening: bytes  # of every JSON answer

    def answer(self, data: bytes, following: str | Mapping[str, str] | None = None) -> bytes:
        """The document that every JSON answer is.

        Args:
            data: JSON of what was asked for.
            following: Where it goes on, by table where there are several; ``None`` at the end.
        """
        end = b"null" if following is None else orjson.dumps(following)
        return b"".join((self.opening, data, b',"next":', end, b"}"))

    def again(
        self, *, fixed: bool = False, stale: bool = False, reason: str = ""
    ) -> "ShownVersion":
        """The same version in another state."""
        return show(self.version, self.record, fixed=fixed, stale=stale, reason=reason)

    def describe(self) -> dict[str, Any]:
        """Tables with their columns, and documents, of the version."""
        manifest = self.version.manifest
        return {
            "partial": manifest.partial,
            "tables": {
                name: {
                    "rows": table.rows,
                    "files": [
                        {"bytes": file.bytes, "sha256": file.sha256, "rows": file.rows}
                        for file in manifest.datasets[table.name]
                    ],
                    "columns": [_describe_column(column) for column in table.schema],
                }
                for name, table in self.version.tables.items()
            },
            "documents": sorted(self.version.documents),
        }


def show(
    version: ServedVersion,
    record: CommitRecord,
    *,
    fixed: bool = False,
    stale: bool = False,
    reason: str = "",
) -> ShownVersion:
    """A version as it is shown; see :class:`ShownVersion`."""
    told = {"version_id": record.version_id, "as_of": record.as_of,
            "published_at": record.published_at, "stale": stale}  # fmt: skip
    headers = {
        "vary": "Accept",
        "x-version-id": record.version_id,
        "x-as-of": record.as_of,
        "x-published-at": record.published_at,
        "x-stale": f"true; {reason}" if stale else "false",
    }
    return ShownVersion(
        version, record, fixed, stale, reason,
        tag=f"{record.version_id}/{record.seq}/{fixed:d}{stale:d}".encode(),
        published=datetime.fromisoformat(record.published_at).timestamp(),
        headers={name.encode(): text.encode() for name, text in headers.items()},
        opening=orjson.dumps(told)[:-1] + b',"data":',
    )  # fmt: skip


def _describe_column(column: Any) -> dict[str, Any]:
    told = {key.decode(): text.decode() for key, text in (column.metadata or {}).items()}
    return {
        "name": column.name,
        "type": str(column.type),
        "unit": told.get("unit", ""),
        "description": told.get("description", ""),
    }


def load_version(mirror: Path, manifest: Manifest, scratch: Path) -> ServedVersion:
    """Index a version that was mirrored and verified.

    Args:
        mirror: Folder that holds ``versions/``.
        manifest: Of the version.
        scratch: Folder on the disk for what is mapped.

    Raises:
        pyarrow.ArrowException: A table cannot be read.
        OSError: The disk refused.
    """
    items: dict[str, int] = {}
    tables = {}
    for dataset, files in manifest.datasets.items():
        if all(file.path.endswith(".parquet") for file in files):
            paths = [mirror / file.path for file in files]
            tables[dataset.replace("_", "-")] = load_table(dataset, paths, items, scratch)
    pa.default_memory_pool().release_unused()  # of the row groups that were read
    documents = {
        document_name(file.path): (mirror / file.path).read_bytes()
        for file in manifest.files
        if file.dataset == METADATA and file.path.endswith(".json")
    }
    return ServedVersion(manifest, tables, documents, items)


def document_name(path: str) -> str:
    """The name that a JSON document of a version has in an address.

    >>> document_name("versions/x/forecasts/forecasts_2026-11-20_metadata.json")
    'forecasts'
    >>> document_name("versions/x/metadata/gate.json")
    'gate'
    """
    return _DATED.sub("", path.rpartition("/")[2].removesuffix(".json"))
