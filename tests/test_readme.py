"""README.md and CONTRIBUTING.md against the code: neither names what the other lacks."""

import ast
import json
import re
import runpy
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import SecretStr

from ml import errors
from ml.artifacts import errors as store_errors
from ml.artifacts.parquet_file import DatasetWriter, footer
from ml.artifacts.version import (
    Provenance,
    commit_version,
    new_version_id,
    stage_version,
    write_manifest,
    write_metadata,
    write_model_versions,
)
from ml.contracts import recommendations as words
from ml.contracts.demand import CRITICALITIES, STATUSES
from ml.contracts.forecasts import FORECAST_MODELS, FORECASTS, REFUSALS
from ml.contracts.metrics import METRICS, METRICS_MEANING
from ml.contracts.recommendations import RECOMMENDATIONS
from ml.features.declarations import FEATURES
from ml.forecasters.registry import models_of
from ml.settings import PROJECT, Settings
from pipelines.intake import names as intake_names
from pipelines.intake.files import PREFIXES, READABLE
from pipelines.intake.quarantine import SCHEMA as QUARANTINE
from pipelines.intake.quarantine import Reason
from pipelines.intake.read_tables import process_files
from pipelines.intake.request import ReadingRequest
from pipelines.publish.policies import policies

README = (PROJECT / "README.md").read_text(encoding="utf-8")
GUIDE = (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8")
CONTRACTS = (FORECASTS, REFUSALS, FORECAST_MODELS, RECOMMENDATIONS, METRICS)
COLUMNS = [
    pytest.param(column, id=f"{contract.name}-{column.name}")
    for contract in CONTRACTS
    for column in contract.columns
]
# The heading of a command's section, and the file that it is in.
COMMANDS = {
    "scripts/generate_ml_results.py": "### `generate_ml_results`",
    "scripts/deploy_ml_results.py": "### `deploy_ml_results`",
    "scripts/auto_update_ml_results.py": "### `auto_update_ml_results`",
    "pipelines/demand_etl.py": "### `pipelines/demand_etl.py`",
    "pipelines/climate_etl.py": "### `pipelines/climate_etl.py`",
    "pipelines/economic_etl.py": "### `pipelines/climate_etl.py`",
    "pipelines/anatel_5g_etl.py": "### `pipelines/climate_etl.py`",
    "pipelines/price_etl.py": "### `pipelines/climate_etl.py`",
    "pipelines/import_history.py": "### `pipelines/import_history.py`",
    "pipelines/feature_calculation_etl.py": "### `pipelines/feature_calculation_etl.py`",
    "ml/train_prophet.py": "### `ml/train_prophet.py`",
    "ml/train_arima.py": "### `ml/train_prophet.py`",
    "ml/train_lstm.py": "### `ml/train_prophet.py`",
    "ml/train_ensemble.py": "### `ml/train_prophet.py`",
    "ml/generate_forecasts.py": "### `ml/generate_forecasts.py`",
}
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
STARTED = datetime(2026, 11, 20, 2, 15, 3, tzinfo=UTC)
AS_OF = datetime(2026, 11, 19)


def section(heading: str) -> str:
    """Text from a heading to the next one of its level or above."""
    level = heading.split(" ", 1)[0]
    start = README.index(f"\n{heading}")
    following = re.search(rf"\n#{{1,{len(level)}}} ", README[start + len(heading) + 1 :])
    return README[start:][: following.start() + len(heading) + 1] if following else README[start:]


def block(comment: str) -> str:
    """The fenced text below a comment of this content."""
    found = re.search(rf"<!-- {re.escape(comment)} -->\n```\w*\n(.*?)\n```\n", README, re.DOTALL)
    assert found, f"README.md has no block marked <!-- {comment} -->"
    return found[1]


def table(text: str) -> list[list[str]]:
    """Cells of the rows of the first table in a text, without its two heading lines."""
    lines = re.search(r"((?:^\|.*\|\n)+)", text, re.MULTILINE)[1].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


# Commands, exit codes, settings


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_of_a_command_is_in_its_section_and_no_other(command, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(sys, "argv", [command, "--help"])
    with pytest.raises(SystemExit, match="0"):
        runpy.run_path(str(PROJECT / command), run_name="__main__")
    offered = set(OPTION.findall(capsys.readouterr().out)) - {"--help"}
    assert offered
    text = section(COMMANDS[command])
    assert command in text
    listed = {OPTION.findall(row[0])[0] for row in table(text)}
    assert listed == offered


def test_every_feature_is_listed_with_what_it_is_and_no_other():
    expected = [
        [
            f"`{one.name}`" + (" *" if one.driver else ""), one.group, one.unit,
            one.role.replace("_", " "), str(one.lag), one.source, one.description,
        ]
        for one in FEATURES
    ]  # fmt: skip
    assert table(section("### Features")) == expected


def test_every_runnable_file_has_a_section():
    runnable = {
        path.relative_to(PROJECT).as_posix()
        for folder in ("scripts", "pipelines", "ml")
        for path in (PROJECT / folder).glob("*.py")
        if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
    }
    assert runnable == set(COMMANDS)


def test_the_exit_codes_are_those_of_the_errors():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    codes = {kind.exit_code for kind in kinds if issubclass(kind, errors.PipelineError)}
    listed = {int(row[0]) for row in table(section("### Exit codes"))}
    assert listed == codes | {0, 130}  # done, and the one of ml.cli for an interrupt


def test_the_settings_are_listed_with_their_defaults_and_meanings():
    def default(value):
        if isinstance(value, Path):
            return f"`./{value.relative_to(PROJECT).as_posix()}`"
        value = value.get_secret_value() if isinstance(value, SecretStr) else value
        if value is None or value == "":
            return "empty"
        return f"`{str(value).lower() if isinstance(value, bool) else value}`"

    expected = [
        [f"`{name.upper()}`", default(field.default), field.description]
        for name, field in Settings.model_fields.items()
    ]
    assert table(section("### Settings")) == expected


def test_every_kind_of_failure_of_publishing_is_explained_and_no_other():
    found = [kind for kind in vars(store_errors).values() if isinstance(kind, type)]
    kinds = {kind.kind for kind in found if hasattr(kind, "kind")}
    listed = [row[0] for row in table(section("### When publishing fails"))]
    assert sorted(listed) == sorted(f"`{kind}`" for kind in kinds)


def test_every_policy_that_is_printed_is_explained():
    listed = [row[0] for row in table(section("### Three keys"))]
    assert listed == [f"`{role}`" for role in policies("parts")]


def test_the_make_targets_that_are_named_exist():
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"(?:^|`)make ([a-z][a-z-]+)", README + GUIDE, re.MULTILINE))
    assert {"results", "test"} <= named
    assert named - set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE)) == set()


