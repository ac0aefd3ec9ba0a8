"""History files of people: what is understood, what is left alone, and when values were known."""

import gzip

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml.settings import settings
from pipelines.intake.names import plain
from pipelines.outside.import_files import Hints, all_series, understand
from pipelines.outside.raw_store import RawStore


@pytest.fixture
def files(desk, tmp_path):
    """A folder for files, with a function that writes one."""
    folder = tmp_path / "history"
    folder.mkdir()
    desk.set(ENABLE_EXTERNAL_APIS="false")

    def write(name, text):
        path = folder / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write


def facts(rows):
    return [
        (f"{row['ref_date']:%Y-%m-%d}", f"{row['available_at']:%Y-%m-%d}", row["value"])
        for row in rows
    ]  # fmt: skip


def test_a_dollar_is_imported_into_both_tables_and_the_buying_rate_is_left(desk, files):
    path = files("ptax.csv", "date,usd_brl_buy,usd_brl_sell\n2026-01-02,5.39,5.4\n")
    done = desk.run("import_history", path)
    expected = [("2026-01-02", "2026-01-02", 5.4)]
    assert facts(desk.rows("economic", "usd_brl")) == expected
    assert facts(desk.rows("prices", "USD/BRL")) == expected
    assert "ptax.csv: nothing is read from usd_brl_buy." in done.stderr
    (row,) = desk.rows("prices")
    assert (row["source"], row["currency"], row["unit"]) == ("history_file", "BRL", "BRL/USD")


@pytest.mark.parametrize("sign", [".", ","])
def test_values_of_three_decimals_are_no_thousands_whatever_separates_them(desk, files, sign):
    lines = f"2026-01-02;5{sign}123\n2026-01-05;5{sign}124\n"
    desk.run("import_history", files("ptax.csv", f"date;usd_brl_sell\n{lines}"))
    values = [row["value"] for row in desk.rows("economic", "usd_brl")]
    assert values == [5.123, 5.124]


def test_a_file_with_an_open_quote_is_left_alone_with_its_line(desk, files):
    good = files("ptax.csv", "date,usd_brl_sell\n2026-01-02,5.4\n")
    bad = files("ptax_old.csv", 'date,usd_brl_sell,note\n2025-01-02,5.4,"x\n2025-01-03,5.4,y"\n')
    done = desk.run("import_history", good, bad)
    assert "left alone: ptax_old.csv: a quote that is opened on line 2 is closed on line" in (
        done.stderr
    )
    assert [fact[0] for fact in facts(desk.rows("economic", "usd_brl"))] == ["2026-01-02"]


NATIONAL = ("usd_brl", "selic", "selic_daily", "ipca", "igp_m", "ibc_br", "Brent", "USD/BRL",
            "PETR4", "PETR4/dividend", "PETR4/split")  # fmt: skip
WEATHER = ("temperature_avg_c", "temperature_max_c", "temperature_min_c", "humidity_percent",
           "precipitation_mm", "wind_max_kmh")  # fmt: skip
TELECOM = ("fiveg_accesses", "mobile_accesses", "fiveg_stations")
SERIES = (*NATIONAL, *WEATHER, *TELECOM)
PLACES = {None: NATIONAL, "salvador_ba": WEATHER, "BA": TELECOM}


@pytest.fixture
def understood(desk, files):
    """What the only value column of a file is taken for."""

    def values(of, name, header, **hints):
        path = files(name, f"date,{header}\n2026-01-02,1\n")
        (region,) = (place for place, names in PLACES.items() if of in names)
        call, _ = understand(path, Hints(region=region, **hints), settings())
        (series,) = call.context["values"].values()
        return series

    return values


def test_all_series_are_tried_here(desk):
    assert sorted(all_series(settings())) == sorted(SERIES)


@pytest.mark.parametrize("series", SERIES)
def test_every_series_is_known_by_its_own_name_wherever_that_is_written(understood, series):
    sharing = [one for one in SERIES if plain(one) == plain(series)]
    assert understood(series, "x.csv", series) == sharing
    assert understood(series, "x.csv", plain(series).upper()) == sharing
    assert understood(series, f"{plain(series)}_history.csv", "Price") == sharing
    assert understood(series, "x.csv", "Close", series=series) == sharing
    assert understood(series, "x.csv", "taxa", columns={series: "taxa"}) == sharing


def test_only_the_dollar_has_one_plain_name_for_two_series():
    names = [plain(one) for one in SERIES]
    assert {one for one in SERIES if names.count(plain(one)) > 1} == {"usd_brl", "USD/BRL"}


