import json
from datetime import date
from itertools import pairwise
from urllib.parse import parse_qs, urlsplit

import pytest

from ml.errors import DataError
from pipelines.sources.base import SeriesRequest, SourceError
from pipelines.sources.open_meteo import MAX_WEIGHT, OpenMeteo, weight
from tests.pipelines.sources.conftest import one_line, wrong_bodies
from tests.pipelines.sources.payloads_money import answered, preliminary_days
from tests.pipelines.sources.payloads_sky import (
    OPEN_METEO,
    OPEN_METEO_CONCURRENT,
    OPEN_METEO_LIMIT,
    OPEN_METEO_RANGE,
    OPEN_METEO_WRONG,
    WEATHER,
    open_meteo,
    values_of,
    wanted,
)

SOURCE = OpenMeteo("http://x")
ALL = "temperature_2m_mean,temperature_2m_max,temperature_2m_min,precipitation_sum"


def calls(*series, **window):
    return SOURCE.calls([wanted(name, **window) for name in series or WEATHER])


def parse(tmp_path, body, *series, day="2025-03-10", **window):
    (call,) = calls(*series, **window)
    return SOURCE.parse(call, answered(tmp_path, body, day=day))


def query_of(call):
    return {name: value for name, (value,) in parse_qs(urlsplit(call.target).query).items()}


def test_a_city_is_asked_for_all_its_series_at_once_with_model_and_time_zone():
    (call,) = calls()
    assert call.url == (
        "http://x/v1/archive?latitude=-12.97&longitude=-38.51"
        f"&start_date=2025-03-01&end_date=2025-03-10&daily={ALL},"
        "relative_humidity_2m_mean,wind_speed_10m_max&timezone=America/Bahia&models=era5"
    )
    assert call.series == WEATHER
    assert json.loads(json.dumps(call.context)) == call.context


@pytest.mark.parametrize(
    ("region", "zone"),
    [
        ("salvador_ba", "America/Bahia"),
        ("recife_pe", "America/Recife"),
        ("fortaleza_ce", "America/Fortaleza"),
        ("rio_de_janeiro_rj", "America/Sao_Paulo"),
        ("manaus_am", "America/Manaus"),
    ],
)
def test_days_are_those_of_the_citys_state(region, zone):
    day = date(2025, 3, 1)
    (call,) = SOURCE.calls([SeriesRequest("precipitation_mm", region, "", day, day, (-3.7, -38.5))])
    assert query_of(call)["timezone"] == zone


@pytest.mark.parametrize("region", ["lisboa", "salvador_xx", "samba"])
def test_a_city_without_a_state_is_refused(region):
    day = date(2025, 3, 1)
    with pytest.raises(DataError, match=f"region '{region}': ends in no Brazilian state"):
        SOURCE.calls([SeriesRequest("precipitation_mm", region, "", day, day, (-3.7, -38.5))])


def test_a_long_history_is_cut_into_windows_without_gaps_that_weigh_little():
    found = calls(first="2015-01-01", last="2026-11-20")
    ends = [(query_of(call)["start_date"], query_of(call)["end_date"]) for call in found]
    assert (ends[0][0], ends[-1][1]) == ("2015-01-01", "2026-11-20")
    for (_, end), (start, _) in pairwise(ends):
        assert (date.fromisoformat(start) - date.fromisoformat(end)).days == 1
    assert all(1 <= call.weight < MAX_WEIGHT for call in found)
    assert len(found) == 4


def test_the_weight_is_that_of_the_public_formula():
    # ten years of ten variables count for about 260 calls; a week of six for one
    assert weight(10, 3650) == pytest.approx(260, abs=1)
    assert weight(6, 7) == 1


def test_what_the_archive_has_not_is_refused():
    with pytest.raises(SourceError, match=r"^open_meteo: snow_cm: not served; it has temper"):
        calls("snow_cm")
    with pytest.raises(SourceError, match=r"recife_pe has no latitude and longitude\. Add them"):
        SOURCE.calls([wanted("precipitation_mm", "recife_pe")])
    with pytest.raises(SourceError, match="precipitation_mm: asked for without a city"):
        SOURCE.calls([wanted("precipitation_mm", None)])


