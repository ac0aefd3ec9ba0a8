import pytest

from pipelines.sources.base import SourceError
from pipelines.sources.bcb_ptax import BcbPtax
from tests.pipelines.sources.conftest import one_line, wrong_bodies
from tests.pipelines.sources.payloads_money import (
    answered,
    as_json,
    bulletin,
    ptax,
    values_of,
    wanted,
)

SOURCE = BcbPtax("http://x")
EMPTY = b'{"@odata.context":"https://x","value":[]}'


def parse(tmp_path, body, **window):
    (call,) = SOURCE.calls([wanted("usd_brl", "USD", **window)])
    return SOURCE.parse(call, answered(tmp_path, body))


def test_the_request_has_months_first_quotes_and_dollar_signs_as_they_are():
    (call,) = SOURCE.calls([wanted("usd_brl", "USD", first="2015-01-02", last="2025-11-11")])
    assert call.url == (
        "http://x/olinda/servico/PTAX/versao/v1/odata/CotacaoMoedaPeriodo"
        "(moeda=@moeda,dataInicial=@dataInicial,dataFinalCotacao=@dataFinalCotacao)"
        "?@moeda='USD'&@dataInicial='01-02-2015'&@dataFinalCotacao='11-11-2025'&$format=json"
    )


def test_of_five_bulletins_a_day_the_closing_sell_rate_counts(tmp_path):
    found = parse(tmp_path, ptax({"2025-03-06": 5.7568, "2025-03-07": 5.7789}))
    assert values_of(found) == {"2025-03-06": 5.7568, "2025-03-07": 5.7789}
    assert found.notes == ()


def test_the_running_day_has_no_rate_yet_and_is_counted(tmp_path):
    found = parse(tmp_path, ptax({"2025-03-07": 5.7789}, open_days=("2025-03-10",)))
    assert values_of(found) == {"2025-03-07": 5.7789}
    assert found.notes == ("1 of 2 days have no closing rate",)


@pytest.mark.parametrize("turned", [False, True], ids=["in order", "turned round"])
def test_of_a_day_that_closed_twice_the_later_rate_counts(tmp_path, turned):
    early = bulletin("2025-03-07", 4, 5.77)
    late = {**bulletin("2025-03-07", 4, 5.78), "dataHoraCotacao": "2025-03-07 14:06:26.1"}
    found = parse(tmp_path, as_json({"value": [late, early] if turned else [early, late]}))
    assert values_of(found) == {"2025-03-07": 5.78}
    assert found.notes == ("1 of 2 values are of a day given twice, the last counts",)


def test_nothing_in_a_short_window_is_no_fault(tmp_path):
    # Saturday 1 March to Wednesday 5 March 2025: carnival
    assert parse(tmp_path, EMPTY, last="2025-03-05").rows.num_rows == 0


def test_nothing_in_a_long_window_means_that_the_currency_is_not_known(tmp_path):
    # 3 to 17 March 2025 are 11 business days
    cause = r"^bcb_ptax: usd_brl: no closing rate among 0 bulletins of 11 business days: is 'USD'"
    with pytest.raises(SourceError, match=cause):
        parse(tmp_path, EMPTY, first="2025-03-03", last="2025-03-17")


def test_bulletins_that_are_called_otherwise_do_not_pass_for_a_quiet_month(tmp_path):
    renamed = ptax({"2025-03-07": 5.77}).replace(b"Fechamento", b"Encerramento")
    with pytest.raises(SourceError, match="no closing rate among 5 bulletins of 22 business days"):
        parse(tmp_path, renamed, first="2025-02-07", last="2025-03-10")


@wrong_bodies(
    (b"[]", "changed format: a record without value"),
    (b'{"value": null}', "'value' is NoneType, not a list"),
    (b'{"value": [{"cotacaoVenda": 5.7}]}', "a record without dataHoraCotacao, tipoBoletim"),
    (as_json({"value": [bulletin("2025-03-07", 4, 57789)]}), r"outside \[0.5, 25\]"),
    (as_json({"value": [bulletin("07/03/2025", 4, 5.7)]}), "1 of 1 values cannot be read"),
)
def test_what_is_no_data_is_one_line_with_source_series_and_cause(tmp_path, body, cause):
    with one_line(rf"bcb_ptax: usd_brl: .*{cause}"):
        parse(tmp_path, body)
