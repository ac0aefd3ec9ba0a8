"""README.md, CONTRIBUTING.md and docs/ against the code: neither names what the other lacks."""

import ast
import importlib.util
import json
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

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
from ml.contracts.forecasts import FORECAST_MODELS, FORECASTS, REFUSALS
from ml.contracts.metrics import METRICS
from ml.contracts.recommendations import ACTIONS, RECOMMENDATIONS
from ml.forecasters.registry import models_of
from ml.setting_groups import PROJECT
from pipelines.intake.read_tables import process_files
from pipelines.intake.request import ReadingRequest
from pipelines.publish.policies import policies
from scripts.previsor import DOORS

PAGES = {
    path.relative_to(PROJECT).as_posix(): path.read_text(encoding="utf-8")
    for path in (
        PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *sorted(PROJECT.glob("docs/*.md"))
    )
}  # fmt: skip
ALL = "\n".join(PAGES.values())
STARTED = datetime(2026, 11, 20, 2, 15, 3, tzinfo=UTC)
AS_OF = datetime(2026, 11, 19)


def section(page: str, heading: str) -> str:
    """Text of a page from a heading to the next one of its level or above."""
    text = PAGES[page]
    level = heading.split(" ", 1)[0]
    start = f"\n{text}".index(f"\n{heading}")
    following = re.search(rf"\n#{{1,{len(level)}}} ", text[start + len(heading) :])
    return text[start:][: following.start() + len(heading)] if following else text[start:]


def block(comment: str) -> str:
    """The fenced text below a comment of this content, on whichever page it is."""
    found = re.search(rf"<!-- {re.escape(comment)} -->\n```\w*\n(.*?)\n```\n", ALL, re.DOTALL)
    assert found, f"no page has a block marked <!-- {comment} -->"
    return found[1]


def table(text: str) -> list[list[str]]:
    """Cells of the rows of the first table in a text, without its two heading lines."""
    lines = re.search(r"((?:^\|.*\|\n)+)", text, re.MULTILINE)[1].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


# What is generated


def test_the_page_for_planners_shows_every_action_in_two_languages():
    spec = importlib.util.spec_from_file_location("rows", PROJECT / "docs/planner_rows.py")
    planner = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(planner)
    rows = planner.make_rows()
    assert len(rows) == 10
    assert {row["action"] for row in rows} == set(ACTIONS)
    for row in rows:
        english, portuguese = (planner.explain_row(row, language) for language in (0, 1))
        assert english != portuguese
        # Each by its own numbers: those of the row's reason are in both sentences.
        for number in re.findall(r"(?:order|Position|reorder point) (\d+)", row["reason_text"]):
            if row["action"] not in {"expedite", "none"}:
                assert number in english
                assert number in portuguese


@pytest.fixture(scope="module")
def generator():
    """docs/generate.py, loaded as a module."""
    spec = importlib.util.spec_from_file_location("generate_docs", PROJECT / "docs/generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_page_says_what_the_code_says(generator):
    stale = [path.name for path, _ in generator.stale_pages()]
    assert not stale, f"run `make docs`: {stale}"


def test_a_page_that_says_something_else_is_found(generator):
    page = PAGES["docs/results.md"]
    assert generator.renew(page) == page
    assert generator.renew(page.replace("mean of the period", "median of the period")) == page


def test_every_command_has_its_options_on_a_page(generator):
    told = set(re.findall(r"<!-- from the code: options of (\S+) -->", ALL))
    doors = {path.replace(" ", "/") for path in DOORS}
    assert doors - told == set(generator.SAME_OPTIONS)
    assert set(generator.SAME_OPTIONS.values()) <= told
    for path, other in generator.SAME_OPTIONS.items():
        first, second = generator.list_options(path), generator.list_options(other)
        assert first.count("\n") == second.count("\n")


# Written by hand, compared with the code


def test_the_readme_can_be_read_at_one_sitting():
    assert len(PAGES["README.md"].splitlines()) <= 300


def test_the_exit_codes_are_those_of_the_errors():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    codes = {kind.exit_code for kind in kinds if issubclass(kind, errors.PipelineError)}
    listed = {int(row[0]) for row in table(section("docs/using.md", "## Exit codes"))}
    assert listed == codes | {0, 130}  # done, and the one of ml.cli for an interrupt


def test_every_kind_of_failure_of_publishing_is_explained_and_no_other():
    found = [kind for kind in vars(store_errors).values() if isinstance(kind, type)]
    kinds = {kind.kind for kind in found if hasattr(kind, "kind")}
    rows = table(section("docs/publishing.md", "## When publishing fails"))
    assert sorted(row[0] for row in rows) == sorted(f"`{kind}`" for kind in kinds)


def test_every_policy_that_is_printed_is_explained():
    listed = [row[0] for row in table(section("docs/publishing.md", "## Three keys"))]
    assert listed == [f"`{role}`" for role in policies("parts")]


def test_every_model_is_described_for_its_kinds():
    rows = table(section("docs/forecasts.md", "# How forecasts are made"))
    for kind in ("demand", "price"):
        assert [row[0] for row in rows if kind in row[1]] == [f"`{m}`" for m in models_of(kind)]


def test_the_make_targets_that_are_named_exist():
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"(?:^|`)make ([a-z][a-z-]+)", ALL, re.MULTILINE))
    assert {"results", "test", "docs"} <= named
    assert named - set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE)) == set()


