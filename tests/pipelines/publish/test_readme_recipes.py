"""The recipes of docs/publishing.md, run on a real server with the reader's key."""

from pathlib import Path

import duckdb
import duckdb_extension_httpfs
import pytest

from pipelines.publish.policies import policies
from pipelines.publish.publishing import newest_local, publish
from pipelines.publish.s3_store import S3Store
from pipelines.publish.s3_target import S3Target
from tests.pipelines.publish.servers import add_user
from tests.pipelines.publish.servers.server import REGION
from tests.test_docs import block, write_version

BUCKET, PREFIX = "recipes", "team/a"
READER, SECRET = "recipes-reader", "a-secret-of-twenty-characters"
# What a reader has to change in a recipe: the address, and the place in the store.
SHOWN_URL, SHOWN_BUCKET = "https://s3.example.com:9000", "parts"


@pytest.fixture(scope="module")
def published(minio_server, tmp_path_factory):
    """A server with one version below a prefix, and a user who may do nothing but read it."""
    results = tmp_path_factory.mktemp("recipes")
    write_version(results)
    minio_server.make_bucket(BUCKET)
    owner = S3Target(
        endpoint=minio_server.endpoint, bucket=BUCKET, prefix=PREFIX, secure=False,
        access_key=minio_server.access_key, secret_key=minio_server.secret_key,
    )  # fmt: skip
    publish(S3Store(owner), newest_local(results), publisher="host/test")
    add_user(minio_server, READER, SECRET, policies(BUCKET, PREFIX)["reader"])
    return minio_server


@pytest.fixture
def recipe(published, monkeypatch, tmp_path):
    """Run a recipe as its reader would; the names that it defines."""
    chosen = {
        "ACCESS_KEY": READER, "SECRET_KEY": SECRET, "ENDPOINT": published.endpoint,
        "BUCKET": BUCKET, "PREFIX": PREFIX, "REGION": REGION, "SECURE": "false",
    }  # fmt: skip
    for name, value in chosen.items():
        monkeypatch.setenv(f"S3_{name}", value)
    monkeypatch.chdir(tmp_path)

    def run(name):
        text = changed(block(f"store: {name}"), published)
        names = {}
        exec(compile(text, f"store: {name}", "exec"), names)
        return names

    return run


def changed(text, server):
    """A recipe with the server's address for the one shown, and http for https."""
    plain = {
        SHOWN_URL: server.url,
        f"'{SHOWN_URL.removeprefix('https://')}'": f"'{server.endpoint}'",
        "USE_SSL true": "USE_SSL false",
        '# "aws_allow_http": "true",': '"aws_allow_http": "true",  #',
        f"s3://{SHOWN_BUCKET}": f"s3://{BUCKET}/{PREFIX}",
        f'"{SHOWN_BUCKET}"': f'"{BUCKET}/{PREFIX}"',
    }
    for shown, own in plain.items():
        text = text.replace(shown, own)
    return text


def test_duckdb_reads_what_to_order(recipe, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))  # its extensions are below; nothing is downloaded
    folder = Path(duckdb_extension_httpfs.__file__).parent
    duckdb.connect().install_extension(str(next(folder.rglob("*.duckdb_extension"))))
    orders = recipe("duckdb")["orders"].fetchall()
    assert [(row[0], row[2]) for row in orders] == [("NA", 7.0)]
    assert "order_now" in capsys.readouterr().out


def test_polars_reads_cumulative_needs(recipe, capsys):
    needed = recipe("polars")["needed"]
    assert needed.select("item_id", "cum_q95").rows() == [("NA", 6.0), ("A", 3.0)]
    assert "cum_q95" in capsys.readouterr().out


def test_pyarrow_reads_a_whole_table(recipe, capsys):
    forecasts = recipe("pyarrow")["forecasts"]
    assert forecasts["item_id"].to_pylist() == ["A"] * 3 + ["NA"] * 3
    assert "forecast" in capsys.readouterr().out


def test_the_checked_reader_reads_and_mirrors(recipe, tmp_path, capsys):
    names = recipe("previsor")
    assert names["forecasts"].column_names == ["item_id", "ds", "forecast"]
    assert names["folder"].parent == tmp_path / "mirror" / "versions"
    assert (names["folder"] / "manifest.json").exists()
    assert "6 3\n" in capsys.readouterr().out  # rows of forecasts and of recommendations
