"""A results folder with one made-up version in its log, report and all."""

from pathlib import Path

from benchmarks.made_up_version import VERSION, make_version
from ml.artifacts.log import CommitRecord
from ml.artifacts.staging import DatasetFile, StagedVersion, write_document
from ml.artifacts.version import commit_version, write_manifest
from ml.durable import sha256_of
from ml.page.packing import SUMMARY, pack_version
from ml.page.report import REPORT, build_report


def commit_made_up(results: Path, items: int, named: tuple[str, ...] = ()) -> CommitRecord:
    """Write a version as a run does, and commit it."""
    packed = pack_version(tables := make_version(results, items, 13, named=named, partners=named))
    staged = StagedVersion(results, VERSION)
    write_document(staged, SUMMARY, packed.summary)
    build_report(packed, "pt").save(staged.folder / REPORT)
    files = [
        DatasetFile(path, path.name.rsplit("_", 1)[0], 0, path.stat().st_size, sha256_of(path),
                    "0" * 64, "0" * 64, None, None, None)
        for path in sorted(staged.folder.rglob("*.parquet"))
    ]  # fmt: skip
    write_manifest(staged, files, as_of=tables.as_of, partial=False, run=tables.run)
    return commit_version(results, VERSION, publisher="test")