# What is read


@pytest.mark.parametrize(
    "aliases", ["DEMAND_NAMES", "PRICE_NAMES", "ITEM_NAMES", "INVENTORY_NAMES"]
)
def test_every_name_that_an_input_column_may_have_is_listed(aliases):
    text = section("### Columns")
    for wanted, names in getattr(intake_names, aliases).items():
        rows = [line for line in text.splitlines() if line.startswith(f"| `{wanted}`")]
        assert any(all(f"`{name}`" in row for name in names) for row in rows), (wanted, names)


def test_where_the_intake_looks_is_what_it_looks_at():
    text = section("### Where the intake looks")
    rows = {row[0]: row[1] for row in table(text)}
    assert rows == {
        name: ", ".join(f"`{start}`" for start in starts) for name, starts in PREFIXES.items()
    }
    assert all(f"`{ending}`" in text for ending in READABLE)


def test_the_quarantine_is_described_by_its_columns_and_reasons():
    rows = dict(table(section("### The rules")))
    assert list(rows) == [f"`{name}`" for name in QUARANTINE.names]
    assert rows["`reason`"] == ", ".join(f"`{reason}`" for reason in Reason)


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """The worked example, read: its folder and what was said."""
    folder = tmp_path_factory.mktemp("example")
    (folder / "consumo.csv").write_text(block("example: consumo.csv") + "\n", encoding="utf-8")
    files = {"demand": folder / "consumo.csv"}
    said = process_files(ReadingRequest(files=files, today=date(2025, 7, 1)), folder / "data")
    return folder, said


def test_the_worked_example_says_what_it_says(example):
    folder, said = example
    assert "\n".join(said).replace(f"{folder}/", "") == block("example: output")


def test_the_worked_example_leaves_the_quarantine_that_is_shown(example):
    written = (example[0] / "data/quarantine/demand.csv").read_text(encoding="utf-8")
    assert written.rstrip("\n") == block("example: quarantine")


