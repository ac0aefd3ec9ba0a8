import re

import numpy as np
import pytest

from ml.contracts.outside import GROUPS, ROLES
from ml.features.compute import TABLES, FeatureFrame
from ml.features.declarations import BY_NAME, FEATURES, MISSING
from tests.ml.features.outside_tables import world

every_feature = pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)


@every_feature
def test_a_declaration_says_all_that_a_reader_needs(feature):
    assert re.fullmatch(r"[a-z][a-z0-9_]*", feature.name)
    assert (feature.group in GROUPS, feature.role in ROLES) == (True, True)
    assert feature.missing in MISSING
    assert (feature.carry == 0) == (feature.missing == "none")
    assert 0 <= feature.persistence <= 1
    assert feature.lag >= 0
    assert feature.unit
    assert feature.description


@every_feature
def test_a_source_names_a_table_and_series_that_exist(feature):
    if feature.source == "computed":
        assert feature.role == "future_known"
        return
    table, _, series = feature.source.partition(": ")
    assert table in TABLES
    assert set(series.split(", ")) <= set(world(days=400)[table]["series"].to_pylist())


def test_names_are_unique():
    assert len(BY_NAME) == len(FEATURES)


@pytest.mark.parametrize("group", GROUPS)
def test_models_may_use_few_features_of_a_group(group):
    limit = 5 if group == "calendar" else 2
    assert sum(feature.driver for feature in FEATURES if feature.group == group) <= limit


def test_a_frame_refuses_parts_that_do_not_fit():
    days = np.arange(np.datetime64("2024-01-01"), np.datetime64("2024-01-04"))
    with pytest.raises(ValueError, match=r"values must be \(3, 1\), got \(2, 1\)"):
        FeatureFrame(FEATURES[:1], days, np.zeros((2, 1)))
    with pytest.raises(ValueError, match="regions must have 1 entries or none"):
        FeatureFrame(FEATURES[:1], days, np.zeros((3, 1)), regions=("BA", "PE"))


def test_a_frame_cannot_be_changed_and_names_what_it_has():
    days = np.arange(np.datetime64("2024-01-01"), np.datetime64("2024-01-04"))
    frame = FeatureFrame(FEATURES[:1], days, np.zeros((3, 1)))
    with pytest.raises(ValueError, match="read-only"):
        frame.values[0, 0] = 1
    with pytest.raises(ValueError, match=r"no feature 'rain', it has \['is_holiday'\]"):
        frame.column("rain")
