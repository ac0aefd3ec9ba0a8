"""Every feature, declared once: name, unit, role, lag, source and what is done about gaps.

Where a value stands in the frame:

* Daily series stand on the day that they are of: a storm acts on its day, and its effect fades
  within a week. What is not known yet at the cutoff is NaN.
* Monthly series stand from the day on which they came out (at the latest ``lag`` days after
  their month began) until the next one does. They describe a state of the world, are published
  weeks late, and so a row to learn from shows exactly what a forecast is given: the newest
  figure that was out.

``persistence`` was chosen from measured autocorrelations at 15 to 30 days of five Brazilian
cities (2021 to 2025), PTAX (2015 to 2025) and Brent; a level that is not pulled back has 1.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType

MISSING = ("carry", "zero", "none")
QUOTE_CARRY = 10  # days: a week until Brent comes out, and a weekend
RELEASE_CARRY = 62  # days: one monthly release may be left out
TELECOM_CARRY = 100  # days: two counts may be left out


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature."""

    name: str  # `[a-z][a-z0-9_]*`
    series: str  # the series that it is made of, joined by `, `; empty = computed
    # share of the distance to its mean that is left after a day, in [0, 1]: how a forecast
    # carries a past-only value ahead
    persistence: float
    description: str  # what it means
    unit: str = "1"  # of the values, `1` where they have none
    driver: bool = False  # whether models may use it
    lag: int = 0  # days after its day (of a month: after its first) on which it is normally known
    # what a gap becomes: `carry` the last value, `zero` (a month before the first 5G access
    # counts 0; later gaps are carried), `none` (NaN stays)
    missing: str = "none"
    carry: int = 0  # most days that a value is carried past the day from which it stands
    group: str = field(kw_only=True)  # one of :data:`ml.contracts.outside.GROUPS`
    table: str = field(kw_only=True)  # the table that the series are in
    role: str = field(kw_only=True)  # one of :data:`ml.contracts.outside.ROLES`

    @property
    def source(self) -> str:
        """Table and series, or ``computed``."""
        return f"{self.table}: {self.series}" if self.series else "computed"

    @property
    def behind(self) -> int:
        """Days before a cutoff on which the frame has no value yet.

        0 for monthly series, which stand from the day on which they came out.
        """
        return 0 if self.carry >= RELEASE_CARRY else self.lag


def _calendar(name: str, description: str, *, unit: str = "1", driver: bool = False) -> Feature:
    return Feature(name, "", 1.0, description, unit, driver,
                   group="calendar", table="", role="future_known")  # fmt: skip


_climate = partial(Feature, group="climate", table="climate", role="past_only", lag=1)
_economy = partial(
    Feature, group="economy", table="economic", role="past_only", missing="carry", carry=QUOTE_CARRY
)
_monthly = partial(_economy, carry=RELEASE_CARRY)
_telecom = partial(
    Feature, group="telecom", table="anatel_5g", role="past_only", lag=92, missing="zero",
    carry=TELECOM_CARRY,
)  # fmt: skip
_price = partial(
    Feature, group="prices", table="prices", role="past_only", missing="carry", carry=QUOTE_CARRY
)

