"""Making a published version again, from what its night kept, and comparing the content."""

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ml.artifacts.errors import StoreError, VerificationError
from ml.artifacts.manifest import Manifest, stored_manifest
from ml.artifacts.version import newest_whole_version, read_manifest
from ml.durable import disk_errors
from ml.errors import DataError
from ml.settings import PROJECT, Settings
from pipelines.nightly.kept_inputs import FOLDER, needed_inputs, put_back
from pipelines.nightly.ledger import inputs_of, night_ledger
from pipelines.nightly.steps import all_code
from pipelines.nightly.supervisor import Limits, run_step, stopping_on_signals
from pipelines.publish.reader import open_store

ABOUT_OTHERS = ("changes", "past_forecasts", "scores", "drift")
"""Tables that tell of the versions before, too: of a version alone they cannot be the same."""
PLACES = ("data_dir", "models_dir", "reports_dir", "log_dir", "ml_results_path")


def reproduce(config: Settings, version: str, to: Path | None = None) -> Iterator[str]:
    """Make a version again in a folder of its own, and say of each table whether it is the same.

    Args:
        config: Names the folders, and the store.
        version: Id of the version.
        to: Folder that it was published to, ``None`` = the store of the settings.

    Raises:
        DataError: Something is missing that it was made of; the message names it.
        VerificationError: A table is another one.
    """
    made = _find_run(config, version)
    inputs = needed_inputs(inputs_of(config.data_dir, made["run"]))
    _refuse_lacking(config, version, made, inputs)
    published = _find_manifest(config, version, to)
    of_run = f"by run {made['run']} of {made['day']}"
    yield f"{version}: made {of_run}, of {len(inputs)} files that are kept"
    with tempfile.TemporaryDirectory(prefix="previsor-") as name, stopping_on_signals():
        place = Path(name)
        with disk_errors(f"reproducing in '{place}'", "Set TMPDIR to a folder with room."):
            put_back(config.data_dir, inputs, place / "data")
        again = _make_again(config, place, made)
    same, other = _compare(published, again)
    yield f"the same: {', '.join(same) or 'nothing'}"
    if other:
        raise VerificationError(
            f"{version}: {len(other)} of {len(same) + len(other)} tables are not the same: "
            f"{', '.join(other)}."
        )


def _find_run(config: Settings, version: str) -> dict[str, Any]:
    with night_ledger(config.data_dir) as db:
        row = db.execute(
            "SELECT run, day, runs.code, options FROM versions JOIN runs ON runs.id = run "
            "WHERE version_id = ? ORDER BY versions.id LIMIT 1",
            [version],
        ).fetchone()
    if row is None:
        raise DataError(
            f"no night has made a version '{version}': what it was made of is not kept."
        )
    return dict(row)


def _refuse_lacking(
    config: Settings, version: str, made: Mapping[str, Any], inputs: Mapping[str, str]
) -> None:
    lacking = []
    if made["code"] != all_code():
        lacking.append(f"the code {made['code']} (here is {all_code()}: check that revision out)")
    lacking += [
        f"{name} as it was (sha256 {sha256[:12]}…)"
        for name, sha256 in inputs.items()
        if not (config.data_dir / FOLDER / f"{sha256}.gz").exists()
    ]
    if lacking:
        raise DataError(f"{version} cannot be made again; missing: {', '.join(lacking)}.")


def _find_manifest(config: Settings, version: str, to: Path | None) -> Manifest:
    try:
        return read_manifest(config.ml_results_path, version)
    except StoreError:
        return stored_manifest(open_store(to), version)


def _make_again(config: Settings, place: Path, made: Mapping[str, Any]) -> Manifest:
    """Run the main job on what was kept, with the settings of then."""
    settings = json.loads(made["options"]).get("settings", {})
    folders = {"data_dir": "data", "models_dir": "models", "reports_dir": "reports",
               "log_dir": "logs", "ml_results_path": "results"}  # fmt: skip
    variables = settings | {name: str(place / path) for name, path in folders.items()}
    variables["today"] = made["day"]
    command = [str(PROJECT / "scripts" / "generate_ml_results.py")]
    if not (place / "data").exists():
        command.append("--sample")
    ended = run_step(
        command,
        Limits(config.night_step_hours * 3600, config.night_silence_minutes * 60),
        place / ".step.lock",
        say=sys.stderr.write,
        variables=os.environ | {name.upper(): text for name, text in variables.items()},
    )
    if ended.code:
        raise DataError(f"the main job failed ({ended.code}): {ended.last_line}")
    record = newest_whole_version(place / "results")
    if record is None:
        raise DataError("the main job made no whole version.")
    return read_manifest(place / "results", record.version_id)


def _compare(published: Manifest, again: Manifest) -> tuple[list[str], list[str]]:
    """Names of tables with the same content in both, and of the others."""
    hashes = [
        {name: [file.content_sha256 for file in files] for name, files in one.datasets.items()}
        for one in (published, again)
    ]
    names = [name for name in hashes[0] if name not in ABOUT_OTHERS]
    same = [name for name in names if hashes[0][name] == hashes[1].get(name)]
    return same, [name for name in names if name not in same]
