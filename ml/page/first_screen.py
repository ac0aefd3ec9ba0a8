"""The page's first screen as plain HTML: what it says without a script, and on paper."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from html import escape
from typing import Any

import numpy as np

from ml.page.items import ItemList

Texts = Mapping[str, str]
MISSING = "\N{EN DASH}"
SHOWN = 50  # items in the table
URGENT = ("order_now", "expedite")
MONTHS = {
    "pt": ("jan", "fev", "mar", "abr", "mai", "jun", "jul", "ago", "set", "out", "nov", "dez"),
    "en": ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sept", "Oct", "Nov", "Dec"),
}
IN_SENTENCES = ("inventory_position", "reorder_point", "order_qty", "p_stockout_no_order",
                "excess_qty", "ltd_mean", "on_hand")  # fmt: skip


class Speaker:
    """Numbers, days and sentences of one language, as the script writes them too."""

    def __init__(self, language: str, texts: Texts) -> None:
        self.language, self.texts = language, texts

    def say(self, key: str, **values: object) -> str:
        """The text of a key with its names filled in; of an unknown key its last part."""
        text = self.texts.get(key, key.partition(".")[2])
        return re.sub(r"\{(\w+)\}", lambda match: str(values.get(match[1], MISSING)), text)

    def number(self, value: float | Decimal | None, decimals: int = 1) -> str:
        """A number with at most so many decimals and the signs of the language.

        Halves go away from zero, of the number as it is written: the script's rounding.
        """
        if value is None or value != value:  # noqa: PLR0124 - not a number
            return MISSING
        exact = value if isinstance(value, Decimal) else Decimal(repr(float(value)))
        text = f"{exact.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP):,f}"
        text = text.rstrip("0").rstrip(".") if decimals else text
        return text if self.language == "en" else text.translate(str.maketrans(",.", ".,"))

    def quantity(self, value: float | None) -> str:
        """Units: whole where they are many, with decimals where they are few."""
        size = abs(value or 0)
        return self.number(value, 0 if size >= 100 else 1 if size >= 10 else 2)

    def percent(self, value: float | None, decimals: int = 0) -> str:
        """A share as per cent."""
        if value is None or value != value:  # noqa: PLR0124 - not a number
            return MISSING
        return f"{self.number(100 * Decimal(repr(float(value))), decimals)}%"

    def money(self, value: float | None, currency: str | None) -> str:
        """An amount with its currency as it was given."""
        shown = self.number(value, 2 if abs(value or 0) < 100 else 0)
        sign = "R$" if currency == "BRL" else currency
        return f"{sign} {shown}" if sign and shown != MISSING else shown

    def day(self, value: date | None) -> str:
        """A day with the name of its month."""
        if value is None:
            return MISSING
        month = MONTHS[self.language][value.month - 1]
        if self.language == "pt":
            return f"{value.day:02d} de {month}. de {value.year}"
        return f"{value.day:02d} {month} {value.year}"


def first_screen(summary: Mapping[str, Any], items: ItemList, speaker: Speaker) -> str:
    """What can be trusted and what has to be done, as HTML without a script.

    Ids and all else that comes from data are escaped.
    """
    say = speaker.say
    kind = "synthetic" if summary["synthetic"] else "real"
    look = "made-up" if summary["synthetic"] else "real"
    cards = "".join(
        f'<li class="card"><span class="card-name">{escape(say(f"card.{name}"))}</span>'
        f'<strong>{escape(value)}</strong><span class="note">{escape(note)}</span></li>'
        for name, value, note in _cards(summary, items, speaker)
    )
    chosen = _most_urgent(items)
    rows = "".join(_row(items, place, speaker) for place in chosen)
    names = ("rank", "item", "action", "order", "value", "risk", "out", "why")
    heads = "".join(f'<th scope="col">{escape(say(f"column.{name}"))}</th>' for name in names)
    caption = say("today.first", count=len(chosen), of=speaker.number(len(items.ids), 0))
    return (
        f"<h2>{escape(say('today.trust'))}</h2>"
        f'<p class="banner {look}">{escape(say(f"source.{kind}"))}</p>'
        f'<ul class="cards">{cards}</ul>'
        f"<h2>{escape(say('today.todo'))}</h2>"
        f'<div class="box" tabindex="0" role="region" aria-label="{escape(caption)}">'
        f"<table><caption>{escape(caption)}</caption>"
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _cards(
    summary: Mapping[str, Any], items: ItemList, speaker: Speaker
) -> Iterator[tuple[str, str, str]]:
    say = speaker.say
    made = summary["generated_at"]
    ended = max(summary["data_end"].values(), default=summary["as_of"])
    gate = summary["gate"]
    state = "unknown" if gate is None else "open" if gate["open"] else "closed"
    rules = [] if gate is None else gate["rules"]
    closed = sum(rule["verdict"] in {"closed", "accepted"} for rule in rules)
    yield "run", speaker.day(datetime.fromisoformat(made).date() if made else None), ""
    yield "data", speaker.day(date.fromisoformat(ended[:10])), ""
    yield "gate", say(f"gate.{state}"), say(f"gate.{state}.note", count=closed)
    yield "orders", speaker.number(summary["orders"], 0), _order_value(items, speaker)
    share = summary["fallbacks"] / summary["items"] if summary["items"] else None
    count = speaker.number(summary["fallbacks"], 0)
    of = speaker.number(summary["items"], 0)
    yield "fallbacks", speaker.percent(share, 1), say("card.fallbacks.note", count=count, of=of)
    yield "refusals", speaker.number(summary["refusals"], 0), ""


def _order_value(items: ItemList, speaker: Speaker) -> str:
    """What all orders of today come to, by currency."""
    sums: dict[str | None, float] = {}
    columns = (items.columns[name].to_pylist() for name in ("action", "order_value", "currency"))
    for action, value, currency in zip(*columns, strict=True):
        if action in URGENT and value is not None:
            sums[currency] = sums.get(currency, 0.0) + value
    told = " + ".join(speaker.money(value, currency) for currency, value in sums.items())
    return told or speaker.say("card.orders.none")


def _most_urgent(items: ItemList) -> Sequence[int]:
    """The first items by rank, those without one last; at most so many as are shown."""
    ranks = items.numbers["priority_rank"]
    return np.argsort(np.nan_to_num(ranks, nan=np.inf), kind="stable")[:SHOWN].tolist()


def _row(items: ItemList, place: int, speaker: Speaker) -> str:
    def of(name: str) -> Any:
        return items.columns[name][place].as_py()

    rank, risk, until = (of(name) for name in
                         ("priority_rank", "p_stockout_no_order", "stockout_date_p50"))  # fmt: skip
    action = "refused" if of("refusal") is not None else of("action") or "none"
    cells = (
        speaker.say(f"action.{action}"),
        speaker.quantity(of("order_qty") or None),
        speaker.money(of("order_value") or None, of("currency")),
        speaker.percent(risk),
        speaker.day(until.date() if until else None),
        tell_reason(of, speaker),
    )
    told = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
    return (
        f"<tr><td>{speaker.number(rank, 0)}</td>"
        f'<th scope="row"><bdi class="id">{escape(items.ids[place])}</bdi></th>{told}</tr>'
    )


def tell_reason(of: Any, speaker: Speaker) -> str:
    """Why an item is what it is, as a sentence out of its code and numbers."""
    if (refusal := of("refusal")) is not None:
        return speaker.say("refused.sentence", reason=refusal)
    code = of("reason_code")
    if code is None:
        return speaker.say("reason.of_price" if of("kind") == "price" else "reason.of_forecast")
    values = {name: speaker.quantity(of(name)) for name in IN_SENTENCES}
    values["p_stockout_no_order"] = speaker.percent(of("p_stockout_no_order"), 1)
    amount = speaker.money(of("excess_value"), of("currency"))
    return speaker.say(f"reason.{code}", **values, excess_money=amount)