@pytest.mark.parametrize("region", PLACES)
def test_every_series_of_a_file_is_in_the_tables_afterwards(desk, files, region):
    names = PLACES[region]
    values = {name: 100.0 if name == "ibc_br" else 4.0 for name in names}
    header = [plain(name) for name in names if name != "USD/BRL"]  # that of usd_brl
    cells = [f"{value}" for name, value in values.items() if name != "USD/BRL"]
    path = files("x.csv", f"date,{','.join(header)}\n2026-01-01,{','.join(cells)}\n")
    done = desk.run("import_history", path, *([] if region is None else ["--region", region]))
    tables = [path.stem for path in (desk.folder / "data" / "processed").glob("*.parquet")]
    rows = [row for table in tables for row in desk.rows(table)]
    assert {row["series"]: row["value"] for row in rows} == values
    assert {row["region"] for row in rows} == {region}
    assert all(f"\n{name}  " in done.stdout for name in names)


def test_months_are_known_from_their_declared_day_on(desk, files):
    path = files("ipca.csv", "month;ipca_mom_pct\n01/01/2026;0,33\n28/02/2026;-0,1\n")
    desk.run("import_history", path)
    # January ends on the 31st and February on the 28th. A month is dated on its first day
    assert facts(desk.rows("economic", "ipca")) == [
        ("2026-01-01", "2026-02-12", 0.33), ("2026-02-01", "2026-03-12", -0.1),
    ]  # fmt: skip


@pytest.mark.parametrize("city", ["Salvador", "salvador_ba", "SALVADOR", " Salvador-BA "])
def test_cities_are_known_by_any_spelling(desk, files, city):
    path = files("w.csv", f"date,temp_mean,rh_mean,city\n2026-01-02,27.5,80,{city}\n")
    desk.run("import_history", path)
    assert {(row["series"], row["region"], row["value"]) for row in desk.rows("climate")} == {
        ("temperature_avg_c", "salvador_ba", 27.5), ("humidity_percent", "salvador_ba", 80.0),
    }  # fmt: skip


def test_accents_of_a_city_do_not_matter_and_other_cities_are_counted(desk, files):
    text = "data;cidade;precip_sum\n02/01/2026;São Paulo;1,5\n02/01/2026;Belém;9\n"
    done = desk.run("import_history", files("chuva.csv", text))
    assert [(row["region"], row["value"]) for row in desk.rows("climate")] == [
        ("sao_paulo_sp", 1.5)
    ]
    assert "1 of 2 rows are of cities that SITES does not name" in done.stderr


def test_a_price_takes_its_name_from_the_file_and_parquet_is_read_too(desk, files, tmp_path):
    table = pa.table({"Date": pa.array(["2026-01-02"]).cast(pa.timestamp("us")), "Price": [80.5]})
    path = tmp_path / "history" / "brent_daily.parquet"
    pq.write_table(table, path)
    desk.run("import_history", path)
    # EIA's week: seven days after the day
    assert facts(desk.rows("prices", "Brent")) == [("2026-01-02", "2026-01-09", 80.5)]


def test_packed_files_are_kept_unpacked_and_read(desk, files):
    path = files("brent.csv.gz", gzip.compress(b"Date,Price\n2026-01-02,80.5\n"))
    desk.run("import_history", path)
    raw = RawStore(desk.folder / "data" / "raw")
    (kept,) = raw.answers(["history_file"])
    assert raw.body(kept).read() == b"Date,Price\n2026-01-02,80.5\n"
    desk.etl("prices", "--reparse")
    assert len(desk.rows("prices")) == 1


def test_a_folder_stands_for_its_files_and_those_not_understood_are_listed(desk, files):
    files("brent.csv", "Date,Price\n2026-01-02,80.5\n")
    files("README.md", "# Prices")
    files("parts.csv", "item_id,date,quantity\nA,2026-01-02,3\n")
    files("dates.csv", "year,selic\n2026,15\n")
    files("paris.csv", "date,city,temp_max\n2026-01-02,Paris,8\n")
    folder = files("empty.csv", "").parent
    done = desk.run("import_history", folder)
    left = [line for line in done.stderr.splitlines() if "left alone" in line]
    assert [line.split("left alone: ")[1].split(":")[0] for line in left] == [
        "README.md", "dates.csv", "empty.csv", "paris.csv", "parts.csv",
    ]  # fmt: skip
    assert "none of its columns is a known series: item_id, quantity" in done.stderr
    assert len(desk.rows("prices")) == 1


