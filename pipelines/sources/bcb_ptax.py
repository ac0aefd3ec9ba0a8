"""Reference exchange rates of the Banco Central do Brasil (PTAX): the closing sell rate."""

from pipelines.sources.answers import expect_list, read_json, take_fields
from pipelines.sources.base import Adapter, Answer, Call, ParsedAnswer, SeriesRequest
from pipelines.sources.checks import expect_rows, read_local_day, read_rows, screen

SERVICE = "/olinda/servico/PTAX/versao/v1/odata/CotacaoMoedaPeriodo"
PARAMETERS = "(moeda=@moeda,dataInicial=@dataInicial,dataFinalCotacao=@dataFinalCotacao)"
CLOSING = "Fechamento"


class BcbPtax(Adapter):
    """Adapter of ``CotacaoMoedaPeriodo``; the code is the currency, ``USD``."""

    name = "bcb_ptax"
    overlap = 10
    pause = 0.5

    def call(self, wanted: SeriesRequest) -> Call:
        """All bulletins of the window."""
        window = (
            f"@dataInicial='{wanted.first:%m-%d-%Y}'&@dataFinalCotacao='{wanted.last:%m-%d-%Y}'"
        )
        target = f"{SERVICE}{PARAMETERS}?@moeda='{wanted.code}'&{window}&$format=json"
        return self.ask_for(wanted, target)

    def parse(self, call: Call, answer: Answer) -> ParsedAnswer:
        """Read the closing bulletins; of a day that closed twice, the later one."""
        (value,) = take_fields(call, read_json(call, answer), "value")
        names = ("dataHoraCotacao", "tipoBoletim", "cotacaoVenda")
        bulletins = [take_fields(call, one, *names) for one in expect_list(call, value, "'value'")]
        closing = sorted(
            ((stamp, rate) for stamp, kind, rate in bulletins if kind == CLOSING),
            key=lambda pair: str(pair[0]),
        )
        cause = f"no closing rate among {len(bulletins)} bulletins of {{days}} business days: "
        expect_rows(call, closing, f"{cause}is '{call.context['code']}' a currency?")
        rows, notes = read_rows(call, closing, day=read_local_day)  # of Brasilia
        days = {str(stamp)[:10] for stamp, _, _ in bulletins}
        if unclosed := len(days - {str(stamp)[:10] for stamp, _ in closing}):  # the running day
            notes = (*notes, f"{unclosed} of {len(days)} days have no closing rate")
        return screen(call, answer, rows, notes)
