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
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from io import TextIOWrapper
from typing import ClassVar, Literal
from urllib.parse import urljoin, urlsplit

from pipelines.sources.base import Answer, Call, Parsed, SourceError, Wanted
from pipelines.sources.checks import json_of, plausible, refused, rows_table, shown
from pipelines.sources.headers import plain
from pipelines.sources.zip_members import opened_zip

SERIES = "fiveg_stations"
PAGE = "/se/public/view/b/licenciamento.php"
EXPORT = "/se/public/view/b/export_licenciamento.php"
MOBILE = "10"  # the mobile service (SMP)
PATH_KEYS = ("redirectUrl", "submitUrl", "path", "url")
COLUMNS = ("NUMSERVICO", "NUMESTACAO", "SIGLAUF", "TECNOLOGIA")


@dataclass(frozen=True, slots=True)
class AnatelStations:
    """The stations at ``base``; there is no past to ask for again, hence no overlap."""

    base: str
    name: ClassVar[str] = "anatel_stations"
    overlap: ClassVar[int] = 0
    pause: ClassVar[float] = 1.0

    def calls(self, wanted: Sequence[Wanted]) -> tuple[Call, ...]:
        """The page; what it leads to asks for a state each.

        Raises:
            SourceError: Another series than ``fiveg_stations``, or one without a state.
        """
        if foreign := sorted({one.series for one in wanted if one.series != SERIES}):
            raise SourceError(self.name, foreign, f"not served; it has {SERIES}")
        if any(one.region is None for one in wanted):
            raise SourceError(self.name, [SERIES], "asked for without a state")
        states = sorted({one.region for one in wanted if one.region and one.first <= one.last})
        if not states:
            return ()
        context = {"step": "page", "states": states}
        page = Call(
            source=self.name,
            base=self.base,
            target=PAGE,
            series=(SERIES,),
            media="html",
            context=context,
        )
        return (page,)

    def parse(self, call: Call, answer: Answer) -> Parsed:
        """Read the page, the path of an export, or an export, as the call's context says.

        Raises:
            SourceError: An error instead of a path, a path on another host, no ZIP, a changed
                header, or a file without a single 5G station.
        """
        match call.context["step"]:
            case "page":
                if not answer.read().strip():
                    raise refused(call, "an empty page, so no session")
                exports = tuple(_export(call, state) for state in call.context["states"])
                return Parsed(rows_table(()), then=exports)
            case "export":
                return Parsed(rows_table(()), then=(_download(call, answer),))
            case _:
                return _snapshot(call, answer)


def _export(page: Call, state: str) -> Call:
    """Have an export of a state made."""
    fields = {
        "skip": "0",
        "filter": "-1",
        "rpp": "50",
        "wfid": "licencas",
        "view": "0",
        "fa_gsearch": "2",
        "fa_uf": state,
        "fa_municipio": "",
    }
    return replace(
        page,
        target=EXPORT,
        media="json",
        form=tuple(fields.items()),
        headers=(("Referer", page.url),),
        context={"step": "export", "state": state},
    )


def _download(call: Call, answer: Answer) -> Call:
    """Fetch the export whose path the answer names, if it is on the same host."""
    body = json_of(call, answer)
    named = body if isinstance(body, dict) else {}
    path = next((named[key] for key in PATH_KEYS if isinstance(named.get(key), str)), "")
    if not path.strip():
        said = named.get("message") or named.get("title") or body
        raise refused(
            call, f"no path of an export for {call.context['state']}: {shown(call, str(said))}"
        )
    url = urlsplit(urljoin(call.url, path.strip()))
    if f"{url.scheme}://{url.netloc}" != call.base:
        raise refused(call, f"the export is on another host: {shown(call, path)}")
    return replace(
        call,
        target=f"{url.path}?{url.query}" if url.query else url.path,
        media="zip",
        form=None,
        context={"step": "file", "state": call.context["state"]},
    )


def _snapshot(call: Call, answer: Answer) -> Parsed:
    """Count the stations: a value of the month of the run, replaced by a later look at it."""
    state = call.context["state"]
    tally = _Tally()
    with opened_zip(call, answer) as archive:
        members = [name for name in archive.namelist() if name.lower().endswith(".csv")]
        if not members:
            raise refused(call, f"no CSV among {len(archive.namelist())} files of the export")
        for member in members:
            _count(call, archive, member, tally)
    if not tally.stations:
        raise refused(
            call,
            f"none of {tally.rows} rows of {state} is of a station with NR in service {MOBILE}",
        )
    row = (SERIES, state, answer.day.replace(day=1), float(len(tally.stations)), False)
    kept, absurd = plausible(call, [row])
    return Parsed(rows_table(kept), (*tally.notes(state), *absurd))


@dataclass(slots=True)
class _Tally:
    """What was read so far."""

    rows: int = 0
    foreign: int = 0
    ragged: int = 0
    unnumbered: int = 0
    stations: set[str] = field(default_factory=set)

    def notes(self, state: str) -> tuple[str, ...]:
        """What was left out, counted."""
        counts = {
            f"are of other states than {state}": self.foreign,
            "are too short to be read": self.ragged,
            "lack the number of their 5G station": self.unnumbered,
        }
        return tuple(
            f"{count} of {self.rows} rows {what}" for what, count in counts.items() if count
        )


def _count(call: Call, archive: zipfile.ZipFile, member: str, tally: _Tally) -> None:
    """Add the stations of a file; a row is a carrier of a sector, so numbers repeat."""
    with (
        archive.open(member) as raw,
        TextIOWrapper(raw, "utf-8-sig", "replace", newline="") as text,
    ):
        header = text.readline()
        mark = max("|;,", key=header.count)
        # quotes mean nothing between bars, and a stray one would swallow the rest of the file
        quoting: Literal[0, 3] = csv.QUOTE_NONE if mark == "|" else csv.QUOTE_MINIMAL
        names = [plain(name) for name in next(csv.reader([header], delimiter=mark), [])]
        if lacking := [name for name in COLUMNS if name not in names]:
            raise refused(call, f"{member}: changed format: no column {', '.join(lacking)}")
        positions = [names.index(name) for name in COLUMNS]
        try:
            for row in csv.reader(text, delimiter=mark, quoting=quoting):
                _see(tally, row, positions, call.context["state"])
        except csv.Error as error:
            raise refused(call, f"{member}: {error}") from None


def _see(tally: _Tally, row: Sequence[str], positions: Sequence[int], state: str) -> None:
    if not row:
        return
    tally.rows += 1
    if len(row) <= max(positions):
        tally.ragged += 1
        return
    service, station, of_state, technology = (row[at].strip(' "') for at in positions)
    if of_state.upper() != state:
        tally.foreign += 1
    elif service == MOBILE and "NR" in re.split(r"\W+", technology.upper()):
        if station:
            tally.stations.add(station)
        else:
            tally.unnumbered += 1
