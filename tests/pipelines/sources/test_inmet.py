import json

import pytest

from pipelines.sources.base import SourceError
from pipelines.sources.inmet import Inmet
from tests.pipelines.sources.conftest import one_line, wrong_bodies
from tests.pipelines.sources.payloads_money import answered, preliminary_days
from tests.pipelines.sources.payloads_sky import (
    HTML_CP1252,
    HUMIDITY,
    INMET_COLUMNS,
    INMET_ERROR,
    RAIN,
    TEMPERATURE,
    TMAX,
    TMIN,
    WEATHER,
    WIND,
    inmet_file,
    inmet_name,
    values_of,
    wanted,
    zipped,
)

SOURCE = Inmet("http://x")
DAYS = ("2023-01-01", "2023-01-05")  # five days in UTC; four whole ones in Bahia from the 1st on
ALL_BLANK = dict.fromkeys(range(len(INMET_COLUMNS)), "")


def calls(*series, code="A401+A456", first="2023-01-01", last="2023-01-05", **where):
    asked = series or ("precipitation_mm",)
    return SOURCE.calls(
        [wanted(name, first=first, last=last, code=code, **where) for name in asked]
    )


def parse(tmp_path, members, *series, day="2024-06-01", **asked):
    (call,) = calls(*series, **asked)
    return SOURCE.parse(call, answered(tmp_path, zipped(members), day=day, media="zip"))


def station(tmp_path, *series, name=None, asked=None, days=DAYS, **file):
    """What one station's file says."""
    members = {name or inmet_name("A401"): inmet_file(*days, **file)}
    return parse(tmp_path, members, *series, **(asked or {}))


def at(day, hours, cell, value):
    """Another cell at some hours in UTC of a day."""
    return {f"{day}T{hour:02}": {cell: value} for hour in hours}


def test_a_year_is_one_conditional_request_for_all_cities():
    both = [
        wanted(name, region, first="2022-12-20", last="2023-03-01", code=code)
        for region, code in (("salvador_ba", "A401+A456"), ("sao_paulo_sp", "A701"))
        for name in WEATHER
    ]
    found = SOURCE.calls(both)
    assert [call.url for call in found] == [
        "http://x/uploads/dadoshistoricos/2022.zip",
        "http://x/uploads/dadoshistoricos/2023.zip",
    ]
    assert all(call.conditional and call.series == found[0].series for call in found)
    sites = found[1].context["sites"]
    assert [(site["region"], site["stations"]) for site in sites] == [
        ("salvador_ba", ["A401", "A456"]),
        ("sao_paulo_sp", ["A701"]),
    ]
    assert json.loads(json.dumps(found[1].context)) == found[1].context


def test_an_increment_asks_for_the_running_year_alone_and_asks_the_same_every_night():
    monday = calls(first="2023-10-01", last="2023-10-11")
    tuesday = calls(first="2023-10-02", last="2023-10-12")
    assert len(monday) == 1
    assert monday == tuesday


def test_a_city_that_joins_later_is_not_asked_for_where_it_is_not_wanted():
    found = SOURCE.calls(
        [
            wanted("precipitation_mm", first="2022-01-01", last="2023-02-01", code="A401"),
            wanted("precipitation_mm", "sao_paulo_sp", first="2023-01-10", code="A701"),
        ]
    )
    assert [len(call.context["sites"]) for call in found] == [1, 2, 1, 1]


def test_a_city_without_a_station_is_refused():
    with pytest.raises(SourceError, match=r"inmet: precip.*: salvador_ba has no station\. Add it"):
        calls(code="")


def test_hours_become_days_in_our_units(tmp_path):
    hours = {
        **at("2023-01-02", [5], RAIN, ",8"),
        **at("2023-01-02", [6], RAIN, "12,4"),
        **at("2023-01-02", [17], TEMPERATURE, "30,9"),
        **at("2023-01-02", [18], TMAX, "31,7"),
        **at("2023-01-02", [9], TMIN, "23,1"),
        **at("2023-01-02", [10], HUMIDITY, "90"),
        **at("2023-01-02", [15], WIND, "5"),
    }
    found = station(tmp_path, *WEATHER, hours=hours)
    day = {name: values_of(found, name)["2023-01-02"] for name in WEATHER}
    assert day == {
        "temperature_avg_c": pytest.approx(26.3),  # 26.1 and 4.8 more in one of 24 hours
        "temperature_max_c": pytest.approx(31.7),
        "temperature_min_c": pytest.approx(23.1),
        "precipitation_mm": pytest.approx(13.2),  # 0.8 + 12.4
        "humidity_percent": pytest.approx(78.5),  # 78 and 12 more in one of 24 hours
        "wind_max_kmh": pytest.approx(18.0),  # 5 m/s, and not the gusts of 7.1
    }


