"""Making a published version again, from what its night kept, and comparing the content."""

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ml.artifacts.errors import StoreError, VerificationError
from ml.artifacts.manifest import Manifest, stored_manifest
from ml.artifacts.version import newest_whole_version, read_manifest
from ml.durable import disk_errors, remove_all
from ml.errors import DataError
from ml.setting_groups import PROJECT
from ml.settings import Settings
from pipelines.nightly.kept_inputs import FOLDER, datasets_of, needed_inputs, put_back
from pipelines.nightly.ledger import inputs_of, night_ledger
from pipelines.nightly.steps import all_code
from pipelines.nightly.supervisor import Limits, run_step, stopping_on_signals
from pipelines.publish.reader import open_store

ABOUT_OTHERS = ("changes", "past_forecasts", "scores", "drift")
"""Tables that tell of the versions before, too: of a version alone they cannot be the same."""
FOR_GOOD = 36500.0  # days that models serve where nothing is to be trained against them


def reproduce(config: Settings, version: str, to: Path | None = None) -> Iterator[str]:
    """Make a version again in a folder of its own, and say of each table whether it is the same.

    ``to`` is the folder that it was published to, ``None`` = the store of the settings.

    Raises:
        DataError: Something is missing that it was made of; the message names it.
        VerificationError: A table is another one.
    """
    chain = _find_chain(config, version)
    inputs = [needed_inputs(inputs_of(config.data_dir, one["run"])) for one in chain]
    _refuse_lacking(config, version, chain, inputs)
    published = _find_manifest(config, version, to)
    made = chain[-1]
    yield f"{version}: made by run {made['run']} of {made['day']}, of {len(inputs[-1])} kept files"
    if len(chain) > 1:
        days = ", ".join(one["day"] for one in chain[:-1])
        yield f"its models are of {days}: {len(chain) - 1} nights before it come first"
    with tempfile.TemporaryDirectory(prefix="previsor-") as name, stopping_on_signals():
        for one, files in zip(chain, inputs, strict=True):
            again = _make_again(config, Path(name), one, files)
    same, other = _compare(published, again)
    yield f"the same: {', '.join(same) or 'nothing'}"
    if other:
        raise VerificationError(
            f"{version}: {len(other)} of {len(same) + len(other)} tables are not the same: "
            f"{', '.join(other)}."
        )


def _find_chain(config: Settings, version: str) -> list[dict[str, Any]]:
    """The nights that fitted the version's models, and its own the last."""
    with night_ledger(config.data_dir) as db:
        rows = db.execute(
            "SELECT version_id, run, day, runs.code, options, dataset_id, fitted FROM versions "
            "JOIN runs ON runs.id = run GROUP BY version_id HAVING versions.id = min(versions.id) "
            "ORDER BY versions.id"
        ).fetchall()
    found = [dict(row) for row in rows]
    own = next((one for one in found if one["version_id"] == version), None)
    if own is None:
        raise DataError(
            f"no night has made a version '{version}': what it was made of is not kept."
        )
    before = found[: found.index(own)]
    datasets = [name for name in datasets_of(own["fitted"]) if name != own["dataset_id"]]
    nights = {one["dataset_id"]: one for one in reversed(before)}  # the first on each
    if lacking := [dataset for dataset in datasets if dataset not in nights]:
        raise DataError(
            f"{version} cannot be made again: its models go back to {', '.join(lacking)}, which "
            "no night has fitted; they were put in use by hand, or fitted by a run by hand."
        )
    return [*sorted((nights[name] for name in datasets), key=before.index), own]


def _refuse_lacking(
    config: Settings,
    version: str,
    chain: Sequence[Mapping[str, Any]],
    inputs: Sequence[Mapping[str, str]],
) -> None:
    codes = {one["code"] for one in chain} - {all_code()}
    lacking = [f"the code {code} (here is {all_code()}: check that revision out)" for code in codes]
    lacking += [
        f"{name} as it was on {one['day']} (sha256 {sha256[:12]}…)"
        for one, files in zip(chain, inputs, strict=True)
        for name, sha256 in files.items()
        if not (config.data_dir / FOLDER / f"{sha256}.gz").exists()
    ]
    if lacking:
        raise DataError(f"{version} cannot be made again; missing: {', '.join(lacking)}.")


def _find_manifest(config: Settings, version: str, to: Path | None) -> Manifest:
    try:
        return read_manifest(config.ml_results_path, version)
    except StoreError:
        return stored_manifest(open_store(to), version)


def _make_again(
    config: Settings, place: Path, made: Mapping[str, Any], inputs: Mapping[str, str]
) -> Manifest:
    """Run the main job on what was kept of a night, with the settings of then."""
    with disk_errors(f"reproducing in '{place}'", "Set TMPDIR to a folder with room."):
        remove_all(place / "data")
        put_back(config.data_dir, inputs, place / "data")
    settings = json.loads(made["options"]).get("settings", {})
    folders = {"data_dir": "data", "models_dir": "models", "reports_dir": "reports",
               "log_dir": "logs", "ml_results_path": "results"}  # fmt: skip
    variables = settings | {name: str(place / path) for name, path in folders.items()}
    variables["today"] = made["day"]
    if all(one["state"] for one in json.loads(made["fitted"]).values()):
        variables["refit_days"] = str(FOR_GOOD)  # nothing newly trained was put in use
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
