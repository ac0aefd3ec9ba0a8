import numpy as np
import pytest

from ml.features.adjusted_close import adjusted_close

NONE = np.array([], "datetime64[D]"), np.array([])


def days(*names):
    return np.array(names, "datetime64[D]")


def adjusted(dates, closes, ex_dates, dividends):
    return adjusted_close(
        dates, np.array(closes, float), ex_dates=ex_dates, dividends=np.array(dividends, float)
    )


WEEK = days("2025-03-03", "2025-03-04", "2025-03-05", "2025-03-06", "2025-03-07")


def test_closes_before_an_ex_date_shrink_by_the_dividend_over_the_close_before_it():
    # 1 - 2/40 = 0.95 on the two days before the ex-date: 38 * 0.95 = 36.1, 40 * 0.95 = 38
    found = adjusted(WEEK, [38, 40, 38, 39, 41], days("2025-03-05"), [2])
    assert found == pytest.approx([36.1, 38.0, 38.0, 39.0, 41.0])


def test_dividends_multiply_and_each_uses_the_raw_close_before_it():
    # 5 March: 1 - 4/40 = 0.9; 7 March: 1 - 1/50 = 0.98; both on the first two: 0.882
    # 20 * 0.882 = 17.64, 40 * 0.882 = 35.28, 30 * 0.98 = 29.4, 50 * 0.98 = 49
    found = adjusted(WEEK, [20, 40, 30, 50, 48], days("2025-03-07", "2025-03-05"), [1, 4])
    assert found == pytest.approx([17.64, 35.28, 29.4, 49.0, 48.0])


def test_two_dividends_of_one_day_are_one():
    # 1 - (1 + 3)/40 = 0.9, not 0.975 * 0.925
    found = adjusted(WEEK[:2], [40, 36], days("2025-03-04", "2025-03-04"), [1, 3])
    assert found == pytest.approx([36.0, 36.0])


def test_an_ex_date_without_a_session_uses_the_last_close_before_it():
    # Saturday, 8 March: 1 - 4/40 = 0.9 up to Friday
    dates = days("2025-03-06", "2025-03-07", "2025-03-10")
    assert adjusted(dates, [20, 40, 37], days("2025-03-08"), [4]) == pytest.approx([18, 36, 37])


def test_a_day_without_a_close_stays_without_and_is_not_the_close_before():
    # the close before 6 March is 40 of 4 March: 0.9
    found = adjusted(WEEK, [20, 40, np.nan, 36, 37], days("2025-03-06"), [4])
    assert found == pytest.approx([18, 36, np.nan, 36, 37], nan_ok=True)


def test_without_dividends_nothing_changes_and_the_input_is_left_alone():
    closes = np.array([1.0, 2.0, np.nan, 3.0, 4.0])
    found = adjusted_close(WEEK, closes, ex_dates=NONE[0], dividends=NONE[1])
    assert found == pytest.approx(closes, nan_ok=True)
    assert found is not closes


def test_a_dividend_before_the_first_close_or_after_the_last_is_counted_where_it_belongs():
    # before the first: no close to adjust; ex on Monday after: 1 - 4/40 on the whole week
    before = adjusted(WEEK, [10, 20, 30, 36, 40], days("2025-02-03", "2025-03-03"), [5, 5])
    assert before == pytest.approx([10, 20, 30, 36, 40])
    after = adjusted(WEEK, [10, 20, 30, 36, 40], days("2025-03-10"), [4])
    assert after == pytest.approx([9, 18, 27, 32.4, 36])


def test_adjusted_returns_are_what_an_owner_who_reinvests_earns():
    # simulation: one share, every dividend buys more at (close before - D), the CRSP assumption
    rng = np.random.default_rng(7)
    dates = np.arange("2020-01-01", "2020-12-31", dtype="datetime64[D]")
    closes = 30 * np.exp(np.cumsum(rng.normal(0, 0.02, len(dates))))
    paid = {40: 1.2, 160: 0.8, 161: 0.4, 300: 2.0}
    shares, wealth = 1.0, []
    for day, close in enumerate(closes):
        if day in paid:
            shares += shares * paid[day] / (closes[day - 1] - paid[day])
        wealth.append(shares * close)
    found = adjusted_close(
        dates, closes, ex_dates=dates[list(paid)], dividends=np.array(list(paid.values()))
    )
    assert found / found[0] == pytest.approx(np.array(wealth) / wealth[0])


@pytest.mark.parametrize(
    ("dates", "dividends", "message"),
    [
        pytest.param(WEEK, [40], r"dividend 40 of 2025-03-05 is not below .*, 40", id="all of it"),
        pytest.param(WEEK, [-1], "not negative", id="negative"),
        pytest.param(WEEK, [np.nan], "finite", id="not a number"),
        pytest.param(WEEK[::-1], [1], "ascending", id="descending"),
        pytest.param(WEEK[:4], [1], "one close a date", id="lengths differ"),
    ],
)
def test_input_that_cannot_be_adjusted_is_refused(dates, dividends, message):
    with pytest.raises(ValueError, match=message):
        adjusted(dates, [38, 40, 38, 39, 41], days("2025-03-05"), dividends)
