"""Series of IPEADATA: what its metadata say of a series first, then all of its values.

The service knows no windows: a series comes whole, and what was not asked for is left out here.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, ClassVar

from pipelines.sources.base import Answer, Call, Parsed, Wanted
from pipelines.sources.checks import (
    context_of,
    fields,
    json_of,
    list_of,
    number,
    parsed,
    readings,
    refused,
)

ENTITIES = "/api/odata4"
MULTIPLIERS = {
    "": 1.0, "-": 1.0, "unidade": 1.0, "unidades": 1.0,
    "mil": 1e3, "milhar": 1e3, "milhares": 1e3,
    "milhao": 1e6, "milhoes": 1e6, "bilhao": 1e9, "bilhoes": 1e9, "trilhao": 1e12,
    "trilhoes": 1e12,
}  # fmt: skip
NATIONAL = ("", "Brasil", None)  # other rows of a series are of states and cities


@dataclass(frozen=True, slots=True)
class Ipeadata:
    """Adapter of the OData service; the code is SERCODIGO.

    Attributes:
        base: Scheme and host.
    """

    base: str
    name: ClassVar[str] = "ipeadata"
    overlap: ClassVar[int] = 40 * 366  # all of it: it comes anyway, and old values are restated
    pause: ClassVar[float] = 1.0

    def calls(self, wanted: Sequence[Wanted]) -> tuple[Call, ...]:
        """One request for the metadata of each series; its answer leads to that for the values."""
        return tuple(self._call(one) for one in wanted if one.first <= one.last)

    def _call(self, wanted: Wanted) -> Call:
        return Call(
            source=self.name,
            base=self.base,
            target=f"{ENTITIES}/Metadados('{wanted.code}')",
            series=(wanted.series,),
            media="json",
            context={**context_of(wanted), "step": "metadata"},
        )

    def parse(self, call: Call, answer: Answer) -> Parsed:
        """Read metadata, which name the request for the values, or the values.

        Raises:
            SourceError: It is no list, an empty one (an unknown code gets status 200), the list
                of another series, or the multiplier of the unit is not known.
        """
        (value,) = fields(call, json_of(call, answer), "value")
        records = list_of(call, value, "'value'")
        if not records:
            raise refused(call, f"no records: is '{call.context['code']}' a series of IPEADATA?")
        _expect_code(call, records)
        if call.context["step"] == "metadata":
            return _described(call, answer, records[0])
        return _values(call, answer, records)


def _expect_code(call: Call, records: Sequence[Any]) -> None:
    codes = {str(fields(call, record, "SERCODIGO")[0]) for record in records}
    if others := codes - {call.context["code"]}:
        raise refused(call, f"records of another series: {', '.join(sorted(others)[:3])}")


def _described(call: Call, answer: Answer, record: Any) -> Parsed:
    status, multiple, unit = fields(call, record, "SERSTATUS", "MULNOME", "UNINOME")
    factor = MULTIPLIERS.get(_plain(multiple))
    if factor is None:
        raise refused(call, f"values are in multiples of '{multiple}', which is not known")
    notes = []
    if status != "A":
        notes.append(f"the publisher has discontinued the series (SERSTATUS {status})")
    if factor != 1.0:
        notes.append(f"values are given in {multiple} {unit} and multiplied by {factor:,.0f}")
    values = replace(
        call,
        target=f"{ENTITIES}/ValoresSerie(SERCODIGO='{call.context['code']}')",
        context={**call.context, "step": "values", "multiplier": factor},
        conditional=True,
    )
    return replace(parsed(call, answer, (), notes), then=(values,))


def _plain(name: object) -> str:
    """A name without accents and brackets, in lower case."""
    letters = unicodedata.normalize("NFKD", str(name or ""))
    return letters.encode("ascii", "ignore").decode().strip(" ()").lower()


def _values(call: Call, answer: Answer, records: Sequence[Any]) -> Parsed:
    named = [fields(call, record, "VALDATA", "VALVALOR", "NIVNOME") for record in records]
    national = [record for record in named if record[2] in NATIONAL]
    rows, notes = readings(call, ((day, value) for day, value, _ in national), day=_day)
    factor = number(call.context["multiplier"])
    scaled = [(*row[:3], factor * row[3], row[4]) for row in rows]
    regional = len(named) - len(national)
    note = f"{regional} of {len(named)} values are of regions"
    return parsed(call, answer, scaled, (*notes, *((note,) if regional else ())))


def _day(stamp: str) -> date:
    # Midnight with the offset of its time, -02:00 in a summer of old: to convert it to another
    # zone would move it to the day before.
    return date.fromisoformat(stamp[:10])
