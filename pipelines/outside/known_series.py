"""Every outside series, declared once: what it is, when it is out, and what it can be.

The lag decides what a model may have seen. It is counted from the end of the period that a value
is of, and rather too long than too short: a value believed to be known too early makes a backtest
look better than any night can be.
"""

from dataclasses import dataclass

import numpy as np

from ml.frequency import Days, Frequency, period_end

CLIMATE, ECONOMIC, ANATEL_5G = "climate", "economic", "anatel_5g"
PRICES, DIVIDENDS = "prices", "dividends"
YEAR = 366
Key = tuple[str, str | None]
"""Series and region: what a row is of, whatever its period; no region is the whole country."""


@dataclass(frozen=True, slots=True)
class Series:
    """One series as its publisher gives it."""

    name: str  # our name of it
    table: str  # table below `DATA_DIR/processed` that holds it
    unit: str | None  # unit of its values
    period: Frequency  # what a value is of: a day, a business day or a month
    lag: int  # days from the end of that period to the day on which the value is normally out
    lag_from: str  # where the lag is from
    # Days after the end of the last period after which silence is a fault. `None`: it comes
    # when it comes.
    stale_after: int | None
    overlap: int = 0  # days asked for again for revisions, where the source's own are too few
    currency: str | None = None  # ISO 4217 code of prices

    @property
    def revised(self) -> bool:
        """Whether values change after they have come out: a reanalysis, or what is asked again."""
        return self.overlap > 0 or self.table == CLIMATE

    def declared_days(self, starts: Days) -> Days:
        """The day on which the value of each period is normally out."""
        return period_end(starts, self.period) + np.timedelta64(self.lag, "D")


_REANALYSIS = "ERA5 is five days late; a station's day is over before, but its file is not out"
_SAME_DAY = "published in the afternoon of the day itself"
_CLOSE = "the exchange publishes its close in the evening of the day"


def _weather(name: str, unit: str) -> Series:
    return Series(name, CLIMATE, unit, Frequency.DAILY, 6, _REANALYSIS, 16)


def dollar(name: str, table: str) -> Series:
    """The closing sell rate of PTAX, which is in two tables under two names."""
    return Series(
        name, table, "BRL/USD", Frequency.BUSINESS, 0, _SAME_DAY, 8,
        currency="BRL" if table == PRICES else None,
    )  # fmt: skip


def quoted(name: str, currency: str | None) -> tuple[Series, ...]:
    """What is known of a symbol: its raw close, and the dividends and splits of its days.

    A dividend is of the first day on which the share trades without, a split of the first one on
    which the new shares trade.
    """
    day, announced = Frequency.DAILY, "announced weeks before the day"
    unit = None if currency is None else f"{currency} a share"
    return (
        Series(name, PRICES, currency, Frequency.BUSINESS, 0, _CLOSE, 8, currency=currency),
        Series(f"{name}/dividend", DIVIDENDS, unit, day, 0, announced, None, currency=currency),
        Series(f"{name}/split", DIVIDENDS, "new shares an old one", day, 0, announced, None,
               currency=currency),
    )  # fmt: skip


WEATHER = (
    _weather("temperature_avg_c", "deg C"),
    _weather("temperature_max_c", "deg C"),
    _weather("temperature_min_c", "deg C"),
    _weather("humidity_percent", "%"),
    _weather("precipitation_mm", "mm"),
    _weather("wind_max_kmh", "km/h"),
)

ECONOMY = (
    dollar("usd_brl", ECONOMIC),
    Series(
        "selic", ECONOMIC, "% a year", Frequency.DAILY, 0,
        "the target is announced on the evening before the day it holds from", 8,
    ),
    Series(
        "selic_daily", ECONOMIC, "% a day", Frequency.BUSINESS, 1,
        "computed from the night's operations, out on the next morning", 10,
    ),
    Series(
        "ipca", ECONOMIC, "% a month", Frequency.MONTHLY, 12,
        "IBGE releases between the 8th and the 12th of the following month", 50,
    ),
    Series(
        "igp_m", ECONOMIC, "% a month", Frequency.MONTHLY, 1,
        "FGV releases on the last business days of the month itself", 40,
        overlap=2 * YEAR,
    ),
    Series(
        "ibc_br", ECONOMIC, "index", Frequency.MONTHLY, 50,
        "the Banco Central releases about 45 days after the month and restates past ones",
        95, overlap=5 * YEAR,
    ),
)  # fmt: skip

_ACCESSES = "ANATEL publishes 45 to 60 days after the month and restates it"
TELECOM = (
    *(Series(name, ANATEL_5G, "accesses", Frequency.MONTHLY, 60, _ACCESSES, 125, overlap=YEAR)
      for name in ("fiveg_accesses", "mobile_accesses")),
    Series(
        "fiveg_stations", ANATEL_5G, "stations", Frequency.MONTHLY, 0,
        "our own snapshot of the licences, of the day on which it was taken", 40,
    ),
)  # fmt: skip

BRENT = Series(
    "Brent", PRICES, "USD/bbl", Frequency.BUSINESS, 7,
    "EIA publishes once a week and IPEADATA follows it: 4 to 7 days", 21,
    currency="USD",
)  # fmt: skip
