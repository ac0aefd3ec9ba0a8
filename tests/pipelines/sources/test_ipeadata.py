import json

import pytest

from pipelines.sources.base import SourceError
from pipelines.sources.ipeadata import Ipeadata
from tests.pipelines.sources.conftest import one_line, wrong_bodies
from tests.pipelines.sources.payloads_money import (
    answered,
    as_json,
    ipeadata_metadata,
    ipeadata_values,
    values_of,
    wanted,
)

SOURCE = Ipeadata("http://x")
BRENT = "EIA366_PBRENT366"
EMPTY = b'{"@odata.context":"http://x","value":[]}'
WEEK = {"2025-03-06": 70.4, "2025-03-07": 71.25, "2025-03-08": None, "2025-03-09": None}


def metadata_call(**window):
    (call,) = SOURCE.calls([wanted("Brent", BRENT, **window)])
    return call


def described(tmp_path, body):
    return SOURCE.parse(metadata_call(), answered(tmp_path, body))


def values_call(tmp_path, **window):
    answer = answered(tmp_path, ipeadata_metadata(BRENT))
    (call,) = SOURCE.parse(metadata_call(**window), answer).then
    return call


def parse(tmp_path, body, **window):
    call = values_call(tmp_path, **window)
    return SOURCE.parse(call, answered(tmp_path, body))


def test_the_metadata_are_asked_for_first_and_lead_to_the_values(tmp_path):
    assert metadata_call().url == f"http://x/api/odata4/Metadados('{BRENT}')"
    assert not metadata_call().conditional  # 304 would lead to nothing
    call = values_call(tmp_path)
    assert call.url == f"http://x/api/odata4/ValoresSerie(SERCODIGO='{BRENT}')"
    assert call.conditional
    assert json.loads(json.dumps(call.context)) == call.context


def test_weekends_are_null_and_left_out(tmp_path):
    found = parse(tmp_path, ipeadata_values(BRENT, WEEK))
    assert values_of(found) == {"2025-03-06": 70.4, "2025-03-07": 71.25}
    assert found.notes == ("2 of 4 values are null",)


@pytest.mark.parametrize("offset", ["-03:00", "-02:00", "Z", ""])
def test_a_day_stays_the_day_whatever_its_offset(tmp_path, offset):
    body = ipeadata_values(BRENT, {"1995-01-01": 16.5}, offset=offset)
    found = parse(tmp_path, body, first="1995-01-01")
    assert values_of(found) == {"1995-01-01": 16.5}


def test_a_series_comes_whole_and_is_cut_to_what_was_asked_for(tmp_path):
    body = ipeadata_values(BRENT, {"1987-05-20": 18.63, "2025-02-28": 73.0, **WEEK})
    found = parse(tmp_path, body)
    assert values_of(found) == {"2025-03-06": 70.4, "2025-03-07": 71.25}
    assert found.notes[1] == "2 of 4 values are of days not asked for"


def test_rows_of_regions_are_left_out_and_counted(tmp_path):
    national = json.loads(ipeadata_values(BRENT, {"2025-03-06": 70.4}, level="Brasil"))
    states = json.loads(ipeadata_values(BRENT, {"2025-03-06": 1.0}, level="Estados"))
    body = as_json({"value": national["value"] + states["value"]})
    found = parse(tmp_path, body)
    assert values_of(found) == {"2025-03-06": 70.4}
    assert found.notes == ("1 of 2 values are of regions",)


@pytest.mark.parametrize(
    ("multiplier", "factor"),
    [(None, 1), ("", 1), ("mil", 1e3), ("milhões", 1e6), ("Milhões", 1e6), ("(bilhões)", 1e9)],
)
def test_the_multiplier_of_the_unit_is_applied(tmp_path, multiplier, factor):
    body = ipeadata_metadata("X", multiplier=multiplier)
    (first,) = SOURCE.calls([wanted("accesses", "X")])
    found = SOURCE.parse(first, answered(tmp_path, body))
    body = ipeadata_values("X", {"2025-03-06": 2.5})
    values = SOURCE.parse(found.then[0], answered(tmp_path, body))
    assert values_of(values) == {"2025-03-06": 2.5 * factor}
    said = (f"values are given in {multiplier} US$ and multiplied by {factor:,.0f}",)
    assert found.notes == (said if factor > 1 else ())


def test_a_multiplier_that_is_not_known_is_not_guessed(tmp_path):
    with pytest.raises(
        SourceError, match=r"ipeadata: Brent: .* multiples of 'dúzia', which is not"
    ):
        described(tmp_path, ipeadata_metadata(BRENT, multiplier="dúzia"))


def test_a_discontinued_series_is_said_to_be_and_still_read(tmp_path):
    found = described(tmp_path, ipeadata_metadata(BRENT, status="I"))
    assert found.notes == ("the publisher has discontinued the series (SERSTATUS I)",)
    assert len(found.then) == 1
    assert found.rows.num_rows == 0


@wrong_bodies(
    (EMPTY, f"no records: is '{BRENT}' a series of IPEADATA"),
    (b'{"error": "x"}', "changed format: a record without value"),
    (b'{"value": {}}', "'value' is dict, not a list"),
    (ipeadata_values("JPM366_EMBI366", WEEK), "records of another series: JPM366_EMBI366"),
)
@pytest.mark.parametrize("step", ["metadata", "values"])
def test_what_is_no_data_is_one_line_with_source_series_and_cause(tmp_path, body, cause, step):
    with one_line(rf"ipeadata: Brent: .*{cause}"):
        described(tmp_path, body) if step == "metadata" else parse(tmp_path, body)


@pytest.mark.parametrize(
    ("values", "cause"),
    [
        pytest.param({"2025-03-06": 70400.0}, r"outside \[-100, 500\]", id="other unit"),
        pytest.param({"06/03/2025": 70.4}, "1 of 1 values cannot be read", id="other date"),
        pytest.param({"2025-03-06": "70,4"}, "1 of 1 values cannot be read", id="decimal comma"),
    ],
)
def test_values_that_cannot_be_are_an_error(tmp_path, values, cause):
    with pytest.raises(SourceError, match=rf"^ipeadata: Brent: .*{cause}"):
        parse(tmp_path, ipeadata_values(BRENT, values))