def test_variables_become_our_series(tmp_path):
    change = {
        name: {"2025-03-02": value}
        for name, value in zip(OPEN_METEO, (26.4, 30.1, 23.9, 0.8, 81, 22.3), strict=True)
    }
    found = parse(tmp_path, open_meteo("2025-03-01", "2025-03-10", change=change))
    day = {name: values_of(found, name)["2025-03-02"] for name in WEATHER}
    assert list(day.values()) == [26.4, 30.1, 23.9, 0.8, 81.0, 22.3]
    assert found.rows.num_rows == 60


def test_the_last_five_days_before_the_answer_are_preliminary(tmp_path):
    body = open_meteo("2025-03-01", "2025-03-10")
    found = parse(tmp_path, body, day="2025-03-10")
    assert preliminary_days(found) == [f"2025-03-{day:02}" for day in range(6, 11)]


def test_nulls_of_the_newest_days_are_counted_by_series(tmp_path):
    change = {"precipitation_sum": {"2025-03-09": None, "2025-03-10": None}}
    found = parse(tmp_path, open_meteo("2025-03-01", "2025-03-10", change=change))
    assert len(values_of(found, "precipitation_mm")) == 8
    assert len(values_of(found, "humidity_percent")) == 10
    assert found.notes == ("precipitation_mm: 2 of 10 values are null",)


def test_absurd_values_are_left_out_and_counted(tmp_path):
    change = {"temperature_2m_max": {"2025-03-04": 99.9}, "precipitation_sum": {"2025-03-05": -1}}
    found = parse(tmp_path, open_meteo("2025-03-01", "2025-03-10", change=change))
    assert "2025-03-04" not in values_of(found, "temperature_max_c")
    assert "2025-03-05" not in values_of(found, "precipitation_mm")
    assert len(found.notes) == 2


def test_newest_days_may_all_be_null_but_not_a_whole_past(tmp_path):
    nulls = {"precipitation_sum": {f"2025-03-{day:02}": None for day in range(1, 11)}}
    body = open_meteo("2025-03-01", "2025-03-10", variables=list(nulls), change=nulls)
    with pytest.raises(SourceError, match="no value at all from 2025-03-01 to 2025-03-10 in salv"):
        parse(tmp_path, body, "precipitation_mm", day="2025-03-10")
    newest = parse(tmp_path, body, "precipitation_mm", day="2025-03-05")
    assert newest.rows.num_rows == 0


GOOD = ("2025-03-01", "2025-03-10")


@wrong_bodies(
    (OPEN_METEO_WRONG, "error: Something went wrong"),
    (OPEN_METEO_RANGE, "error: Parameter 'end_date' is out of allowed range"),
    (OPEN_METEO_LIMIT, "error: Minutely API request limit exceeded"),
    (OPEN_METEO_CONCURRENT, "error: Too many concurrent requests"),
    (b'{"error":true}', "error: without a reason"),
    (b"{}", "changed format: a record without daily_units, daily, timezone"),
    (b"[" + open_meteo(*GOOD) + b"]", "changed format: a record without daily_units"),
    (open_meteo(*GOOD, timezone="GMT"), "days of 'GMT' instead of 'America/Bahia'"),
    (open_meteo(*GOOD, units={"wind_speed_10m_max": "mp/h"}), "comes in 'mp/h' instead of"),
    (open_meteo(*GOOD, change={"precipitation_sum": None}), "without precipitation_sum"),
    (
        open_meteo(*GOOD, change={"precipitation_sum": {"2025-03-11": 1}}),
        "changed format: 10 days, 11 of precipitation_sum",
    ),
    (open_meteo("2025-03-10", "2025-03-09"), "changed format: 0 days, 0 of temperature"),
)
def test_what_is_no_data_is_one_line_with_source_series_and_cause(tmp_path, body, cause):
    with one_line(rf"open_meteo: temperature_avg_c, .* …: .*{cause}"):
        parse(tmp_path, body)