def test_the_worked_example_makes_the_table_that_is_shown(example):
    rows = pq.read_table(example[0] / "data/processed/demand.parquet").to_pylist()
    made = [
        [row["item_id"], f"{row['ds']:%Y-%m-%d}", "null" if row["y"] is None else f"{row['y']:g}"]
        for row in rows
    ]
    shown = README[README.index("<!-- example: table -->") :]
    assert [row[:3] for row in table(shown)] == made


# What is written


@pytest.mark.parametrize("column", COLUMNS)
def test_every_published_column_is_listed_with_type_unit_and_meaning(column):
    null = "yes" if column.nullable else "no"
    cells = (f"`{column.name}`", str(column.dtype), column.unit, null, column.description)
    assert f"\n| {' | '.join(cells)} |\n" in README


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.name)
def test_the_section_of_a_table_lists_its_columns_in_order(contract):
    listed = [row[0].strip("`") for row in table(section(f"### {contract.name}"))]
    shared = set(FORECASTS.names) if contract is FORECAST_MODELS else set()
    first = FORECAST_MODELS.names.index("forecast")  # from here on the columns of forecasts
    own = contract.names[:first] if shared else contract.names
    assert listed == own
    assert shared >= set(contract.names[len(own) :])


def test_every_metric_is_defined_and_no_other():
    text = section("### metrics")
    found = [name for line in re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
             for name in re.findall(r"`(\w+)`", line)]  # fmt: skip
    assert sorted(found[len(METRICS.columns) :]) == sorted(METRICS_MEANING)


def test_the_closed_lists_of_recommendations_are_complete():
    text = section("### recommendations")
    lists = {
        "mode": words.MODES, "action": words.ACTIONS, "reason_code": words.REASONS,
        "binding_constraint": words.CONSTRAINTS, "policy": words.POLICIES,
        "slob_class": words.SLOB_CLASSES, "confidence": words.CONFIDENCES,
        "alert_level": words.ALERT_LEVELS, "target_source": words.TARGET_SOURCES,
        "model_role": words.MODEL_ROLES, "criticality": CRITICALITIES, "item_status": STATUSES,
    }  # fmt: skip
    for column, values in lists.items():
        assert f"| `{column}` | {', '.join(f'`{value}`' for value in values)} |" in text
    for flag, meaning in words.FLAGS.items():
        assert f"| `{flag}` | {meaning} |" in text


def test_every_model_is_described_for_its_kinds():
    rows = table(section("## How forecasts are made"))
    for kind in ("demand", "price"):
        assert [row[0] for row in rows if kind in row[1]] == [f"`{m}`" for m in models_of(kind)]


# A tiny version, read as the README says


def made(contract, **values):
    """Rows of a contract, with plain values for what is not given."""
    count = len(next(iter(values.values())))
    plain = {pa.string(): "x", pa.float64(): 1.0, pa.int64(): 1, pa.bool_(): False}
    columns = []
    for column in contract.columns:
        fill = STARTED if getattr(column.dtype, "tz", None) else AS_OF
        fill = column.allowed[0] if column.allowed else plain.get(column.dtype, fill)
        columns.append(pa.array(values.get(column.name, [fill] * count), column.dtype))
    return pa.Table.from_arrays(columns, schema=contract.schema)


def tiny_tables():
    """Two items over three days; one is to be ordered; two models were judged."""
    keys = [(item, step) for item in ("A", "NA") for step in (1, 2, 3)]
    items = {"item_id": [item for item, _ in keys], "horizon_step": [step for _, step in keys]}
    items["ds"] = [AS_OF + timedelta(days=step) for _, step in keys]
    forecasts = made(FORECASTS, **items, cum_q95=[1.0, 2.0, 3.0, 2.0, 4.0, 6.0])
    orders = made(RECOMMENDATIONS, item_id=["A", "NA"], order_qty=[0.0, 7.0], ltd_p_zero=[0.5] * 2)
    scores = {"model": ["ensemble", "naive"] * 2, "value": [0.5, 0.9, 0.7, 0.9]}
    scores |= {name: [None] * 4 for name in ("item_id", "demand_class", "horizon_step")}
    scores |= {"cutoff": [AS_OF, AS_OF, STARTED, STARTED], "metric": ["scaled_crps"] * 4}
    return {
        FORECASTS: forecasts,
        FORECAST_MODELS: made(FORECAST_MODELS, **items, model=["tsb"] * len(keys)),
        REFUSALS: made(REFUSALS, item_id=["Z"]),
        RECOMMENDATIONS: orders,
        METRICS: made(METRICS, **scores),
    }


