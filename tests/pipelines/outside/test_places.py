"""Places and symbols of the settings."""

import pytest

from ml.errors import ConfigError
from ml.settings import Settings
from pipelines.outside.domain_sources import adapters, domain
from pipelines.outside.places import Place, sites, states, symbols
from pipelines.sources.checks import LIMITS


def having(**values):
    return Settings(_env_file=None, **values)


def test_a_site_is_a_name_a_place_and_its_stations():
    found = sites(having(sites=" salvador_ba:-12.97:-38.51:A401+A456 , recife_pe:-8:-34.9:A301,"))
    assert found == {
        "salvador_ba": Place("salvador_ba", (-12.97, -38.51), {"inmet": "A401+A456"}),
        "recife_pe": Place("recife_pe", (-8.0, -34.9), {"inmet": "A301"}),
    }


@pytest.mark.parametrize(
    "text",
    [
        "salvador_ba:-12.97:-38.51",
        "salvador_ba:-12.97:-38.51:A401:x",
        "salvador_ba:south:-38.51:A401",
        "salvador_ba:nan:-38.51:A401",
        "salvador_ba:-12.97:-238.51:A401",
        "salvador:-12.97:-38.51:A401",
        "Salvador_BA:-12.97:-38.51:A401",
        "salvador_xx:-12.97:-38.51:A401",
        "salvador_ba:-12.97:-38.51:401",
    ],
)
def test_a_site_that_cannot_be_read_is_named(text):
    with pytest.raises(ConfigError, match=r"SITES: '.*' cannot be read"):
        sites(having(sites=f"recife_pe:-8:-34.9:A301,{text}"))


@pytest.mark.parametrize(
    ("read", "values", "message"),
    [
        (sites, {"sites": " , "}, "SITES names nothing"),
        (sites, {"sites": "a_ba:1:1:A401,a_ba:1:1:A401"}, "1 of 1 are there twice: 'a_ba'"),
        (states, {"states": ","}, "STATES names nothing"),
        (states, {"states": "BA,XX,YY"}, "2 of 3 are no Brazilian states: 'XX', 'YY'"),
        (states, {"states": "BA,ba"}, "STATES: 1 of 1 are there twice"),
        (symbols, {"symbols": "PETR4"}, "SYMBOLS: 1 of 1 cannot be read: 'PETR4'"),
        (symbols, {"symbols": "A=B C"}, "SYMBOLS: 1 of 1 cannot be read"),
        (symbols, {"symbols": "A=B,A=C"}, "SYMBOLS: 1 of 1 are there twice"),
    ],
)
def test_a_list_that_cannot_be_used_is_said_in_one_line(read, values, message):
    with pytest.raises(ConfigError, match=message):
        read(having(**values))


def test_states_may_be_written_in_small_letters():
    assert states(having(states="ba, pe")) == ("BA", "PE")


def test_a_symbol_may_not_take_the_name_of_another_series():
    with pytest.raises(ConfigError, match=r"SYMBOLS: .*'Brent'.* come from elsewhere"):
        domain("prices", having(symbols="Brent=BZ=F"))


def test_a_symbol_brings_its_dividends_and_splits():
    found = domain("prices", having(symbols="PETR4=PETR4.SA,XOM=XOM"))
    assert found.series["PETR4"].currency == "BRL"
    assert found.series["XOM"].currency is None
    assert found.series["XOM/dividend"].table == "dividends"
    assert found.preferred("PETR4/split") == ("yahoo", "alpha_vantage")


def test_an_address_that_is_none_is_said():
    with pytest.raises(ConfigError, match="'ftp://x' is no address"):
        adapters(having(inmet_base_url="ftp://x"))


@pytest.mark.parametrize("name", ["climate", "economic", "anatel_5g", "prices"])
def test_every_series_is_declared_and_every_source_exists(name):
    config = having()
    found = domain(name, config)
    assert set(found.routes) <= set(found.series)
    assert {*found.sources} - {"history_file"} <= set(adapters(config))
    for facts in found.series.values():
        assert facts.lag >= 0
        assert len(facts.lag_from) > 10
        low, high = LIMITS.get(facts.name, (-1, 1))
        assert low < high
