"""A made-up country whose services answer on this machine, as of the day that it has reached."""

import hashlib
import math
import re
from dataclasses import dataclass, field
from datetime import date, timedelta
from urllib.parse import unquote

import numpy as np

from ml.settings import Settings
from tests.pipelines.sources import payloads_money as money
from tests.pipelines.sources import payloads_sky as sky
from tests.pipelines.sources.replay import Replay, Reply

JSON = {"Content-Type": "application/json"}
ZIP = {"Content-Type": "application/x-zip-compressed"}
ADDRESSES = {
    "ipeadata": "IPEADATA_BASE_URL",
    "bcb_sgs": "BCB_SGS_BASE_URL",
    "bcb_ptax": "BCB_PTAX_BASE_URL",
    "ibge_sidra": "IBGE_SIDRA_BASE_URL",
    "open_meteo": "OPEN_METEO_BASE_URL",
    "inmet": "INMET_BASE_URL",
    "nasa_power": "NASA_POWER_BASE_URL",
    "anatel_accesses": "ANATEL_BASE_URL",
    "anatel_stations": "ANATEL_STATIONS_BASE_URL",
    "yahoo": "YAHOO_BASE_URL",
    "alpha_vantage": "ALPHAVANTAGE_BASE_URL",
}
# A source that this country lacks is one that is down.
ADDRESSES |= {
    name.upper(): name.upper()
    for name in Settings.model_fields
    if name.endswith("_base_url") and name.upper() not in ADDRESSES.values()
}
DOWN = Reply(403, b"Forbidden")  # an error that is not tried again
MONTHLY = {"433": 12, "189": 1, "24363": 50}  # days after the month at which a value is out


def days_between(first, last):
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def business(days):
    return [day for day in days if np.is_busday(day)]


def level(base, day):
    """A value that is another one on every day, and the same whenever it is asked for."""
    return round(base * (1 + (day.toordinal() % 97) / 1000), 4)


