import numpy as np
import pytest

from ml.drivers.design import make_design
from ml.features.compute import FeatureFrame
from ml.features.declarations import BY_NAME
from ml.frequency import Frequency, period_range

NAMES = ("humidity_load_60d", "is_carnival")


def frame(days, columns):
    return FeatureFrame(tuple(BY_NAME[name] for name in NAMES), days, np.stack(columns, axis=1))


def late(periods):
    """A design of 40 days of which the weather is known but for the last ``periods``."""
    days = np.arange("2025-01-01", "2025-02-15", dtype="datetime64[D]")
    humidity = np.arange(len(days), dtype=float)
    humidity[40 - periods :] = np.nan
    carnival = (np.arange(len(days)) % 10 == 0).astype(float)
    made = frame(days, [humidity, carnival])
    return make_design(made, days[:40], days[40:], Frequency.DAILY)


@pytest.mark.parametrize(("missing", "lag"), [(0, 1), (1, 1), (6, 6), (15, 15)])
def test_a_source_that_is_late_at_the_cutoff_counts_as_late_at_every_origin(missing, lag):
    # The declared lag of weather is one day; what is known in advance has none.
    assert late(missing).lags().tolist() == [lag, 0]


def test_values_are_standard_deviations_from_the_mean_of_what_was_known():
    design = late(6)
    known = design.values[:34, 0]
    assert known.mean() == pytest.approx(0.0)
    assert known.std() == pytest.approx(1.0)
    assert not design.values[34:40, 0].any()


def test_what_is_known_in_advance_reaches_beyond_the_cutoff():
    design = late(6)
    after = design.values[40:, 1]
    assert after[0] > 0
    assert (after[1:] < 0).all()


def test_a_feature_that_is_mostly_unknown_or_never_changes_is_left_out():
    days = np.arange("2025-01-01", "2025-02-15", dtype="datetime64[D]")
    sparse = np.full(len(days), np.nan)
    sparse[:15] = np.arange(15.0)
    design = make_design(
        frame(days, [sparse, np.zeros(len(days))]), days[:40], days[40:], Frequency.DAILY
    )
    assert design.features == ()


def test_a_month_has_the_mean_of_its_days():
    days = np.arange("2024-01-01", "2025-03-01", dtype="datetime64[D]")
    # Two days of twenty-nine in February 2024, none elsewhere.
    carnival = np.isin(days, np.array(["2024-02-12", "2024-02-13"], "datetime64[D]")).astype(float)
    months = period_range(days[0], np.datetime64("2025-02-01"), Frequency.MONTHLY)
    design = make_design(
        frame(days, [np.arange(len(days), dtype=float), carnival]), months[:12], months[12:],
        Frequency.MONTHLY,
    )  # fmt: skip
    column = design.values[:, 1]
    share = np.zeros(12)
    share[1] = 2 / 29
    expected = (share - share.mean()) / share.std()
    assert column[:12] == pytest.approx(expected)
