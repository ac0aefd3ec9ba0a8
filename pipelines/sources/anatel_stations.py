"""ANATEL's licensed stations: how many carry 5G in a state today.

The export is a snapshot of what is licensed now: stations that were removed are gone, and a
station's first licence is not the day on which it got 5G. So no past is read out of it; history
grows from one snapshot a month, and the dates in the file are never used.

Three requests lead to a file: the page for its session cookie, a form that has an export made and
answers with its path, and the path.
"""

import csv
import re
import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from io import TextIOWrapper
from typing import Literal
from urllib.parse import urljoin, urlsplit

from pipelines.sources.answers import (
    lines_of,
    open_zip,
    plain_name,
    positions_of,
    quote,
    read_json,
    refusal,
)
from pipelines.sources.base import Adapter, Answer, Call, ParsedAnswer, SeriesRequest
from pipelines.sources.checks import screen

SERIES = "fiveg_stations"
PAGE = "/se/public/view/b/licenciamento.php"
EXPORT = "/se/public/view/b/export_licenciamento.php"
MOBILE = "10"  # the mobile service (SMP)
FORM = (
    ("skip", "0"), ("filter", "-1"), ("rpp", "50"), ("wfid", "licencas"), ("view", "0"),
    ("fa_gsearch", "2"),
)  # fmt: skip
PATH_KEYS = ("redirectUrl", "submitUrl", "path", "url")
COLUMNS = ("NUMSERVICO", "NUMESTACAO", "SIGLAUF", "TECNOLOGIA")


class AnatelStations(Adapter):
    """The stations at ``base``; there is no past to ask for again, hence no overlap."""

    name = "anatel_stations"
    overlap = 0
    pause = 1.0

    def calls(self, wanted: Sequence[SeriesRequest]) -> tuple[Call, ...]:
        """The page; what it leads to asks for a state each."""
        self.expect_served(wanted, [SERIES], "a state")
        states = sorted({one.region for one in wanted if one.region and one.first <= one.last})
        context = {"step": "page", "states": states}
        return (self.ask(PAGE, [SERIES], context, media="html"),) if states else ()

    def parse(self, call: Call, answer: Answer) -> ParsedAnswer:
        """Read the page, the path of an export, or an export, as the call's context says."""
        match call.context["step"]:
            case "page":
                if not answer.read().strip():
                    raise refusal(call, "an empty page, so no session")
                form = replace(call, target=EXPORT, media="json", headers=(("Referer", call.url),))
                exports = (
                    replace(
                        form,
                        form=(*FORM, ("fa_uf", state), ("fa_municipio", "")),
                        context={"step": "export", "state": state},
                    )
                    for state in call.context["states"]
                )
                return replace(screen(call, answer, ()), then=tuple(exports))
            case "export":
                return replace(screen(call, answer, ()), then=(_download(call, answer),))
            case _:
                return _snapshot(call, answer)


def _download(call: Call, answer: Answer) -> Call:
    """Fetch the export whose path the answer names, if it is on the same host."""
    body = read_json(call, answer)
    named = body if isinstance(body, dict) else {}
    path = next((named[key] for key in PATH_KEYS if isinstance(named.get(key), str)), "")
    if not path.strip():
        words = quote(call, str(named.get("message") or named.get("title") or body))
        raise refusal(call, f"no path of an export for {call.context['state']}: {words}")
    url = urlsplit(urljoin(call.url, path.strip()))
    if f"{url.scheme}://{url.netloc}" != call.base:
        raise refusal(call, f"the export is on another host: {quote(call, path)}")
    return replace(
        call,
        target=f"{url.path}?{url.query}" if url.query else url.path,
        media="zip",
        form=None,
        context={"step": "file", "state": call.context["state"]},
    )


def _snapshot(call: Call, answer: Answer) -> ParsedAnswer:
    """Count the stations: a value of the month of the run, replaced by a later look at it."""
    state = call.context["state"]
    stations: set[str] = set()
    faults: Counter[str] = Counter()
    rows = 0
    with open_zip(call, answer) as archive:
        members = [name for name in archive.namelist() if name.lower().endswith(".csv")]
        if not members:
            raise refusal(call, f"no CSV among {len(archive.namelist())} files of the export")
        for member in members:
            try:
                rows += _read_stations(archive, member, state, stations, faults)
            except (ValueError, csv.Error) as error:
                raise refusal(call, f"{member}: {error}") from None
    if not stations:
        what = f"is of a station with NR in service {MOBILE}"
        raise refusal(call, f"none of {rows} rows of {state} {what}")
    notes = [f"{count} of {rows} rows {what}" for what, count in faults.items()]
    row = (SERIES, state, answer.day.replace(day=1), float(len(stations)), False)
    return screen(call, answer, [row], notes)


def _read_stations(
    archive: zipfile.ZipFile, member: str, state: str, stations: set[str], faults: Counter[str]
) -> int:
    """Add the 5G stations of a file; a row is a carrier of a sector, so numbers repeat.

    Returns:
        How many rows it has.
    """
    total = 0
    with (
        archive.open(member) as raw,
        TextIOWrapper(raw, "utf-8-sig", "replace", newline="") as text,
    ):
        lines = lines_of(text)
        header = next(lines, "")
        mark = max("|;,", key=header.count)
        # quotes mean nothing between bars, and a stray one would swallow the rest of the file
        quoting: Literal[0, 3] = csv.QUOTE_NONE if mark == "|" else csv.QUOTE_MINIMAL
        names = [plain_name(name) for name in next(csv.reader([header], delimiter=mark), [])]
        positions = positions_of(COLUMNS, names)
        rows = filter(None, csv.reader(lines, delimiter=mark, quoting=quoting))
        for total, row in enumerate(rows, 1):  # noqa: B007
            if len(row) <= max(positions):
                faults["are too short to be read"] += 1
                continue
            service, station, of, technology = (row[at].strip(' "') for at in positions)
            if of.upper() != state:
                faults[f"are of other states than {state}"] += 1
            elif service == MOBILE and "NR" in re.split(r"\W+", technology.upper()):
                if not station:
                    faults["lack the number of their 5G station"] += 1
                else:
                    stations.add(station)
    return total
