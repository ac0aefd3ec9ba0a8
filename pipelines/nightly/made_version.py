"""What the ledger is told of a version that a night made."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ml.artifacts.folder_store import results_store
from ml.artifacts.keys import MODEL_VERSIONS, version_key
from ml.artifacts.version import newest_whole_version, read_manifest
from ml.errors import PublishError
from ml.gate.stored import read_verdict


def describe_version(results: Path) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The newest whole version of a results folder, and what was chosen for it.

    The first is by the columns of the ledger, the second, by panel, the facts of
    :class:`ml.run.model_sets.SetChoice`.

    Raises:
        PublishError: There is none, or it is damaged.
    """
    record = newest_whole_version(results)
    if record is None:
        raise PublishError(f"'{results}' holds no whole version. Run generate_ml_results.")
    manifest = read_manifest(results, record.version_id)
    about = json.loads((results / version_key(record.version_id, MODEL_VERSIONS)).read_bytes())
    verdict = read_verdict(results_store(results), manifest)
    facts = {
        "version_id": record.version_id,
        "as_of": record.as_of,
        "code": str(about["code_version"]),
        "seed": int(about["seed"]),
        "dataset_id": str(manifest.run.get("dataset_id", "")),
        "model_version": str(manifest.run.get("model_version", "")),
        "forecasts": str(manifest.run.get("forecasts", "")),
        "fitted": dict(manifest.run.get("fitted", {})),
        "rows": {name: sum(file.rows or 0 for file in files)
                 for name, files in manifest.datasets.items()},
        "gate": [] if verdict is None else list(verdict.summary),
    }  # fmt: skip
    return facts, dict(manifest.run.get("chosen", {}))
