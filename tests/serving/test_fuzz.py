"""The interface tried by its own description: values that fit it, and values that do not."""

import os
import subprocess

import pytest

from tests.serving.conftest import API, ROOT

TRIER = ROOT / ".venv-fuzz" / "bin" / "schemathesis"
FULL = os.environ.get("DRILLS") == "full"


@pytest.mark.slow
def test_the_server_does_what_its_description_says_drill(served, tmp_path):
    if not TRIER.exists():
        if "CI" in os.environ:
            pytest.fail("`make .venv-fuzz/ready` builds the environment of this test")
        pytest.skip("left out: `make .venv-fuzz/ready` builds its environment")
    examples = 100 if FULL else 4
    done = subprocess.run(
        [
            TRIER, "run", f"{served.url}{API}/openapi.json", "--checks", "all", "--seed", "7",
            "--max-examples", str(examples), "--phases", "examples,coverage,fuzzing",
            "--generation-database", "none", "--no-color",
        ],
        cwd=tmp_path, capture_output=True, text=True, timeout=1500,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
    )  # fmt: skip
    print(done.stdout[-3000:])  # noqa: T201 - for make drills
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def test_the_description_has_every_table_with_its_columns_and_an_example(served):
    told = served.json(f"{API}/openapi.json")
    tables = served.json(f"{API}/versions/{served.json('/ready')['version_id']}")["data"]["tables"]
    for name, table in tables.items():
        operation = told["paths"][f"{API}/{name}"]["get"]
        content = operation["responses"]["200"]["content"]["application/json"]
        columns = content["schema"]["properties"]["data"]["items"]["properties"]
        assert list(columns) == [one["name"] for one in table["columns"]]
    parameters = told["paths"][f"{API}/forecasts"]["get"]["parameters"]
    item = next(one["example"] for one in parameters if one["name"] == "item_id")
    assert served.json(f"{API}/forecasts?item_id={item}")["data"]
