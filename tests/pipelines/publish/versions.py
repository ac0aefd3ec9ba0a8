"""Small whole versions on the local disk, made by the same code that the main job uses."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from ml.artifacts import version as local
from ml.artifacts.keys import past_key
from ml.artifacts.manifest import as_entry
from ml.artifacts.parquet_file import DatasetWriter, footer
from ml.artifacts.staging import Provenance
from ml.contracts.forecasts import REFUSALS
from pipelines.publish.publishing import newest_local

STARTED = datetime(2026, 11, 20, 2, 15, 3, tzinfo=UTC)
DATASETS = ("forecasts", "metrics")


def version_id(number=0, *, days=0, started=STARTED):
    return f"{started + timedelta(days=days):%Y%m%dT%H%M%SZ}-{number:08x}"


def make_version(
    results, version, *, as_of="2026-11-19", partial=False, rows=1, names=(), run=None, gate=None,
    past=None,
):  # fmt: skip
    """A committed version whose rows name it; the dataset's folder is what matters here.

    Args:
        results: The results folder.
        version: Its id.
        as_of: Its day.
        partial: Whether it is one.
        rows: Of each dataset.
        names: Of the items of the first dataset instead.
        run: Facts for the manifest.
        gate: The document of its gate.
        past: Files of the past of the versions before, to which it adds one; none without it.
    """
    staged = local.stage_version(results, version)
    about = footer(REFUSALS, version_id=version, as_of=as_of, generator="test")
    files = []
    for dataset in DATASETS:
        with DatasetWriter(staged.data_path(dataset), REFUSALS, about) as writer:
            items = [f"{version} {row:06d}" for row in range(rows)]
            items = names if names and dataset == DATASETS[0] else items
            size = len(items)
            same = {"kind": ["demand"] * size, "reason": [dataset] * size, "n_obs": [1] * size}
            writer.append(pa.table({"item_id": items} | same))
            # Under the name of a table that readers know, whose folder is the same.
            files.append(replace(writer.close(), dataset=dataset))
    provenance = Provenance("0.1.0", 7)
    local.write_metadata(staged, REFUSALS, files[0], provenance, as_of=as_of)
    local.write_model_versions(staged, {"model_version": version})
    if gate is not None:
        local.write_document(staged, "metadata/gate.json", gate)
    named = list(past or ())
    if past is not None:
        with DatasetWriter(staged.past_path("scores"), REFUSALS, about) as writer:
            same = {"kind": ["demand"], "reason": ["past"], "n_obs": [1]}
            writer.append(pa.table({"item_id": [version]} | same))
            file = replace(writer.close(), dataset="scores")
        named.append(as_entry(file, past_key("scores", version)))
    local.write_manifest(staged, files, as_of=as_of, partial=partial, run=run or {}, past=named)
    local.commit_version(results, version, publisher="host/test")
    return None if partial else newest_local(results)
