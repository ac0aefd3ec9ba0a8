"""Alpha Vantage: the last hundred sessions of a quoted price, to top up and to cross-check."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from pydantic import SecretStr

from pipelines.sources.answers import quote, read_json, refusal, take_fields
from pipelines.sources.base import Adapter, Answer, Call, ParsedAnswer, SeriesRequest, SourceError
from pipelines.sources.checks import read_rows, screen

SERIES = "Time Series (Daily)"
MESSAGES = ("Error Message", "Note", "Information")
REFUSALS = (
    ("per second", "too many requests at once"),  # first: it names the day's quota as well
    ("sparingly", "too many requests at once"),
    ("is a premium", "not part of the free service"),
    ("per day", "the quota of the day is used up, it starts again at midnight UTC"),
    ("per minute", "too many requests at once"),
    ("rate limit", "the quota is used up"),
    ("", "the service refuses"),
)
"""What a refusal says, in the order in which it is looked for, and what it means."""


@dataclass(frozen=True, slots=True)
class AlphaVantage(Adapter):
    """Adapter of ``TIME_SERIES_DAILY``; the code is the symbol as Yahoo writes it, ``PETR4.SA``."""

    key: SecretStr  # of the user; empty = the service is not asked
    name = "alpha_vantage"
    overlap = 10
    pause = 1.5  # one request a second

    def calls(self, wanted: Sequence[SeriesRequest]) -> tuple[Call, ...]:
        """One request a symbol; more than a hundred sessions are not free."""
        if not self.key.get_secret_value():
            names = [one.series for one in wanted]
            raise SourceError(self.name, names, "no key; set ALPHAVANTAGE_API_KEY to ask it")
        return Adapter.calls(self, wanted)

    def call(self, wanted: SeriesRequest) -> Call:
        """The last hundred sessions of a symbol."""
        target = (
            f"/query?function=TIME_SERIES_DAILY&symbol={_symbol(wanted.code)}"
            "&outputsize=compact&datatype=json"
        )
        return self.ask_for(wanted, target, secret=("apikey", self.key))

    def parse(self, call: Call, answer: Answer) -> ParsedAnswer:
        """Read raw closes; the bar of the day of the run is preliminary."""
        found = read_json(call, answer)
        if not isinstance(found, dict) or not found:
            raise refusal(call, "an empty object")
        for text in (str(found[key]) for key in MESSAGES if key in found):
            meaning = next(means for words, means in REFUSALS if words in text.lower())
            raise refusal(call, f"{meaning}: {quote(call, text)}")
        about, bars = take_fields(call, found, "Meta Data", SERIES)
        (symbol,) = take_fields(call, about, "2. Symbol")
        if str(symbol).upper() != _symbol(call.context["code"]).upper():
            raise refusal(call, f"sessions of another symbol: {quote(call, str(symbol))}")
        if not isinstance(bars, dict) or not bars:
            raise refusal(call, "a series without sessions")
        closes = [(day, *take_fields(call, bar, "4. close")) for day, bar in bars.items()]
        rows, notes = read_rows(call, closes, day=date.fromisoformat, preliminary_from=answer.day)
        oldest, first = min(bars), call.context["first"]
        if oldest > first:  # the free service cannot give more
            notes = (*notes, f"sessions begin on {oldest}, {first} was asked for")
        return screen(call, answer, rows, notes)


def _symbol(code: str) -> str:
    """The same symbol here: São Paulo is ``.SAO``, not ``.SA``."""
    return f"{code}O" if code.endswith(".SA") else code
