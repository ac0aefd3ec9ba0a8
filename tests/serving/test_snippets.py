"""What docs/serving.md shows, run against a server, and its door in previsor."""

import re
from pathlib import Path

import duckdb
import duckdb_extension_httpfs
import pytest

from tests.commands import run_here
from tests.serving.conftest import ROOT
from tests.serving.versions import STEPS

PAGE = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")


@pytest.fixture
def snippet(served):
    """Run a snippet of the page on the server of the tests; the names it leaves."""

    def run(name):
        text = re.search(rf"<!-- served: {name} -->\n```python\n(.*?)```", PAGE, re.DOTALL)[1]
        text = text.replace("http://127.0.0.1:8600", served.url).replace(
            "item_id=A&", "item_id=NA&"
        )
        names = {}
        exec(text, names)
        return names

    return run


def test_pandas_reads_a_whole_table_and_an_item(snippet):
    names = snippet("pandas")
    assert set(names["whole"]["item_id"]) >= {"NA", "PART-001"}
    assert list(names["one"].columns) == ["ds", "q50", "q90"]
    assert len(names["one"]) == STEPS


def test_duckdb_reads_ranges_of_the_stored_file(snippet, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))  # its extensions are below; nothing is downloaded
    folder = Path(duckdb_extension_httpfs.__file__).parent
    duckdb.install_extension(str(next(folder.rglob("*.duckdb_extension"))))
    assert "NA" in {item for item, _ in snippet("duckdb")["found"]}


def test_previsor_serve_makes_keys_and_refuses_as_the_server_does(tmp_path):
    done = run_here(tmp_path, {}, "scripts/serve.py", "--make-key", "anna")
    assert done.returncode == 0
    line = done.stdout.splitlines()[-1]
    assert re.fullmatch(r"line for SERVE_KEYS_FILE: anna sha256:[0-9a-f]{64}", line)
    done = run_here(tmp_path, {}, "scripts/serve.py", "--host", "0.0.0.0")
    assert done.returncode == 2
    assert "can be reached by others" in done.stderr