@dataclass
class World:
    """Services, each on a server of its own.

    Attributes:
        day: Day that the services have reached.
        revised: Values that services have changed, by series code and ISO date; of a ``split`` or
            an ``unnamed split`` the new shares for an old one.
    """

    day: date = date(2026, 11, 20)
    start: date = date(2026, 9, 1)
    revised: dict = field(default_factory=dict)
    servers: dict = field(default_factory=dict)

    def __enter__(self):
        for name in ADDRESSES:
            self.servers[name] = Replay().__enter__()
        self.restore()
        return self

    def __exit__(self, *_):
        for server in self.servers.values():
            server.__exit__()

    def restore(self):
        """Let every service answer as it does on good days."""
        for name, server in self.servers.items():
            server.routes = {"/": getattr(self, f"_{name}", DOWN)}

    def down(self, *names, reply=None):
        """Let services answer with an error that is not tried again, or with a reply."""
        for name in names or ADDRESSES:
            self.servers[name].routes = {"/": reply or DOWN}

    def clear(self):
        for server in self.servers.values():
            server.clear()

    def targets(self, name):
        return [unquote(target) for target in self.servers[name].targets()]

    def asked(self):
        """Services that got a request."""
        return {name for name, server in self.servers.items() if server.log}

    def value(self, code, base, day):
        return self.revised.get((code, day.isoformat()), level(base, day))

    def months_out(self, first, lag):
        """Months from a day on whose value is out, so many days after their end."""
        days = days_between(first, self.day - timedelta(days=lag - 1))  # the day after a month
        starts = [day for day in days if day.day == 1]
        return starts[:-1]

    def _bcb_sgs(self, request):
        code = re.search(r"sgs\.(\d+)/", request.target)[1]
        first, last = (_from_brazil(request.query[name]) for name in ("dataInicial", "dataFinal"))
        last = min(last, self.day)
        if code in MONTHLY:
            out = self.months_out(first, MONTHLY[code])
        else:
            out = days_between(first, last)
            out = out if code == "432" else business(out)
        base = {"1": 5.4, "432": 15.0, "11": 0.05, "433": 0.4, "189": 0.3, "24363": 108.0}[code]
        values = {str(day): f"{self.value(code, base, day)}" for day in out}
        if not values:
            return Reply(404, money.SGS_NOT_FOUND, JSON)
        return Reply(200, money.sgs(values), JSON)

    def _bcb_ptax(self, request):
        texts = re.findall(r"'(\d\d-\d\d-\d{4})'", unquote(request.target))
        first, last = (date(int(t[6:]), int(t[:2]), int(t[3:5])) for t in texts)
        out = business(days_between(first, min(last, self.day)))
        closing = {str(day): self.value("ptax", 5.4, day) for day in out}
        return Reply(200, money.ptax(closing), JSON)

    def _ipeadata(self, request):
        code = re.search(r"'(\w+)'", unquote(request.target))[1]
        if "Metadados" in request.target:
            return Reply(200, money.ipeadata_metadata(code), JSON)
        base, lag = {"EIA366_PBRENT366": (80.0, 5), "GM366_ERC366": (5.4, 1)}[code]
        out = days_between(self.start - timedelta(days=30), self.day - timedelta(days=lag))
        values = {
            str(day): self.value(code, base, day) if np.is_busday(day) else None for day in out
        }
        return _tagged(money.ipeadata_values(code, values), JSON)

    def _ibge_sidra(self, _request):
        out = self.months_out(self.start - timedelta(days=62), MONTHLY["433"])
        values = {f"{day:%Y%m}": f"{self.value('433', 0.4, day)}" for day in out}
        return Reply(200, money.sidra(values), JSON)

    def _open_meteo(self, request):
        change = {"precipitation_sum": {}}
        for (code, day), value in self.revised.items():
            if code == "rain":
                change["precipitation_sum"][day] = value
        query = dict(request.query)
        inside = days_between(*(date.fromisoformat(query[n]) for n in ("start_date", "end_date")))
        own = {name: {d: v for d, v in of.items() if date.fromisoformat(d) in inside}
               for name, of in change.items()}  # fmt: skip
        return Reply(200, sky.open_meteo_to(query, change=own), JSON)

    def _inmet(self, request):
        year = int(re.search(r"(\d{4})\.zip", request.target)[1])
        first, last = max(date(year, 1, 1), self.start), min(date(year, 12, 31), self.day)
        codes = ("A401", "A701")
        return _tagged(sky.inmet_zip(first, last, codes=codes), ZIP)

    def _nasa_power(self, request):
        return Reply(200, sky.nasa_power_to(request.query), JSON)

    def _anatel_accesses(self, _request):
        out = self.months_out(date(2026, 1, 1), 50)
        rows = [
            sky.accesses_row(day.year, day.month, state, generation,
                             int(self.value(f"{state}{generation}", base, day)))
            for day in out
            for state in ("BA", "SP")
            for generation, base in (("4G", 900_000), ("5G", 300_000))
        ]  # fmt: skip
        halves = {"2026_1S": [row for row in rows if int(row[1]) <= 6]}
        halves["2026_2S"] = [row for row in rows if int(row[1]) > 6]
        return _tagged(sky.accesses_zip({k: v for k, v in halves.items() if v}), ZIP)

    def _anatel_stations(self, request):
        if request.method == "POST":
            return Reply(200, sky.stations_path(request.form["fa_uf"]), JSON)
        if "download.php" in request.target:
            state = request.query["file"]
            count = self.revised.get(("stations", state), 3)
            rows = [sky.station_row(number, state=state) for number in range(count)]
            return Reply(200, sky.stations_zip(rows), ZIP)
        return Reply(200, sky.STATIONS_PAGE, {"Set-Cookie": "s=1"})

    def _yahoo(self, request):
        first, last = (
            date.fromordinal(date(1970, 1, 1).toordinal() + int(request.query[name]) // 86400)
            for name in ("period1", "period2")
        )
        first = max(first, self.start)  # older quotes it does not have
        out = business(days_between(first, min(last - timedelta(days=1), self.day)))
        splits = {
            date.fromisoformat(day): (kind, ratio)
            for (kind, day), ratio in self.revised.items()
            if kind in {"split", "unnamed split"} and date.fromisoformat(day) <= self.day
        }
        bars = [
            (money.session_opens(str(day)), self.value("PETR4", 35.0, day)
             / math.prod(ratio for at, (_, ratio) in splits.items() if day < at))
            for day in out
        ]  # fmt: skip
        paid = [
            (money.session_opens(day), 1.25) for code, day in self.revised if code == "dividend"
            and date.fromisoformat(day) in out
        ]  # fmt: skip
        cut = [
            (money.session_opens(str(day)), ratio, 1)
            for day, (kind, ratio) in splits.items()
            if kind == "split" and first <= day < last
        ]
        return Reply(200, money.yahoo(bars, dividends=paid, splits=cut), JSON)

    def _alpha_vantage(self, _request):
        out = business(days_between(self.day - timedelta(days=30), self.day))
        closes = {str(day): f"{self.value('av', 35.0, day):.4f}" for day in out}
        return Reply(200, money.alpha_vantage(closes), JSON)


def _from_brazil(text):
    day, month, year = (int(part) for part in text.split("/"))
    return date(year, month, day)


def _tagged(body, headers):
    """With an ETag of its content, so that an unchanged file is answered with 304."""
    tag = hashlib.sha256(body).hexdigest()[:16]
    return Reply(200, body, {**headers, "ETag": f'"{tag}"'})