def write_version(results):
    """A whole version with these tables, committed."""
    version = new_version_id(results, STARTED, "1a2b3c4d5e6f")
    staged = stage_version(results, version)
    files = []
    for contract, rows in tiny_tables().items():
        about = footer(contract, version_id=version, as_of="2026-11-19", generator="test")
        with DatasetWriter(staged.data_path(contract.name), contract, about) as writer:
            writer.append(rows)
            files.append(writer.close())
        write_metadata(staged, contract, files[-1], Provenance("test", 0), as_of="2026-11-19")
    write_model_versions(staged, {"model_version": "m-1"})
    write_manifest(staged, files, as_of="2026-11-19", partial=False, run={})
    commit_version(results, version, publisher="test")
    return version


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with ``data/ml_results``, as a run leaves it."""
    folder = tmp_path_factory.mktemp("home")
    write_version(folder / "data" / "ml_results")
    return folder


def ran(name: str, home: Path, monkeypatch) -> dict:
    """The names that a snippet defines, run in the folder of the results."""
    monkeypatch.chdir(home)
    names: dict = {}
    exec(compile(block(f"run: {name}"), f"README.md, {name}", "exec"), names)
    return names


def test_the_pandas_snippet_shows_what_to_order(home, monkeypatch, capsys):
    orders = ran("pandas", home, monkeypatch)["orders"]
    assert orders["item_id"].tolist() == ["NA"]
    assert "order_now" in capsys.readouterr().out


def test_the_duckdb_snippet_shows_cumulative_needs(home, monkeypatch, capsys):
    needed = ran("duckdb", home, monkeypatch)["needed"].fetchall()
    assert [(row[0], row[3]) for row in needed] == [("NA", 6.0), ("A", 3.0)]
    assert "cum_q95" in capsys.readouterr().out


def test_the_polars_snippet_puts_the_best_model_first(home, monkeypatch, capsys):
    models = ran("polars", home, monkeypatch)["models"]
    assert models["model"].to_list() == ["ensemble", "naive"]
    assert models["value"].to_list() == pytest.approx([0.6, 0.9])  # (.5 + .7) / 2
    assert "ensemble" in capsys.readouterr().out


def test_the_checked_reader_shows_the_refusals(home, monkeypatch, capsys):
    refusals = ran("previsor", home, monkeypatch)["refusals"]
    assert refusals["item_id"].to_pylist() == ["Z"]
    assert "'Z'" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["spark", "store spark"])
def test_the_spark_snippets_are_python(name):
    ast.parse(block(f"compile: {name}"))


def test_every_file_of_a_version_is_in_the_tree(home):
    tree = section("## Results").split("```")[1]
    results = home / "data" / "ml_results"
    for path in results.rglob("*"):
        if path.is_file() and not path.name.startswith("."):
            assert path.name.replace("2026-11-20", "DATE") in tree
    assert all(f"`{path.name}" in README for path in results.glob(".*"))


def test_every_key_of_the_json_documents_is_named(home):
    text = section("### JSON documents")
    for path in (home / "data" / "ml_results").rglob("*.json"):
        document = json.loads(path.read_text(encoding="utf-8"))
        nested = [*document.get("schema", []), *document.get("files", [])]
        nested += [file for files in dict(document.get("datasets", {})).values() for file in files]
        for key in {*document, *(key for entry in nested for key in entry)}:
            assert f"`{key}`" in text, (path.name, key)


# Both documents


def test_every_file_that_is_named_exists():
    named = set(re.findall(r"`((?:ml|pipelines|scripts|tests)/[\w/]*(?:\.py)?)`", README + GUIDE))
    assert len(named) > 20
    assert [path for path in sorted(named) if not (PROJECT / path).exists()] == []


def test_every_link_leads_somewhere():
    documents = {"README.md": README, "CONTRIBUTING.md": GUIDE}
    for name, text in documents.items():
        for target in re.findall(r"\]\(([^)]+)\)", text):
            file, _, anchor = target.partition("#")
            assert not file or (PROJECT / file).exists(), target
            assert not anchor or anchor in anchors(documents[file or name]), target


def anchors(text: str) -> set[str]:
    """What links may name in a document: its headings, as they are made into addresses."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in headings}
