"""A series that is unusable as a whole changes nothing for the others."""

import pyarrow.compute as pc
import pytest

from pipelines.intake.demand import read_demand
from pipelines.intake.prices import read_prices
from pipelines.intake.quarantine import IntakeError

LOG = ["A,2024-01-01,3", "A,2024-01-12,1", "B,2024-01-05,2", "B,2024-01-21,4"]
DENSE = [f"{item},2024-01-{day:02d},{day % 3}" for item in "AB" for day in range(1, 15)]
MONTHLY = [f"{item},2023-{month:02d}-01,{month}" for item in "AB" for month in range(1, 9)]
WEEKLY = [f"A,2024-01-{day:02d},{day}" for day in (2, 9, 30)]
SLASHES = ["A,01/02/2024,3", "A,02/02/2024,1", "A,03/02/2024,2"]
QUOTED = ['A,2024-01-01,"1,234"', "A,2024-01-02,5.5", "A,2024-01-03,6"]

POISONS = {
    "all null": [f"BAD,2024-01-{day:02d}," for day in range(1, 29)],
    "absurd": [f"BAD,2024-01-{day:02d},{'1e12' if day == 9 else 0}" for day in range(1, 29)],
    "absurd before the others": ["BAD,1950-03-04,1e12", "BAD,1950-03-09,0"],
    "absurd after the others": ["BAD,2024-06-29,1e12"],
    "absurd and monthly": [f"BAD,2023-{month:02d}-01,2e9" for month in range(1, 10)],
    "absurd and weekly": [f"BAD,2024-01-{day:02d},2e9" for day in (2, 9, 16, 23, 30)]
    + ["BAD,2024-02-06,1"],
    "absurd and repeated": ["BAD,2024-01-01,1e308"] * 30,
    "absurd returns": ["BAD,2024-01-01,2e9", "BAD,2024-01-02,-5", "BAD,2024-01-03,0"],
    "months first": [f"BAD,01/{day}/2024,1e10" for day in range(13, 31)],
    "decimal commas": [f'BAD,2024-01-{day},"{day}00000000000,5"' for day in range(10, 30)],
    "repeated nulls": ["BAD,2024-01-01,"] * 5,
}
FILES = {"log": LOG, "dense": DENSE, "monthly": MONTHLY, "weekly": WEEKLY, "slashes": SLASHES,
         "quoted": QUOTED}  # fmt: skip


def others(read):
    return read.table.filter(pc.not_equal(read.table["item_id"], "BAD"))


def about_others(read):
    """Statements that say what was done, without the counts of rows read."""
    counts = ("rows read", "quarantined", "BAD")
    return [said for said in read.statements if not any(word in said for word in counts)]


@pytest.mark.parametrize("poison", list(POISONS))
@pytest.mark.parametrize("name", list(FILES))
@pytest.mark.parametrize("first", [True, False], ids=["before", "behind"])
def test_the_others_are_as_without_it(csv, options, name, poison, first):
    rows = FILES[name]
    both = [*POISONS[poison], *rows] if first else [*rows, *POISONS[poison]]
    clean = read_demand(csv(*rows), options(duplicates="error"))
    read = read_demand(csv(*both), options(duplicates="error"))
    assert others(read).equals(clean.table)
    assert read.frequency == clean.frequency
    assert about_others(read) == about_others(clean)


def test_it_stays_in_the_table_on_its_own_days(csv, options):
    rows = ["BAD,2023-01-05,1e12", "BAD,2023-01-09,", "BAD,2023-03-03,2", "BAD,2023-03-03,4"]
    read = read_demand(csv(*MONTHLY, *rows), options())
    kept = [row for row in read.table.to_pylist() if row["item_id"] == "BAD"]
    assert [(str(row["ds"])[:10], row["y"]) for row in kept] == [
        ("2023-01-05", 1e12),
        ("2023-01-09", None),
        ("2023-03-03", 6.0),
    ]
    assert any(
        "1 of 3 items have no observed value or one above 1e+09" in s for s in read.statements
    )


def test_a_value_at_the_limit_is_still_demand(csv, options):
    read = read_demand(csv("A,2024-01-01,1e9", "A,2024-01-03,1"), options(gaps="zero"))
    assert read.table["y"].to_pylist() == [1e9, 0.0, 1.0]


@pytest.mark.parametrize("rows", [["A,2024-01-01,", "B,2024-01-01,"], ["A,2024-01-01,1e12"]])
def test_a_file_of_nothing_else_is_refused(csv, options, rows):
    with pytest.raises(IntakeError, match=r"none of \d items? is usable.*First: 'A'"):
        read_demand(csv(*rows), options())


def test_it_makes_no_number_of_the_others_doubtful(csv, options):
    # without its whole numbers all cells are open, and a comma between fields speaks for the point
    rows = ["A,2024-01-01,1.234", "A,2024-01-02,2.345"]
    poison = ["BAD,2024-01-01,1e12", "BAD,2024-01-02,5"]
    read = read_demand(csv(*rows, *poison), options())
    assert others(read)["y"].to_pylist() == [1.234, 2.345]


def test_how_prices_are_written_is_settled_without_it(csv, options):
    header = "series;date;value"
    rows = ["A;01/02/2024;1,234", "A;02/02/2024;2,345"]
    poison = [f"BAD;02/{day}/2024;{day}00000000000.5" for day in range(13, 29)]
    clean = read_prices(csv(*rows, header=header), options()).table
    read = read_prices(csv(*rows, *poison, "BAD;03/02/2024;", header=header), options())
    assert read.table.filter(pc.not_equal(read.table["series"], "BAD")).equals(clean)
    assert clean["value"].to_pylist() == [1.234, 2.345]


@pytest.mark.parametrize("poison", list(POISONS))
def test_the_other_prices_are_as_without_it(csv, options, poison):
    header = "series,date,value"
    rows = [f"A,2024-01-{day:02d},{day}.5" for day in (1, 2, 3, 4, 5, 8, 9, 10)]
    # as prices they disagree with one another, and the zeros are levels
    lines = sorted(set(POISONS[poison]))
    clean = read_prices(csv(*rows, header=header), options()).table
    read = read_prices(csv(*lines, *rows, header=header), options())
    assert read.table.filter(pc.not_equal(read.table["series"], "BAD")).equals(clean)
