"""Demand that was read before is not read again, and nothing is told otherwise for that."""

import shutil
from dataclasses import fields, replace
from datetime import date

import numpy as np
import pytest

from ml.contracts.demand import DEMAND
from ml.errors import DataError
from ml.run import kept_reading
from ml.run.kept_reading import READ, prepare_demand
from ml.run.request import RunRequest
from ml.settings import Settings
from pipelines.intake import kept_demand
from pipelines.intake.read_tables import read_tables
from pipelines.intake.request import ReadingRequest
from pipelines.job.find_inputs import find_inputs

TODAY = date(2024, 6, 30)
HEADER = "item_id,ds,site_id,y,is_stockout"


@pytest.fixture
def files(tmp_path):
    """Demand with a bad cell, a refused item, stock-outs and sites; and a request to read it."""
    rng = np.random.default_rng(0)
    rows = [
        f"{item},{np.datetime64('2024-01-01') + day},{site},{rng.poisson(2)},{day % 9 == 0}"
        for item in ("A", "B-\N{LATIN SMALL LETTER E WITH ACUTE}", "NA")
        for site in ("north", "south")
        for day in range(150)
    ]
    rows += ["A,2024-02-30,north,1,False", "C,2024-01-05,north,,False", "A,2030-01-01,south,1,"]
    path = tmp_path / "files" / "demand.csv"
    path.parent.mkdir()
    path.write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")
    return ReadingRequest(today=TODAY, files={"demand": path})


@pytest.fixture
def request_(tmp_path):
    config = Settings(_env_file=None, data_dir=tmp_path / "data", today=TODAY)
    config.data_dir.mkdir()
    return RunRequest(command="test", settings=config)


@pytest.fixture
def looks(monkeypatch):
    """How often demand is read, and panels are made, from now on."""
    counts = {"read_demand": 0, "demand_panel": 0}

    def count(module, name):
        real = getattr(module, name)

        def counted(*args, **choices):
            counts[name] += 1
            return real(*args, **choices)

        monkeypatch.setattr(module, name, counted)

    count(kept_demand, "read_demand")
    count(kept_reading, "demand_panel")
    return counts


def everything(inputs, data_dir):
    """All that a run gets to know of its inputs, bit by bit, and the list of cells set aside."""
    (panel,) = inputs.panels
    arrays = [panel.values, panel.periods]
    arrays += [getattr(panel.shortages, one.name) for one in fields(panel.shortages)]
    told = replace(inputs, panels=())
    listed = (data_dir / "quarantine" / "demand.csv").read_bytes()
    bits = [(array.dtype, array.shape, array.tobytes()) for array in arrays]
    about = (panel.kind, panel.frequency, panel.items, panel.units, panel.drivers)
    return bits, about, told, listed, inputs.dataset_id()


def test_the_same_files_are_read_once_and_tell_the_same_to_the_bit(files, request_, looks):
    data_dir = request_.settings.data_dir
    first = everything(find_inputs(files, request_), data_dir)
    (data_dir / "quarantine" / "demand.csv").unlink()
    again = everything(find_inputs(files, request_), data_dir)
    assert first == again
    assert looks == {"read_demand": 1, "demand_panel": 1}
    assert "C" in [one.item_id for one in again[2].refusals]


def test_tables_beside_and_counts_are_those_of_the_first_reading(files, request_):
    data_dir = request_.settings.data_dir
    first, again = (read_tables(files, data_dir) for _ in range(2))
    for one, other in zip(first.intakes.values(), again.intakes.values(), strict=True):
        assert one.count == other.count
        assert one.quarantine.equals(other.quarantine)
        assert one.rows.ids.equals(other.rows.ids)
        assert (one.rows.num_rows, one.rows.days, one.rows.sources) == (
            other.rows.num_rows, other.rows.days, other.rows.sources
        )  # fmt: skip
    assert first.statements == again.statements
    assert first.quality_flags == again.quality_flags
    assert first.tables["site_demand"].equals(again.tables["site_demand"])
    rows = again.tables["demand"].whole()
    assert rows.schema == DEMAND.schema
    assert rows.equals(first.tables["demand"].whole())


def test_another_byte_day_wish_or_name_is_read_anew(files, request_, looks):
    path = files.files["demand"]
    find_inputs(files, request_)
    find_inputs(replace(files, gaps="missing"), request_)
    find_inputs(replace(files, today=date(2024, 6, 29)), request_)
    other = path.rename(path.with_name("consumo.csv"))
    files = replace(files, files={"demand": other})
    statements = find_inputs(files, request_).statements
    assert any(said.startswith("consumo.csv: ") for said in statements)
    other.write_text(other.read_text(encoding="utf-8").replace("A,2024-01-01", "A,2024-01-02"))
    find_inputs(files, request_)
    assert looks == {"read_demand": 5, "demand_panel": 5}
    kinds = sorted((request_.settings.data_dir / READ).glob("*/*"))
    assert len(kinds) == 2  # the last of each kind


def test_no_panel_is_kept_of_rows_that_changed_after_the_files_were_known_again(files, request_):
    path, data_dir = files.files["demand"], request_.settings.data_dir
    first = everything(find_inputs(files, request_), data_dir)
    shutil.rmtree(data_dir / READ / "panel")
    again, before = read_tables(files, data_dir), path.read_bytes()
    path.write_bytes(before.replace(b"NA,2024-01-05,south,", b"NA,2024-01-05,south,1"))
    with pytest.raises(DataError, match=r"demand\.csv: changed while it was read"):
        prepare_demand(again.tables["demand"], request_)
    path.write_bytes(before)
    assert everything(find_inputs(files, request_), data_dir) == first


@pytest.mark.parametrize("kind", ["demand", "panel"])
def test_what_is_damaged_is_read_again_with_one_line(files, request_, looks, kind, capsys):
    data_dir = request_.settings.data_dir
    first = everything(find_inputs(files, request_), data_dir)
    damaged = next((data_dir / READ / kind).glob("*/*.parquet"))
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    capsys.readouterr()
    assert everything(find_inputs(files, request_), data_dir) == first
    assert capsys.readouterr().err.count("is damaged; it is made again") == 1
    assert looks == {"read_demand": 2, "demand_panel": 1 + (kind == "panel")}
    assert everything(find_inputs(files, request_), data_dir) == first
    assert "damaged" not in capsys.readouterr().err


def test_files_that_are_refused_leave_nothing_behind(files, request_):
    files.files["demand"].write_text(f"{HEADER}\nA,2024-02-30,north,1,False\n", encoding="utf-8")
    for _ in range(2):
        with pytest.raises(DataError, match=r"demand\.csv"):
            find_inputs(files, request_)
    assert not (request_.settings.data_dir / READ).exists()
