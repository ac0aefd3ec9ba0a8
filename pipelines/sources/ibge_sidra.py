"""Tables of IBGE (SIDRA): the IPCA as its publisher gives it."""

import re
from dataclasses import replace
from datetime import date

from pipelines.sources.answers import expect_list, read_json, refusal, take_fields
from pipelines.sources.base import Adapter, Answer, Call, ParsedAnswer, SeriesRequest
from pipelines.sources.checks import read_rows, screen

MISSING = (None, "", "..", "...", "-", "X")
MONTH = re.compile(r"(\d{4})(\d{2})")


class IbgeSidra(Adapter):
    """Adapter of ``values``; the code is table and variable, ``1737/63`` = IPCA, monthly change."""

    name = "ibge_sidra"
    overlap = 62
    pause = 0.5

    def call(self, wanted: SeriesRequest) -> Call:
        """All months of a table: what was not asked for is left out here.

        Raises:
            ValueError: The code is not a table and a variable.
        """
        table, variable = wanted.code.split("/")
        of_months = replace(wanted, first=wanted.first.replace(day=1))
        return self.ask_for(of_months, f"/values/t/{table}/n1/all/v/{variable}/p/all")

    def parse(self, call: Call, answer: Answer) -> ParsedAnswer:
        """Read the months below the header, which is the first record."""
        table, variable = call.context["code"].split("/")
        asked = f"variable {variable} of table {table}"
        records = expect_list(call, read_json(call, answer), "the answer")
        header, *months = [take_fields(call, one, "D3C", "V", "D2C") for one in records] or [()]
        if not months:
            raise refusal(call, f"no months in {len(records)} records: is {asked} right?")
        if MONTH.fullmatch(str(header[0])):
            raise refusal(call, "changed format: the first record is not the header")
        if others := {str(of) for _, _, of in months} - {variable}:
            cause = f"not {asked} but variable {min(others)}, from {months[0][0]} on"
            raise refusal(call, cause)
        pairs = ((month, value) for month, value, _ in months)
        return screen(call, answer, *read_rows(call, pairs, day=_day, missing=MISSING))


def _day(month: str) -> date:
    found = MONTH.fullmatch(month)
    if found is None:
        raise ValueError(f"'{month}' is no month")
    return date(int(found[1]), int(found[2]), 1)
