import json

import pytest

from pipelines.sources.base import SourceError
from pipelines.sources.nasa_power import NasaPower
from tests.pipelines.sources.conftest import one_line, wrong_bodies
from tests.pipelines.sources.payloads_money import answered
from tests.pipelines.sources.payloads_sky import (
    POWER_DETAIL,
    POWER_MESSAGES,
    WEATHER,
    nasa_power,
    values_of,
    wanted,
)

SOURCE = NasaPower("http://x")
WINDOW = ("2025-03-01", "2025-03-10")


def calls(*series, **window):
    return SOURCE.calls([wanted(name, **window) for name in series or WEATHER])


def parse(tmp_path, body, *series, day="2025-03-10", **window):
    (call,) = calls(*series, **window)
    return SOURCE.parse(call, answered(tmp_path, body, day=day))


def test_a_city_is_one_request_in_local_time():
    (call,) = calls(first="2015-01-01", last="2025-03-10")
    assert call.url == (
        "http://x/api/temporal/daily/point?"
        "parameters=T2M,T2M_MAX,T2M_MIN,RH2M,PRECTOTCORR,WS10M_MAX&community=AG"
        "&latitude=-12.97&longitude=-38.51&start=20150101&end=20250310&format=JSON"
        "&time-standard=LST"
    )
    assert json.loads(json.dumps(call.context)) == call.context


def test_only_what_is_wanted_is_asked_for():
    (call,) = calls("humidity_percent", "temperature_max_c")
    assert "parameters=T2M_MAX,RH2M&" in call.target
    assert call.series == ("temperature_max_c", "humidity_percent")
    assert calls(first="2025-03-11") == ()


def test_what_it_has_not_is_refused():
    with pytest.raises(SourceError, match="nasa_power: snow_cm: not served; it has temperature_a"):
        calls("snow_cm")
    with pytest.raises(SourceError, match=r"recife_pe has no latitude and longitude"):
        SOURCE.calls([wanted("precipitation_mm", "recife_pe")])


def test_parameters_become_our_series_and_wind_is_in_kilometres_an_hour(tmp_path):
    values = {"T2M": 26.4, "T2M_MAX": 30.1, "T2M_MIN": 23.9, "RH2M": 81, "PRECTOTCORR": 0.8}
    change = {name: {"20250302": value} for name, value in {**values, "WS10M_MAX": 5.0}.items()}
    found = parse(tmp_path, nasa_power(*WINDOW, change=change))
    day = {name: values_of(found, name)["2025-03-02"] for name in WEATHER}
    assert day == {
        "temperature_avg_c": 26.4,
        "temperature_max_c": 30.1,
        "temperature_min_c": 23.9,
        "precipitation_mm": 0.8,
        "humidity_percent": 81.0,
        "wind_max_kmh": 18.0,  # 5 m/s
    }


@pytest.mark.parametrize("gap", [-999, -999.0, -99, -99.0, None, -777.5])
def test_fill_values_are_missing_and_never_weather(tmp_path, gap):
    change = {"PRECTOTCORR": dict.fromkeys(("20250308", "20250309", "20250310"), gap)}
    body = nasa_power(*WINDOW, change=change, fill=-777.5)
    found = parse(tmp_path, body, "precipitation_mm")
    assert len(values_of(found, "precipitation_mm")) == 7
    assert min(values_of(found, "precipitation_mm").values()) >= 0
    assert found.notes == ("precipitation_mm: 3 of 10 values are null",)


def test_a_unit_that_is_not_told_is_taken_on_trust(tmp_path):
    body = json.loads(nasa_power(*WINDOW))
    del body["parameters"]
    assert parse(tmp_path, json.dumps(body).encode()).rows.num_rows == 60


@wrong_bodies(
    (POWER_MESSAGES, "no data but a message: 'One of your parameters is incorrect: X2M'"),
    (POWER_DETAIL, "no data but a message: 'field required'"),
    (b'{"message":"Too Many Requests"}', "no data but a message: 'Too Many Requests'"),
    (b"{}", "changed format: a record without header, properties"),
    (b'{"header":{},"properties":{}}', "changed format: a record without fill_value"),
    (b'{"header":{"fill_value":-999},"properties":{}}', "a record without parameter"),
    (nasa_power(*WINDOW, parameters=("T2M",)), "changed format: a record without T2M_MAX"),
    (nasa_power(*WINDOW, units={"WS10M_MAX": "mph"}), "WS10M_MAX comes in 'mph' instead of"),
    (
        b'{"header":{"fill_value":-999},"properties":{"parameter":{"T2M":[26.1]}}}',
        "changed format: T2M is list, not days",
    ),
)
def test_what_is_no_data_is_one_line_with_source_series_and_cause(tmp_path, body, cause):
    with one_line(rf"nasa_power: temperature_avg_c, .* …: .*{cause}"):
        parse(tmp_path, body)