def test_with_no_file_understood_it_fails_and_writes_nothing(desk, files):
    path = files("parts.csv", "item_id,date,quantity\nA,2026-01-02,3\n")
    done = desk.run("import_history", path, expect=3)
    assert "none of 1 files could be imported" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert not (desk.folder / "data" / "processed").exists()


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        ("date,close\n2026-01-02,35.5\n", ["--series", "PETR4"], ("PETR4", None, 35.5)),
        ("dia,taxa\n2026-01-02,15\n", ["--column", "selic=taxa"], ("selic", None, 15.0)),
        ("quando,selic\n2026-01-02,15\n", ["--column", "date=quando"], ("selic", None, 15.0)),
        (
            "date,temp_max\n2026-01-02,31\n",
            ["--region", "salvador"],
            ("temperature_max_c", "salvador_ba", 31.0),
        ),
        (
            "mes,fiveg_accesses\n2026-01-01,1000\n",
            ["--region", "ba"],
            ("fiveg_accesses", "BA", 1000.0),
        ),
    ],
    ids=["series", "value column", "date column", "city", "state"],
)
def test_what_a_file_does_not_say_can_be_said(desk, files, text, options, expected):
    desk.run("import_history", files("x.csv", text), *options)
    tables = [path.stem for path in (desk.folder / "data" / "processed").glob("*.parquet")]
    (row,) = [row for table in tables for row in desk.rows(table)]
    assert (row["series"], row["region"], row["value"]) == expected


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("date,temp_max\n2026-01-02,31\n", [], "temperature_max_c of which place? Write --region"),
        ("date,selic\n2026-01-02,15\n", ["--region", "BA"], "selic is of the whole country"),
        ("date,a,b\n2026-01-02,1,2\n", ["--series", "selic"], "but which of a, b is it"),
        ("date,selic\nsoon,15\n2026-12-31,15\n", [], "2 of 2 rows have no usable date"),
        ("date,selic\n2026-01-02,1500\n", [], "outside [0, 100]"),
        ("a,b\n1,2\n", ["--series", "gold"], "no series is called 'gold'"),
        ("a,b\n1,2\n", ["--region", "paris"], "--region 'paris': choose among salvador_ba"),
        ("a,b\n1,2\n", ["--column", "selic"], "--column 'selic': write --column usd_brl=NAME"),
    ],
    ids=["no place", "too much place", "two columns", "no date", "implausible",
         "series", "region", "column"],
)  # fmt: skip
def test_why_a_file_is_left_alone_or_an_option_refused_is_said(desk, files, text, options, message):
    wrong_option = text.startswith("a,b")
    done = desk.run("import_history", files("x.csv", text), *options, expect=3 - wrong_option)
    assert message in done.stderr


def test_what_cannot_be_used_in_a_file_is_counted(desk, files):
    text = "date,selic\n2026-01-02,15\n2026-01-03,\n2026-01-04,n/d\n2026-01-05,x9\nnever,15\n"
    done = desk.run("import_history", files("selic.csv", text))
    assert "1 of 5 rows have no usable date" in done.stderr
    assert "selic: 2 of 5 values are no numbers" in done.stderr
    assert "selic: 1 of 5 values are empty" in done.stderr
    assert len(desk.rows("economic", "selic")) == 1


def test_the_service_goes_on_where_the_file_ends(desk, world, files):
    days = "\n".join(f"2026-{m:02}-{d:02},15.0" for m in (9, 10) for d in range(1, 31))
    desk.run("import_history", files("selic.csv", f"date,selic\n{days}\n"))
    desk.set(ENABLE_EXTERNAL_APIS="true")
    desk.etl("economic", "--series", "selic")
    assert "dataInicial=20/10/2026" in world.targets("bcb_sgs")[0]  # 30 October - 10 days
    rows = desk.rows("economic", "selic")
    assert {row["source"] for row in rows} == {"history_file", "bcb_sgs"}
    restated = [row for row in rows if f"{row['ref_date']:%Y-%m-%d}" == "2026-10-25"]
    assert [f"{row['available_at']:%Y-%m-%d}" for row in restated] == ["2026-10-25", "2026-11-20"]


def test_a_file_is_read_again_with_everything_else(desk, world, files):
    path = files("selic.csv", "date,selic\n2015-01-02,11.75\n2026-10-25,14.0\n")
    desk.set(ENABLE_EXTERNAL_APIS="true")
    desk.etl("economic")
    desk.run("import_history", path)
    desk.next_etl("economic")
    before = desk.stored("economic")
    desk.etl("economic", "--reparse")
    assert desk.stored("economic") == before
    values = [row["value"] for row in desk.rows("economic", "selic")]
    assert values[0] == 11.75
    assert 14.0 not in values  # the service had that day


def test_importing_a_file_twice_changes_nothing(desk, files):
    path = files("brent.csv", "Date,Price\n2026-01-02,80.5\n")
    desk.run("import_history", path)
    before = desk.stored("prices")
    desk.run("import_history", path)
    assert desk.stored("prices") == before