_RAIN, _WIND = "precipitation_mm", "wind_max_kmh"
_TEMP, _HUMID = "temperature_avg_c", "humidity_percent"
_CALENDAR = (
    _calendar("is_holiday", "public holiday of the nation or of the state", driver=True),
    _calendar("is_carnival", "Carnival Monday to Ash Wednesday", driver=True),
    _calendar("is_after_carnival", "the three days after: work is caught up", driver=True),
    _calendar("is_bridge_day", "the one working day between a day off and a weekend"),
    _calendar("is_year_end", "20 December to 5 January", driver=True),
    _calendar("is_july", "July: school holidays", driver=True),
    _calendar("is_business_day", "Monday to Friday, no holiday, no Carnival Monday or Tuesday"),
    _calendar("days_to_next_holiday", "0 on a holiday itself", unit="days"),
    _calendar("month_sin", "sine of the position in the year, by month"),
    _calendar("month_cos", "cosine of the position in the year, by month"),
)
_CLIMATE = (
    _climate(_TEMP, _TEMP, 0.96, "mean temperature", unit="deg C"),
    _climate("temperature_max_c", "temperature_max_c", 0.94, "highest temperature", unit="deg C"),
    _climate(_HUMID, _HUMID, 0.88, "mean relative humidity", unit="%"),
    _climate(_RAIN, _RAIN, 0.4, "rain of the local day", unit="mm"),
    _climate(_WIND, _WIND, 0.6, "highest wind", unit="km/h"),
    _climate("wet_bulb_c", f"{_TEMP}, {_HUMID}", 0.96, "wet-bulb temperature (Stull 2011)",
             unit="deg C"),
    _climate("is_storm", _RAIN, 0.0, "rain above the city's own 98 % quantile"),
    _climate("storm_load", _RAIN, 0.6, "storm days, each fading by 0.6 a day", unit="storms",
             driver=True),
    _climate("is_heat", "temperature_max_c", 0.6, "highest temperature above its 98 % quantile"),
    _climate("is_high_humidity", _HUMID, 0.5, "humidity above the city's own 90 % quantile"),
    _climate("humidity_load_30d", _HUMID, 0.98, "mean humidity of 30 days", unit="%"),
    _climate("humidity_load_60d", _HUMID, 0.985, "mean humidity of 60 days: corrosion", unit="%",
             driver=True),
    _climate("humidity_load_90d", _HUMID, 0.99, "mean humidity of 90 days", unit="%"),
    _climate("rain_30d", _RAIN, 0.97, "rain of 30 days, gaps filled by their mean", unit="mm"),
    _climate("is_drought", _RAIN, 0.95, "rain_30d below its own 5 % quantile"),
    _climate("field_work_disruption", f"{_RAIN}, {_WIND}", 0.3,
             "rain or wind above its own 95 % quantile"),
)  # fmt: skip
_ECONOMY = (
    _economy("usd_brl", "usd_brl", 1.0, "PTAX closing sell rate", unit="BRL/USD"),
    _economy("usd_brl_change_30d", "usd_brl", 0.955, "log change over 30 days"),
    _economy("usd_brl_change_60d", "usd_brl", 0.98, "log change over 60 days: what imports cost",
             driver=True),
    _economy("usd_brl_volatility_30d", "usd_brl", 0.98,
             "standard deviation of the log changes between quotes of 30 days"),
    _monthly("ipca", "ipca", 0.98, "consumer prices, change of the newest month out",
             unit="% a month", lag=41),
    _monthly("ipca_12m", "ipca", 1.0, "consumer prices, compounded over its 12 months",
             unit="% a year", lag=41),
    _economy("selic", "selic", 1.0, "policy rate", unit="% a year"),
    _economy("selic_change_90d", "selic", 0.99, "policy rate, difference over 90 days",
             unit="percentage points"),
    _monthly("ibc_br_change_12m", "ibc_br", 0.99, "economic activity, log change over 12 months",
             lag=76),
)  # fmt: skip
_TELECOM = (
    _telecom("fiveg_accesses", "fiveg_accesses", 1.0, "5G accesses of the state", unit="accesses"),
    _telecom("fiveg_growth_90d", "fiveg_accesses", 0.99, "log growth over 3 months",
             missing="carry"),
    _telecom("fiveg_share", "fiveg_accesses, mobile_accesses", 1.0, "5G of all mobile accesses"),
    _telecom("fiveg_adoption", "fiveg_accesses", 1.0,
             "most 5G accesses so far over the most ever known: the roll-out, never falling",
             driver=True),
    _telecom("fiveg_stations", "fiveg_stations", 1.0, "licensed 5G stations", unit="stations",
             lag=31, missing="carry"),
)  # fmt: skip
_PRICES = (
    _price("brent_return_20d", "Brent", 0.94, "return over 20 sessions", lag=7, driver=True),
    _price("brent_volatility_60d", "Brent", 0.99, "standard deviation of 60 sessions' returns",
           lag=7),
    _price("petr4_return_20d", "PETR4", 0.94, "return over 20 sessions, dividends not added"),
    _price("petr4_volatility_60d", "PETR4", 0.99, "standard deviation of 60 sessions' returns"),
    _price("usd_brl_return_20d", "USD/BRL", 0.94, "return over 20 sessions"),
)  # fmt: skip

FEATURES: tuple[Feature, ...] = (*_CALENDAR, *_CLIMATE, *_ECONOMY, *_TELECOM, *_PRICES)
BY_NAME: Mapping[str, Feature] = MappingProxyType({feature.name: feature for feature in FEATURES})
