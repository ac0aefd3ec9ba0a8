"""What a run says of series that have fallen silent."""

from datetime import date

import numpy as np
import pytest

from ml.frequency import Frequency, period_end
from ml.settings import settings
from pipelines.outside import known_series
from pipelines.outside.domain_rows import DomainRows
from pipelines.outside.domain_sources import domain
from pipelines.outside.report import stale
from tests.pipelines.outside.test_vintages import told

SERIES = {
    one.name: one
    for one in (*known_series.WEATHER, *known_series.ECONOMY, *known_series.TELECOM,
                known_series.BRENT, known_series.quoted("PETR4", "BRL")[0],
                known_series.dollar("USD/BRL", "prices"))
}  # fmt: skip


def said_of(table, series, last, day):
    """What is said on a day of a series whose last value is of the period that starts then."""
    economy = domain(table, settings())
    rows, _ = told(None, {last: 1.0}, day, facts=economy.series[series])
    known = DomainRows(economy, {}, {(series, None): rows})
    return list(stale(known, [series], date.fromisoformat(day)))


@pytest.mark.parametrize(
    ("series", "last", "quiet", "late"),
    [
        # October ends on the 31st; 30 days of November and 20 of December are 50
        pytest.param("ipca", "2026-10-01", "2026-12-20", "2026-12-21", id="ipca"),
        # 30 days of November and 10 of December are 40
        pytest.param("igp_m", "2026-10-01", "2026-12-10", "2026-12-11", id="igp_m"),
        # 30 + 31 + 31 are 92, and three days of February
        pytest.param("ibc_br", "2026-10-01", "2027-02-03", "2027-02-04", id="ibc_br"),
        pytest.param("selic", "2026-11-20", "2026-11-28", "2026-11-29", id="selic, 8 days"),
        pytest.param("usd_brl", "2026-11-20", "2026-11-28", "2026-11-29", id="dollar, 8 days"),
        pytest.param("selic_daily", "2026-11-20", "2026-11-30", "2026-12-01", id="10 days"),
    ],
)
def test_a_series_is_late_from_the_day_on_that_its_publisher_has_surely_missed(
    series, last, quiet, late
):
    assert said_of("economic", series, last, quiet) == []
    (line,) = said_of("economic", series, last, late)
    assert line.startswith(f"stale: {series}: the last value is of {last}, and after ")


@pytest.mark.parametrize("name", SERIES)
def test_no_series_is_late_before_its_next_value_is_due(name):
    """Each value is out on its declared day; on the day before it the one before is the last."""
    facts = SERIES[name]
    monthly = facts.period is Frequency.MONTHLY
    starts = np.arange("2024-01", "2026-01", dtype="datetime64[M]" if monthly else "datetime64[D]")
    ends = period_end(starts, facts.period)
    due = facts.declared_days(starts.astype("datetime64[D]"))
    waited = (due[1:] - ends[:-1]).astype("timedelta64[D]").astype(int).max() - 1
    rest = 0 if monthly else 4  # carnival: from Friday to the afternoon of Ash Wednesday
    assert waited + rest < facts.stale_after
