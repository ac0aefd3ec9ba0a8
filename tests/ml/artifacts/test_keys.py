from datetime import UTC, datetime, timedelta, timezone

import pytest

from ml.artifacts import keys
from ml.artifacts.version import new_version_id, stage_version
from ml.errors import PublishError

STARTED = datetime(2026, 11, 20, 2, 15, 3, 999_999, tzinfo=UTC)


def test_version_id_is_the_utc_start_and_eight_digits_of_the_hash():
    assert keys.version_id(STARTED, "1a2b3c4d5e") == "20261120T021503Z-1a2b3c4d"


def test_version_id_does_not_depend_on_the_time_zone_of_the_clock():
    in_sao_paulo = STARTED.astimezone(timezone(timedelta(hours=-3)))
    assert in_sao_paulo.day == 19
    assert keys.version_id(in_sao_paulo, "1a2b3c4d") == keys.version_id(STARTED, "1a2b3c4d")


def test_a_second_run_in_the_same_second_gets_the_next_free_second(tmp_path):
    first = new_version_id(tmp_path, STARTED, "1a2b3c4d")
    stage_version(tmp_path, first)
    (tmp_path / "versions" / "20261120T021504Z-1a2b3c4d").mkdir(parents=True)
    assert new_version_id(tmp_path, STARTED, "1a2b3c4d") == "20261120T021505Z-1a2b3c4d"


def test_a_run_on_other_inputs_in_the_same_second_is_another_version(tmp_path):
    stage_version(tmp_path, "20261120T021503Z-1a2b3c4d")
    assert new_version_id(tmp_path, STARTED, "ffffffff") == "20261120T021503Z-ffffffff"


def test_two_runs_cannot_build_the_same_version(tmp_path):
    stage_version(tmp_path, "20261120T021503Z-1a2b3c4d")
    with pytest.raises(PublishError, match="20261120T021503Z-1a2b3c4d exists in"):
        stage_version(tmp_path, "20261120T021503Z-1a2b3c4d")


def test_a_start_without_time_zone_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        keys.version_id(datetime(2026, 11, 20), "1a2b3c4d")


@pytest.mark.parametrize("text", ["1a2b3c", "1A2B3C4D", "", "../../x1", "1a2b3c4g"])
def test_a_hash_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match="hex digits"):
        keys.version_id(STARTED, text)


def test_the_day_of_a_version_is_the_day_in_its_id():
    assert keys.date_of("20261120T021503Z-1a2b3c4d") == "2026-11-20"


@pytest.mark.parametrize(
    "text",
    [
        "20261320T021503Z-1a2b3c4d",  # month 13
        "20261120T021503Z-1a2b3c4d\n",
        "20261120T021503Z-1a2b3c4d/..",
        "20261120T021503-1a2b3c4d",
        "\u0662\u0660\u0662\u06661120T021503Z-1a2b3c4d",  # Arabic digits
    ],
)
def test_what_is_no_version_id_is_refused(text):
    assert not keys.is_version_id(text)
    with pytest.raises(ValueError, match=r"not the id of a version|does not match"):
        keys.date_of(text)


@pytest.mark.parametrize(
    "key", ["a", "versions/v-1/forecasts/f_2026-11-20.parquet", "as_of=1/x", "a..b/.c", "a" * 512]
)
def test_a_plain_key_is_valid(key):
    assert keys.valid_key(key)


@pytest.mark.parametrize(
    "key",
    [
        "", "/a", "a/", "a//b", "../a", "a/../b", "a/..", "./a", "a/.", "a\n", "a b", "a\\b",
        "a\x00", "a%2e", "a?b", "a#b", "é", "a" * 513,
    ],
)  # fmt: skip
def test_a_key_that_some_store_or_disk_reads_differently_is_not(key):
    assert not keys.valid_key(key)


@pytest.mark.parametrize("key", ["versions/other/x", "versions/v/../../x", "versions/v"])
def test_a_key_outside_its_version_is_refused(key):
    with pytest.raises(PublishError, match="no key below 'versions/v/'"):
        keys.check_key(key, below="versions/v", where="manifest.json")


def test_datasets_lie_where_the_documentation_says():
    assert keys.data_name("forecast_models", "2026-11-20") == (
        "forecasts/forecast_models_2026-11-20.parquet"
    )
    assert keys.metadata_name("price_outlook", "2026-11-20") == (
        "recommendations/price_outlook_2026-11-20_metadata.json"
    )
    assert keys.commit_key(42) == "_commits/00000000000000000042.json"
    with pytest.raises(ValueError, match="no folder for dataset 'typo'"):
        keys.data_name("typo", "2026-11-20")
