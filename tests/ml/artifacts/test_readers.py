"""Everyone who reads Parquet reads a version, with the types that the contracts promise."""

import json
import os
import shutil
import subprocess
import sys
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

VERSION = "20261120T021503Z-1a2b3c4d"
DATASETS = ("forecasts", "refusals", "recommendations", "metrics")
SPARK_READER = Path(__file__).with_name("spark_reader.py")
SPARK_FOUND = find_spec("pyspark") is not None and (
    shutil.which("java") is not None or "JAVA_HOME" in os.environ
)
SPARK_MISSING = (
    "PySpark's reading of the results was left out: make setup-spark and a Java runtime, "
    "e.g. apt-get install openjdk-17-jre-headless, bring it in"
)
# Where CI is set a missing Spark fails; elsewhere it is left out with a line that says so.
with_spark = (
    pytest.mark.slow
    if SPARK_FOUND or "CI" in os.environ
    else pytest.mark.skip(reason=SPARK_MISSING)
)

# What each reader calls the types of the contracts, in this order.
TYPES = (
    pa.string(),
    pa.int64(),
    pa.float64(),
    pa.bool_(),
    pa.timestamp("us"),
    pa.timestamp("us", "UTC"),
)
NAMES = {
    "pandas": ("str", "int64", "float64", "bool", "datetime64[us]", "datetime64[us, UTC]"),
    "duckdb": ("VARCHAR", "BIGINT", "DOUBLE", "BOOLEAN", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"),
    "polars": (
        pl.String,
        pl.Int64,
        pl.Float64,
        pl.Boolean,
        pl.Datetime("us"),
        pl.Datetime("us", "UTC"),
    ),
    "spark": ("string", "bigint", "double", "boolean", "timestamp_ntz", "timestamp"),
}


@pytest.fixture(scope="module")
def results(tmp_path_factory, kit):
    folder = tmp_path_factory.mktemp("results")
    kit.commit(folder, VERSION)
    return folder


@pytest.fixture(params=DATASETS)
def dataset(request):
    return request.param


@pytest.fixture
def path(results, dataset):
    """The dataset's file in the flat view, where a person looks first."""
    (file,) = results.glob(f"*/{dataset}_2026-11-20.parquet")
    return file


def promised(kit, dataset, reader):
    """Column names and what the reader has to call their types."""
    names = dict(zip(TYPES, NAMES[reader], strict=True))
    return {column.name: names[column.dtype] for column in kit.contracts[dataset].columns}


def test_pyarrow_reads_the_contract_and_the_rows(kit, path, dataset):
    table = pq.read_table(path)
    assert table.schema.equals(kit.contracts[dataset].schema)
    assert table.to_pylist() == kit.tables()[dataset].to_pylist()


def test_pandas_reads_the_promised_types(kit, path, dataset):
    frame = pd.read_parquet(path)
    expected = promised(kit, dataset, "pandas")
    for column in kit.contracts[dataset].columns:
        if pa.types.is_integer(column.dtype) and frame[column.name].isna().any():
            expected[column.name] = "float64"  # pandas has no other integer with gaps
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == expected
    required = [c.name for c in kit.contracts[dataset].columns if not c.nullable]
    assert not frame[required].isna().any(axis=None)


def test_duckdb_reads_the_promised_types(kit, path, dataset):
    described = duckdb.sql(f"DESCRIBE FROM '{path}'").fetchall()
    assert {row[0]: row[1] for row in described} == promised(kit, dataset, "duckdb")


def test_polars_reads_the_promised_types(kit, path, dataset):
    frame = pl.read_parquet(path)
    assert dict(frame.schema) == promised(kit, dataset, "polars")
    assert frame.to_dicts() == kit.tables()[dataset].to_pylist()


def test_an_id_called_na_is_a_text_for_every_reader(results):
    path = results / "forecasts/forecasts_2026-11-20.parquet"
    ids = ["A-1", "B 2", "NA"]
    assert sorted(set(pd.read_parquet(path)["item_id"])) == ids
    assert pl.read_parquet(path)["item_id"].unique().sort().to_list() == ids
    query = f"SELECT DISTINCT item_id FROM '{path}' ORDER BY 1"
    assert [row[0] for row in duckdb.sql(query).fetchall()] == ids


def test_every_reader_that_can_finds_the_version_in_the_footer(kit, path, dataset):
    expected = {
        "forecast.schema_version": str(kit.contracts[dataset].version),
        "forecast.version_id": VERSION,
        "forecast.as_of": "2026-11-19",
        "forecast.dataset": dataset,
        "forecast.generator": "previsor test",
    }
    arrow = {k.decode(): v.decode() for k, v in pq.read_metadata(path).metadata.items()}
    rows = duckdb.sql(f"SELECT key, value FROM parquet_kv_metadata('{path}')").fetchall()
    duck = {bytes(key).decode(): bytes(value).decode() for key, value in rows}
    for found in (arrow, duck, pl.read_parquet_metadata(path)):
        assert {key: found[key] for key in expected} == expected


def test_duckdb_follows_the_pointer_to_the_files(results, path, dataset):
    """The recipe of the documentation: one small document, then the files that it names."""
    pointer = duckdb.sql(f"FROM read_json('{results}/metadata/last_updated.json')")
    ((manifest,),) = pointer.select("manifest").fetchall()
    files = duckdb.sql(
        f"SELECT '{results}/' || f.path FROM (SELECT unnest(files) AS f "
        f"FROM read_json('{results}/{manifest}')) WHERE f.dataset = '{dataset}'"
    ).fetchall()
    rows = duckdb.sql(f"SELECT count(*) FROM read_parquet({[row[0] for row in files]})").fetchall()
    assert rows == [(pq.read_metadata(path).num_rows,)]


@with_spark
def test_spark_reads_the_promised_types_and_rows(kit, results, tmp_path):
    if not SPARK_FOUND:
        pytest.fail(SPARK_MISSING)
    done = subprocess.run(  # in a process of its own, which keeps Spark's chatter away
        [sys.executable, SPARK_READER, results],
        cwd=tmp_path,
        env=os.environ | {"SPARK_LOCAL_IP": "127.0.0.1", "TZ": "UTC"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    answers = json.loads(done.stdout.splitlines()[-1])
    assert sorted(answers) == sorted(DATASETS)
    for dataset, (types, rows, first_ds) in answers.items():
        assert types == promised(kit, dataset, "spark")
        assert rows == kit.tables()[dataset].num_rows
        expected = datetime(2026, 11, 20) if dataset == "forecasts" else None
        assert (first_ds and datetime.fromisoformat(first_ds)) == expected
