"""Reference exchange rates of the Banco Central do Brasil (PTAX): the closing sell rate."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar

import numpy as np

from pipelines.sources.base import Answer, Call, Parsed, Wanted
from pipelines.sources.checks import context_of, fields, json_of, list_of, parsed, readings, refused

SERVICE = "/olinda/servico/PTAX/versao/v1/odata/CotacaoMoedaPeriodo"
PARAMETERS = "(moeda=@moeda,dataInicial=@dataInicial,dataFinalCotacao=@dataFinalCotacao)"
CLOSING = "Fechamento"
LONGEST_REST = 10  # business days; carnival, Easter and Christmas close for fewer


@dataclass(frozen=True, slots=True)
class BcbPtax:
    """Adapter of ``CotacaoMoedaPeriodo``; the code is the currency, ``USD``.

    Attributes:
        base: Scheme and host.
    """

    base: str
    name: ClassVar[str] = "bcb_ptax"
    overlap: ClassVar[int] = 10
    pause: ClassVar[float] = 0.5

    def calls(self, wanted: Sequence[Wanted]) -> tuple[Call, ...]:
        """One request a currency; none where there is nothing to ask for."""
        return tuple(self._call(one) for one in wanted if one.first <= one.last)

    def _call(self, wanted: Wanted) -> Call:
        window = (
            f"@dataInicial='{wanted.first:%m-%d-%Y}'&@dataFinalCotacao='{wanted.last:%m-%d-%Y}'"
        )
        return Call(
            source=self.name,
            base=self.base,
            target=f"{SERVICE}{PARAMETERS}?@moeda='{wanted.code}'&{window}&$format=json",
            series=(wanted.series,),
            media="json",
            context=context_of(wanted),
        )

    def parse(self, call: Call, answer: Answer) -> Parsed:
        """Read the closing bulletins; of a day that closed twice, the later one.

        Raises:
            SourceError: It is no list of bulletins, or a window has no closing rate that must
                have one: an unknown currency gets an empty list and status 200.
        """
        (value,) = fields(call, json_of(call, answer), "value")
        names = ("dataHoraCotacao", "tipoBoletim", "cotacaoVenda")
        bulletins = [fields(call, one, *names) for one in list_of(call, value, "'value'")]
        closing = sorted((b for b in bulletins if b[1] == CLOSING), key=lambda b: str(b[0]))
        _expect_some(call, closing, bulletins)
        rows, notes = readings(call, ((b[0], b[2]) for b in closing), day=_day)
        return parsed(call, answer, rows, (*notes, *_unclosed(bulletins, closing)))


def _day(stamp: str) -> date:
    return date.fromisoformat(stamp[:10])  # local time of Brasilia, without an offset


def _expect_some(call: Call, closing: Sequence[Any], bulletins: Sequence[Any]) -> None:
    days = int(np.busday_count(call.context["first"], call.context["last"])) + 1
    if not closing and days > LONGEST_REST:
        raise refused(
            call,
            f"no closing rate among {len(bulletins)} bulletins of {days} business days: "
            f"is '{call.context['code']}' a currency?",
        )


def _unclosed(bulletins: Sequence[Any], closing: Sequence[Any]) -> tuple[str, ...]:
    """Days that have bulletins and no closing one, such as the running day."""
    days = Counter(str(bulletin[0])[:10] for bulletin in bulletins)
    left = len(days.keys() - {str(bulletin[0])[:10] for bulletin in closing})
    return (f"{left} of {len(days)} days have no closing rate",) if left else ()
