"""``generate_forecasts.py --explain`` on what a whole run left behind."""

import shutil

import pytest

from tests.pipelines.job.conftest import MONTHS, RATES, Workspace

COMMAND = "ml/generate_forecasts.py"


def explained(workspace, item, **extra):
    return workspace.run(COMMAND, "--explain", item, **extra).stdout


@pytest.fixture(scope="module")
def with_tables(company, tmp_path_factory) -> Workspace:
    """The company's models and results, and its demand as a processed table."""
    made = Workspace(tmp_path_factory.mktemp("explained"))
    for name in ("data", "models"):
        shutil.copytree(company.folder / name, made.folder / name)
    user = made.folder / "data" / "raw" / "user"
    user.mkdir(parents=True)
    shutil.copy(company.folder / "demand.csv", user / "demand.csv")
    made.run("pipelines/demand_etl.py")
    return made


@pytest.mark.parametrize("item", ["A/1", "Ção-✓", "fast"])
def test_an_item_is_explained_from_history_to_weights(with_tables, item):
    said = explained(with_tables, item)
    labels = [line.split("  ")[0] for line in said.splitlines() if line[0] != " "]
    assert labels == [
        "item", "history", "class", "made by", "weights", "intervals", "backtest", "drivers",
    ]  # fmt: skip
    assert f"{item}: monthly demand, units, panel demand_ms" in said
    assert f"{len(MONTHS)} of {len(MONTHS)} periods observed" in said
    assert with_tables.pointer()["version_id"] in said
    assert "tables have changed" not in said


def test_shares_are_those_of_the_published_rows(with_tables):
    rows = with_tables.table("forecast_models").to_pylist()
    shares = {row["model"]: row["weight"] for row in rows
              if row["item_id"] == "fast" and row["horizon_step"] == 1}  # fmt: skip
    (line,) = (x for x in explained(with_tables, "fast").splitlines() if x.startswith("made by"))
    for model, share in shares.items():
        assert (f"{model} {share:.0%}" in line) == (share > 0)


def test_scores_are_those_of_the_published_metrics(with_tables):
    rows = with_tables.table("metrics").to_pylist()
    published = {row["model"]: row["value"] for row in rows
                 if row["item_id"] == "fast" and row["metric"] == "scaled_crps"}  # fmt: skip
    said = [line.split() for line in explained(with_tables, "fast").splitlines()]
    shown = {words[0]: words[1] for words in said if words and words[0] in published}
    assert shown == {model: f"{value:.3f}" for model, value in published.items()}


def test_a_price_and_an_item_without_tables_are_explained_from_the_version(company):
    said = explained(company, "brent")
    assert "business-daily price" in said
    assert "the run read other files" in said
    assert "prices form one class" in said


def test_tables_that_changed_since_the_run_are_pointed_out(with_tables, tmp_path):
    changed = Workspace(tmp_path)
    for name in ("data", "models"):
        shutil.copytree(with_tables.folder / name, changed.folder / name)
    file = changed.folder / "data" / "raw" / "user" / "demand.csv"
    lines = file.read_text().splitlines()
    file.write_text("\n".join(line for line in lines if not line.startswith("fast,2022-01")) + "\n")
    shutil.rmtree(changed.folder / "data" / "processed")
    changed.run("pipelines/demand_etl.py")
    assert "the tables have changed since: the run saw 46 observed" in explained(changed, "fast")


def test_explaining_loads_no_model_library(with_tables):
    options = ("--explain", "fast")
    done = with_tables.run(COMMAND, *options, alone=True, PYTHONPROFILEIMPORTTIME="1")
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "pyarrow" in loaded
    assert not loaded & {"tensorflow", "keras", "prophet", "pmdarima", "statsmodels"}


def test_explaining_needs_no_leave_to_train_and_writes_nothing(company):
    before = sorted(company.results.rglob("*"))
    assert explained(company, "slow", ENABLE_ML_PROCESSING="false")
    assert sorted(company.results.rglob("*")) == before


def test_unknown_item_is_answered_with_similar_ones(company):
    done = company.run(COMMAND, "--explain", "fsat", expect=2)
    assert f"'fsat' is none of the {len(RATES) + 1} items" in done.stderr
    assert "'fast'" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_models_that_are_gone_are_missed_by_name(company, tmp_path):
    done = company.run(COMMAND, "--explain", "fast", expect=4, MODELS_DIR=str(tmp_path))
    assert "not trained here" in done.stderr
    assert str(tmp_path) in done.stderr


def test_without_a_version_there_is_nothing_to_explain(workspace):
    done = workspace.run(COMMAND, "--explain", "fast", expect=3)
    assert "no committed version" in done.stderr


def test_options_of_a_forecast_do_not_go_with_it(company):
    done = company.run(COMMAND, "--explain", "fast", "--horizon", "3", expect=2)
    assert "--explain reads what is saved" in done.stderr