def test_rain_before_midnight_belongs_to_the_local_day(tmp_path):
    hours = {**at("2023-01-03", [2], RAIN, "7"), **at("2023-01-03", [3], RAIN, "11")}
    rain = values_of(station(tmp_path, hours=hours), "precipitation_mm")
    assert (rain["2023-01-02"], rain["2023-01-03"]) == (7.0, 11.0)


@pytest.mark.parametrize(
    ("region", "day", "year"),
    [
        ("salvador_ba", "01-03", 2018),
        ("sao_paulo_sp", "01-04", 2018),
        ("sao_paulo_sp", "01-03", 2020),
    ],
    ids=["Bahia never", "the south until 2019", "the south since"],
)
def test_summer_time_moves_the_day_where_it_was_kept(tmp_path, region, day, year):
    # 02:00 UTC is 23:00 of the day before at UTC-3, and midnight at UTC-2
    asked = {"region": region, "first": f"{year}-01-01", "last": f"{year}-01-05"}
    hours = at(f"{year}-01-04", [2], RAIN, "9,5")
    found = station(tmp_path, asked=asked, days=(f"{year}-01-01", f"{year}-01-05"), hours=hours)
    wet = [when for when, rain in values_of(found, "precipitation_mm", region).items() if rain]
    assert wet == [f"{year}-{day}"]


def test_both_styles_of_the_file_say_the_same(tmp_path):
    blank = {**at("2023-01-02", [5, 6], RAIN, ""), **at("2023-01-03", range(3, 13), RAIN, "")}
    gaps = {hour: {RAIN: "-9999"} for hour in blank}
    new = station(tmp_path, hours=blank, ending="\n")
    old = station(tmp_path, hours=gaps, style="old")
    assert new.rows == old.rows
    assert "2023-01-03" not in values_of(new, "precipitation_mm")
    assert new.notes == old.notes


@pytest.mark.parametrize(
    "spelt",
    [
        {RAIN: "PRECIPITACAO TOTAL, HORARIO (mm)", TMAX: "TEMPERATURA MAXIMA NA HORA ANT. (AUT)"},
        {RAIN: "PRECIPITAÇÃO\xa0TOTAL,\xa0HORÁRIO\xa0(mm)", TMAX: "Temperatura  Máxima na hora"},
    ],
    ids=["without accents", "with hard blanks"],
)
def test_columns_are_known_however_they_are_spelt_and_wherever_they_stand(tmp_path, spelt):
    columns = [spelt.get(position, name) for position, name in enumerate(INMET_COLUMNS)]
    asked = ("precipitation_mm", "temperature_max_c")
    other = station(tmp_path, *asked, columns=columns, hours=at("2023-01-02", [5], RAIN, "3"))
    assert values_of(other, "precipitation_mm")["2023-01-02"] == 3.0
    assert values_of(other, "temperature_max_c")["2023-01-02"] == 26.8


@pytest.mark.parametrize("gap", ["", "-9999", "-9999,0"], ids=["blank", "old", "old with comma"])
def test_a_day_needs_twenty_valid_hours(tmp_path, gap):
    hours = {
        **at("2023-01-02", range(3, 7), RAIN, gap),  # four lost: twenty left
        **at("2023-01-03", range(3, 8), RAIN, gap),  # five lost
        **at("2023-01-03", [20], RAIN, "40"),
    }
    found = station(tmp_path, hours=hours)
    rain = values_of(found, "precipitation_mm")
    assert rain["2023-01-02"] == 0.0
    assert "2023-01-03" not in rain
    assert "salvador_ba: 1 of 5 values lack 20 valid hours" in found.notes


def test_lines_that_are_missing_count_like_gaps(tmp_path):
    hours = {f"2023-01-03T{hour:02}": None for hour in range(10, 15)}
    assert "2023-01-03" not in values_of(station(tmp_path, hours=hours), "precipitation_mm")


def test_hours_of_the_local_year_before_are_left_to_its_own_file(tmp_path):
    found = station(tmp_path)
    assert min(values_of(found, "precipitation_mm")) == "2023-01-01"
    assert "3 hours are of the local year before, left to its own file" in found.notes


def test_the_last_day_of_a_file_is_preliminary_as_it_lacks_its_evening(tmp_path):
    found = station(tmp_path)
    assert preliminary_days(found) == ["2023-01-05"]
    eve = {"first": "2023-12-01", "last": "2023-12-31"}
    closed = station(tmp_path, asked=eve, days=("2023-12-28", "2023-12-31"))
    assert max(values_of(closed, "precipitation_mm")) == "2023-12-31"
    assert preliminary_days(closed) == []


