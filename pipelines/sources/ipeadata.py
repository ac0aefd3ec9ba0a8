"""Series of IPEADATA: what its metadata say of a series first, then all of its values.

The service knows no windows: a series comes whole, and what was not asked for is left out here.
"""

import unicodedata
from dataclasses import replace
from typing import Any

from pipelines.sources.answers import expect_list, read_json, refusal, take_fields
from pipelines.sources.base import Adapter, Answer, Call, ParsedAnswer, SeriesRequest
from pipelines.sources.checks import read_local_day, read_rows, screen, to_number

ENTITIES = "/api/odata4"
MULTIPLIERS = {
    "": 1.0, "-": 1.0, "unidade": 1.0, "unidades": 1.0,
    "mil": 1e3, "milhar": 1e3, "milhares": 1e3,
    "milhao": 1e6, "milhoes": 1e6, "bilhao": 1e9, "bilhoes": 1e9, "trilhao": 1e12,
    "trilhoes": 1e12,
}  # fmt: skip
NATIONAL = ("", "Brasil", None)  # other rows of a series are of states and cities


class Ipeadata(Adapter):
    """Adapter of the OData service; the code is SERCODIGO."""

    name = "ipeadata"
    overlap = 40 * 366  # all of it: it comes anyway, and old values are restated
    pause = 1.0

    def call(self, wanted: SeriesRequest) -> Call:
        """The metadata of a series; its answer leads to the request for the values."""
        call = self.ask_for(wanted, f"{ENTITIES}/Metadados('{wanted.code}')")
        return replace(call, context={**call.context, "step": "metadata"})

    def parse(self, call: Call, answer: Answer) -> ParsedAnswer:
        """Read metadata, which name the request for the values, or the values."""
        code = call.context["code"]
        (value,) = take_fields(call, read_json(call, answer), "value")
        records = expect_list(call, value, "'value'")
        if not records:
            raise refusal(call, f"no records: is '{code}' a series of IPEADATA?")
        codes = {str(take_fields(call, record, "SERCODIGO")[0]) for record in records}
        if others := sorted(codes - {code}):
            raise refusal(call, f"records of another series: {', '.join(others[:3])}")
        if call.context["step"] == "metadata":
            return _read_metadata(call, answer, records[0])
        found = [take_fields(call, record, "VALDATA", "VALVALOR", "NIVNOME") for record in records]
        national = [(stamp, value) for stamp, value, level in found if level in NATIONAL]
        factor = to_number(call.context["multiplier"])
        # midnight with the offset of its time, -02:00 in a summer of old
        rows, notes = read_rows(call, national, day=read_local_day, factor=factor)
        if regional := len(found) - len(national):
            notes = (*notes, f"{regional} of {len(found)} values are of regions")
        return screen(call, answer, rows, notes)


def _read_metadata(call: Call, answer: Answer, record: Any) -> ParsedAnswer:
    status, multiple, unit = take_fields(call, record, "SERSTATUS", "MULNOME", "UNINOME")
    letters = unicodedata.normalize("NFKD", str(multiple or "")).encode("ascii", "ignore")
    factor = MULTIPLIERS.get(letters.decode().strip(" ()").lower())
    if factor is None:
        raise refusal(call, f"values are in multiples of '{multiple}', which is not known")
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
    return replace(screen(call, answer, (), notes), then=(values,))
