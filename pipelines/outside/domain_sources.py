"""The four domains: their series, the places they are of, and who serves each, in what order."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ml.errors import ConfigError
from ml.settings import Settings
from pipelines.outside import known_series
from pipelines.outside.known_series import Series
from pipelines.outside.places import Place, sites, states, symbols
from pipelines.sources.alpha_vantage import AlphaVantage
from pipelines.sources.anatel_accesses import AnatelAccesses
from pipelines.sources.anatel_stations import AnatelStations
from pipelines.sources.base import Adapter
from pipelines.sources.bcb_ptax import BcbPtax
from pipelines.sources.bcb_sgs import BcbSgs
from pipelines.sources.ibge_sidra import IbgeSidra
from pipelines.sources.inmet import Inmet
from pipelines.sources.ipeadata import Ipeadata
from pipelines.sources.nasa_power import NasaPower
from pipelines.sources.open_meteo import OpenMeteo
from pipelines.sources.yahoo_chart import YahooChart

HISTORY_FILE = "history_file"


@dataclass(frozen=True, slots=True)
class Route:
    """One way to a series."""

    source: str  # name of the adapter
    code: str = ""  # what the series is called there; empty where the adapter knows by itself
    checks: bool = False  # it is asked although another one served, to compare


@dataclass(frozen=True, slots=True)
class Domain:
    """What one ETL command collects."""

    name: str  # of the domain and of its main table
    series: Mapping[str, Series]  # all that its tables hold, by name
    # ways to the series that are asked for, best first; the others come with them
    routes: Mapping[str, tuple[Route, ...]]
    places: tuple[Place, ...] = (Place(),)  # what each series is of

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of its tables, each once."""
        return tuple(dict.fromkeys(one.table for one in self.series.values()))

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of all sources that can have served it, imported files among them."""
        routes = (route.source for ways in self.routes.values() for route in ways)
        return (*dict.fromkeys(routes), HISTORY_FILE)

    def asked_with(self, series: str) -> str:
        """The series that is asked for: dividends and splits come with the price."""
        return series if series in self.routes else series.partition("/")[0]

    def preferred(self, series: str) -> tuple[str, ...]:
        """Sources of a series, best first."""
        return tuple(route.source for route in self.routes.get(self.asked_with(series), ()))


def adapters(settings: Settings) -> dict[str, Adapter]:
    """All adapters by name, at the addresses of the settings.

    Raises:
        ConfigError: An address is none.
    """
    made: tuple[Adapter, ...] = (
        Ipeadata(_base(settings.ipeadata_base_url)),
        BcbSgs(_base(settings.bcb_sgs_base_url)),
        BcbPtax(_base(settings.bcb_ptax_base_url)),
        IbgeSidra(_base(settings.ibge_sidra_base_url)),
        OpenMeteo(_base(settings.open_meteo_base_url)),
        Inmet(_base(settings.inmet_base_url)),
        NasaPower(_base(settings.nasa_power_base_url)),
        AnatelAccesses(_base(settings.anatel_base_url)),
        AnatelStations(_base(settings.anatel_stations_base_url)),
        YahooChart(_base(settings.yahoo_base_url)),
        AlphaVantage(_base(settings.alphavantage_base_url), settings.alphavantage_api_key),
    )
    return {one.name: one for one in made}


def _base(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise ConfigError(f"settings: '{url}' is no address. Write scheme and host: https://host.")
    return url.rstrip("/")


_DOLLAR = (Route("bcb_ptax", "USD"), Route("bcb_sgs", "1"), Route("ipeadata", "GM366_ERC366"))
_WEATHER = (Route("open_meteo"), Route("inmet"), Route("nasa_power"))
_ECONOMY = {
    "usd_brl": _DOLLAR,
    "selic": (Route("bcb_sgs", "432"),),
    "selic_daily": (Route("bcb_sgs", "11"),),
    "ipca": (Route("bcb_sgs", "433"), Route("ibge_sidra", "1737/63")),
    "igp_m": (Route("bcb_sgs", "189"),),
    "ibc_br": (Route("bcb_sgs", "24363"),),
}
_TELECOM = {
    "fiveg_accesses": (Route("anatel_accesses"),),
    "mobile_accesses": (Route("anatel_accesses"),),
    "fiveg_stations": (Route("anatel_stations"),),
}


def domain(name: str, settings: Settings) -> Domain:
    """One of the four domains, with the places and symbols of the settings.

    Raises:
        ConfigError: A setting that names places or symbols cannot be read.
    """
    return _MADE[name](settings)


def _climate(settings: Settings) -> Domain:
    weather, places = _by_name(*known_series.WEATHER), tuple(sites(settings).values())
    return Domain("climate", weather, dict.fromkeys(weather, _WEATHER), places)


def _anatel(settings: Settings) -> Domain:
    places = tuple(Place(state) for state in states(settings))
    return Domain("anatel_5g", _by_name(*known_series.TELECOM), _TELECOM, places)


def _prices(settings: Settings) -> Domain:
    quotes = symbols(settings)
    own = {"Brent", "USD/BRL"} & quotes.keys()
    if own:
        raise ConfigError(f"settings: SYMBOLS: {sorted(own)} come from elsewhere: rename them.")
    series = [known_series.BRENT, known_series.dollar("USD/BRL", known_series.PRICES)]
    routes = {"Brent": (Route("ipeadata", "EIA366_PBRENT366"),), "USD/BRL": _DOLLAR}
    has_key = bool(settings.alphavantage_api_key.get_secret_value())
    for name, symbol in quotes.items():
        currency = "BRL" if symbol.endswith(".SA") else None  # other exchanges: not known here
        series += known_series.quoted(name, currency)
        routes[name] = (Route("yahoo", symbol), Route("alpha_vantage", symbol, checks=has_key))
    return Domain("prices", _by_name(*series), routes)


_MADE: Mapping[str, Callable[[Settings], Domain]] = {
    "climate": _climate,
    "economic": lambda _: Domain("economic", _by_name(*known_series.ECONOMY), _ECONOMY),
    "anatel_5g": _anatel,
    "prices": _prices,
}
DOMAINS = tuple(_MADE)
"""What is collected, one command each; the name is also that of the main table."""


def _by_name(*series: Series) -> dict[str, Series]:
    return {one.name: one for one in series}