def test_a_spare_station_serves_the_days_that_the_first_one_lacks(tmp_path):
    lost = {f"2023-01-02T{hour:02}": ALL_BLANK for hour in range(24)}
    members = {
        inmet_name("A401"): inmet_file(*DAYS, hours={**lost, **at("2023-01-04", [12], RAIN, "1")}),
        inmet_name("A456"): inmet_file(
            *DAYS, hours={**at("2023-01-02", [12], RAIN, "5"), **at("2023-01-04", [12], RAIN, "6")}
        ),
    }
    found = parse(tmp_path, members)
    rain = values_of(found, "precipitation_mm")
    assert (rain["2023-01-02"], rain["2023-01-04"]) == (5.0, 1.0)
    assert {"salvador_ba: 4 values of A401", "salvador_ba: 1 values of A456"} <= set(found.notes)


def test_a_spare_station_serves_alone_where_the_first_one_has_no_file(tmp_path):
    members = {inmet_name("A456", folder="2023/"): inmet_file(*DAYS)}
    found = parse(tmp_path, members)
    assert found.rows.num_rows == 5
    assert "salvador_ba: 5 values of A456" in found.notes


def test_a_city_without_any_file_is_said_while_others_are_served(tmp_path):
    both = [
        wanted("precipitation_mm", region, first=DAYS[0], last=DAYS[1], code=code)
        for region, code in (("salvador_ba", "A401"), ("sao_paulo_sp", "A701+A771"))
    ]
    (call,) = SOURCE.calls(both)
    body = zipped({inmet_name("A401"): inmet_file(*DAYS), inmet_name("A999"): b"x"})
    found = SOURCE.parse(call, answered(tmp_path, body, media="zip", day="2024-06-01"))
    assert found.rows.num_rows == 5
    assert "sao_paulo_sp: no file of station A701, A771" in found.notes


def test_cells_that_are_no_number_or_cannot_be_are_counted(tmp_path):
    hours = {
        **at("2023-01-02", [5], RAIN, "n/d"),
        **at("2023-01-02", [6], RAIN, "1.234,5"),
        **at("2023-01-02", [7], RAIN, "9999"),
        **at("2023-01-02", [8], RAIN, "2,5"),
    }
    found = station(tmp_path, hours=hours)
    assert values_of(found, "precipitation_mm")["2023-01-02"] == 2.5
    assert "salvador_ba: A401: 2 values cannot be read" in found.notes
    assert "salvador_ba: A401: 1 values of an hour cannot be" in found.notes


def file_with(old, new):
    return inmet_file(*DAYS).replace(old.encode("latin-1"), new.encode("latin-1"))


GOOD = inmet_file(*DAYS)
ZIP = zipped({inmet_name("A401"): GOOD})
DAMAGED = ZIP[:120] + bytes(200) + ZIP[320:]
NAME_END = 30 + len(inmet_name("A401").encode())  # 30 bytes of header, then the name, then data
NO_DEFLATE = ZIP[:NAME_END] + b"\xff" * 20 + ZIP[NAME_END + 20 :]


@wrong_bodies(
    (HTML_CP1252, "an HTML page instead of a ZIP: 'Ag.ncia Nacional de Telecom"),
    (INMET_ERROR, "plain text instead of a ZIP: '{\"error\":\"Algo deu errado!!\"}'"),
    (b"", "an empty answer instead of a ZIP"),
    (ZIP[: len(ZIP) // 2], "a ZIP that breaks off or is damaged: File is not a zip file"),
    (DAMAGED, "a ZIP that breaks off or is damaged"),
    (NO_DEFLATE, "a ZIP that breaks off or is damaged: Error -3 while decompressing"),
    (zipped({inmet_name("A701"): GOOD}), "none of 1 files is of station A401, A456"),
    (zipped({}), "none of 0 files is of station A401, A456"),
    (
        zipped({inmet_name("A401"): file_with("PRECIPITAÇÃO TOTAL", "CHUVA")}),
        "station A401: changed format: no column PRECIPITACAO TOTAL",
    ),
    (
        zipped({inmet_name("A401"): file_with("Hora UTC", "Minuto")}),
        "station A401: changed format: no line names the columns DATA and HORA",
    ),
    (zipped({inmet_name("A401"): b""}), "station A401: changed format: no line names"),
    (
        zipped({inmet_name("A401"): file_with(" UTC;", " BRT;")}),
        "station A401: 120 lines cannot be read in 0 hours",
    ),
    (
        zipped({inmet_name("A401"): file_with(";0;1012,3", ";x;1012,3")}),
        "station A401: 120 values cannot be read in 120 hours",
    ),
    (
        zipped({inmet_name("A401"): inmet_file("2023-01-01", "2023-01-01", hours={
            f"2023-01-01T{hour:02}": ALL_BLANK for hour in range(24)})}),
        "no day of 2023 has 20 valid hours",
    ),
)  # fmt: skip
def test_what_is_no_data_is_one_line_with_source_series_and_cause(tmp_path, body, cause):
    (call,) = calls()
    with one_line(rf"inmet: precipitation_mm: {cause}"):
        SOURCE.parse(call, answered(tmp_path, body, media="zip"))