def test_every_file_that_is_named_exists():
    named = set(
        re.findall(r"`((?:ml|pipelines|scripts|tests|docs|benchmarks)/[\w/]*(?:\.py)?)`", ALL)
    )
    assert len(named) > 20
    assert [path for path in sorted(named) if not (PROJECT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)]+)\)", PAGES[page]):
        file, _, anchor = target.partition("#")
        path = (PROJECT / page).parent / file if file else PROJECT / page
        assert path.exists(), target
        if anchor:
            assert anchor in anchors(path.read_text(encoding="utf-8")), target


def anchors(text: str) -> set[str]:
    """What links may name in a document: its headings, as they are made into addresses."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in headings}


# What is read


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """The worked example, read: its folder and what was said."""
    folder = tmp_path_factory.mktemp("example")
    (folder / "consumo.csv").write_text(block("example: consumo.csv") + "\n", encoding="utf-8")
    files = {"demand": folder / "consumo.csv"}
    request = ReadingRequest(files=files, today=date(2025, 7, 1))
    said = process_files(request, folder / "data").statements
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
    shown = PAGES["docs/using.md"].partition("<!-- example: table -->")[2]
    assert [row[:3] for row in table(shown)] == made


# A tiny version, read as the pages say


def made(contract, **values):
    """Rows of a contract, with plain values for what is not given."""
    count = len(next(iter(values.values())))
    plain = {pa.string(): "x", pa.float64(): 1.0, pa.int64(): 1, pa.bool_(): False}
    columns = []
    for column in contract.columns:
        fill = STARTED if getattr(column.dtype, "tz", None) else AS_OF
        fill = next(iter(column.vocabulary), plain.get(column.dtype, fill))
        columns.append(pa.array(values.get(column.name, [fill] * count), column.dtype))
    return pa.Table.from_arrays(columns, schema=contract.schema)


def tiny_tables():
    """Two items over three days; one is to be ordered, at one place; two models were judged."""
    keys = [(item, step) for item in ("A", "NA") for step in (1, 2, 3)]
    items = {"item_id": [item for item, _ in keys], "horizon_step": [step for _, step in keys]}
    items["ds"] = [AS_OF + timedelta(days=step) for _, step in keys]
    forecasts = made(FORECASTS, **items, cum_q95=[1.0, 2.0, 3.0, 2.0, 4.0, 6.0])
    orders = made(
        RECOMMENDATIONS, item_id=["A", "NA", "NA"], location_id=["ALL", "ALL", "S1"],
        order_qty=[0.0, 7.0, 5.0], ltd_p_zero=[0.5] * 3, location_share=[None, None, 1.0],
    )  # fmt: skip
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
    exec(compile(block(f"run: {name}"), f"{name}", "exec"), names)
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
    tree = section("docs/results.md", "# Results").split("```")[1]
    results = home / "data" / "ml_results"
    for path in results.rglob("*"):
        if path.is_file() and not path.name.startswith("."):
            assert path.name.replace("2026-11-20", "DATE") in tree
    assert all(f"`{path.name}" in ALL for path in results.glob(".*"))


def test_every_key_of_the_json_documents_is_named(home):
    text = section("docs/results.md", "## JSON documents")
    for path in (home / "data" / "ml_results").rglob("*.json"):
        document = json.loads(path.read_text(encoding="utf-8"))
        nested = [*document.get("schema", []), *document.get("files", [])]
        nested += [file for files in dict(document.get("datasets", {})).values() for file in files]
        for key in {*document, *(key for entry in nested for key in entry)}:
            assert f"`{key}`" in text, (path.name, key)


def text_constants():
    """Every piece of text in the code, as the program would say it."""
    sources = [path for folder in ("ml", "pipelines") for path in (PROJECT / folder).rglob("*.py")]
    return [
        node.value
        for path in sources
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]


def test_the_page_on_trouble_quotes_what_the_program_says():
    said = "\n".join(text_constants())
    table_rows = re.findall(r"^\|[^|]+\|([^|]+)\|", PAGES["docs/trouble.md"], re.MULTILINE)
    quotes = [quote for row in table_rows for quote in re.findall(r"`([^`]+)`", row)]
    pieces = [piece.strip(" ':") for quote in quotes for piece in quote.split("…")]
    wanted = [piece for piece in pieces if " " in piece and not piece.startswith("--")]
    assert len(wanted) > 30
    assert [piece for piece in wanted if piece not in said] == []
