import json
from dataclasses import replace

import pytest

from pipelines.sources.anatel_stations import EXPORT, PAGE, AnatelStations
from pipelines.sources.base import SourceError
from pipelines.sources.client import Client
from tests.pipelines.sources.conftest import one_line, wrong_bodies
from tests.pipelines.sources.payloads_money import answered
from tests.pipelines.sources.payloads_sky import (
    HTML_CP1252,
    STATIONS_HEADER,
    STATIONS_NO_RESULT,
    STATIONS_PAGE,
    station_row,
    stations_file,
    stations_path,
    stations_zip,
    values_of,
    wanted,
    zipped,
)
from tests.pipelines.sources.replay import Replay, Reply

SOURCE = AnatelStations("https://x")
ROWS = [
    station_row(1),
    station_row(1),  # another carrier of the same station
    station_row(2),
    station_row(2, "LTE"),
    station_row(3, "LTE"),
    station_row(4, "WDCMA"),
]


def calls(*states, **window):
    return SOURCE.calls([wanted("fiveg_stations", state, **window) for state in states])


def step(tmp_path, call, body, *, day="2025-03-10"):
    return SOURCE.parse(call, answered(tmp_path, body, day=day, media="body"))


def form_call(tmp_path, *states):
    """The call that has an export made, after the page."""
    (page,) = calls(*(states or ("BA",)))
    return step(tmp_path, page, STATIONS_PAGE).then[0]


def file_call(tmp_path):
    """The call for the export itself."""
    (call,) = step(tmp_path, form_call(tmp_path), stations_path("BA")).then
    return call


def snapshot(tmp_path, body, **when):
    return step(tmp_path, file_call(tmp_path), body, **when)


def export(rows=ROWS, **file):
    return zipped({"csv_licenciamento_7f3a.csv": stations_file(rows, **file)})


def test_the_page_comes_first_as_it_opens_the_session():
    (page,) = calls("SP", "BA")
    assert (page.url, page.form) == (f"https://x{PAGE}", None)
    assert page.context["states"] == ["BA", "SP"]
    assert calls("BA", first="2025-03-11", last="2025-03-10") == ()


def test_the_page_leads_to_a_form_for_each_state(tmp_path):
    (page,) = calls("SP", "BA")
    found = step(tmp_path, page, STATIONS_PAGE)
    assert found.rows.num_rows == 0
    assert [call.url for call in found.then] == [f"https://x{EXPORT}"] * 2
    assert [dict(call.form)["fa_uf"] for call in found.then] == ["BA", "SP"]
    assert found.then[0].headers == (("Referer", f"https://x{PAGE}"),)
    assert json.loads(json.dumps(found.then[0].context)) == found.then[0].context


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("/se/public/view/b/download.php?file=BA", "/se/public/view/b/download.php?file=BA"),
        ("?file=BA", f"{EXPORT}?file=BA"),
        ("tmp/ba.zip", "/se/public/view/b/tmp/ba.zip"),
        ("https://x/tmp/ba.zip", "/tmp/ba.zip"),
    ],
    ids=["from the root", "a query alone", "beside the form", "a whole address"],
)
@pytest.mark.parametrize("key", ["redirectUrl", "submitUrl", "path"])
def test_the_form_leads_to_the_path_that_it_names(tmp_path, path, url, key):
    body = json.dumps({key: path}).encode()
    (call,) = step(tmp_path, form_call(tmp_path), body).then
    assert (call.target, call.form, call.media) == (url, None, "zip")


def test_stations_are_counted_once_however_many_carriers_they_have(tmp_path):
    found = snapshot(tmp_path, export())
    assert values_of(found, "fiveg_stations", "BA") == {"2025-03-01": 2.0}
    assert found.rows["preliminary"].to_pylist() == [False]
    assert found.notes == ()


def test_only_stations_of_the_mobile_service_count(tmp_path):
    found = snapshot(tmp_path, export([*ROWS, station_row(9, service="45")]))
    assert values_of(found, "fiveg_stations", "BA") == {"2025-03-01": 2.0}


def test_the_value_is_of_the_month_of_the_look_and_never_of_a_licence(tmp_path):
    early, late = (
        snapshot(tmp_path, export(), day=day).rows["ref_date"].to_pylist()
        for day in ("2025-03-31", "2025-04-01")
    )
    assert [f"{day:%Y-%m-%d}" for day in (*early, *late)] == ["2025-03-01", "2025-04-01"]


def test_rows_of_other_states_and_broken_ones_are_counted(tmp_path):
    rows = [*ROWS, station_row(7, state="SE"), ("TIM",), station_row("")]
    found = snapshot(tmp_path, export(rows))
    assert values_of(found, "fiveg_stations", "BA") == {"2025-03-01": 2.0}
    assert found.notes == (
        "1 of 9 rows are of other states than BA",
        "1 of 9 rows are too short to be read",
        "1 of 9 rows lack the number of their 5G station",
    )


def test_a_stray_quote_swallows_nothing(tmp_path):
    rows = [list(row) for row in ROWS]
    rows[0][0] = '"TIM S A'
    assert values_of(snapshot(tmp_path, export(rows)), "fiveg_stations", "BA") == {"2025-03-01": 2}


def test_another_separator_and_order_of_columns_is_read(tmp_path):
    order = [3, 7, 2, 4, 0]
    header, *rows = [[row[at] for at in order] for row in (STATIONS_HEADER, *ROWS)]
    body = export(rows, header=header, mark=",")
    assert values_of(snapshot(tmp_path, body), "fiveg_stations", "BA") == {"2025-03-01": 2.0}


def test_what_it_has_not_is_refused():
    with pytest.raises(SourceError, match="anatel_stations: towers: not served; it has fiveg_st"):
        SOURCE.calls([wanted("towers", "BA")])
    with pytest.raises(SourceError, match="fiveg_stations: asked for without a state"):
        calls(None)


def test_an_empty_page_opens_no_session(tmp_path):
    (page,) = calls("BA")
    with pytest.raises(SourceError, match="anatel_stations: fiveg_stations: an empty page"):
        step(tmp_path, page, b" \r\n")


@wrong_bodies(
    (STATIONS_NO_RESULT, "no path of an export for BA: 'Nenhum registro foi encontrado"),
    (b"{}", "no path of an export for BA: '{}'"),
    (b"[]", "no path of an export for BA"),
    (b'{"redirectUrl": ""}', "no path of an export for BA"),
    (b'{"redirectUrl": null}', "no path of an export for BA"),
    (b'{"redirectUrl": "//evil.example/x.zip"}', "the export is on another host: '//evil"),
    (b'{"redirectUrl": "http://x/x.zip"}', "the export is on another host: 'http://x"),
    (HTML_CP1252, "an HTML page instead of JSON"),
    (b"", "an empty answer"),
)
def test_a_form_that_names_no_path_is_one_line(tmp_path, body, cause):
    with one_line(rf"anatel_stations: fiveg_stations: {cause}"):
        step(tmp_path, form_call(tmp_path), body)


GOOD = stations_zip(ROWS)


@wrong_bodies(
    (HTML_CP1252, "an HTML page instead of a ZIP: 'Ag.ncia Nacional"),
    (b'{"title":"Erro"}', "plain text instead of a ZIP"),
    (b"", "an empty answer instead of a ZIP"),
    (GOOD[: len(GOOD) // 2], "a ZIP that breaks off or is damaged"),
    (zipped({"leia-me.txt": b"x"}), "no CSV among 1 files of the export"),
    (export(header=[name.replace("Tecnologia", "Tec") for name in STATIONS_HEADER]),
     "csv_licenciamento_7f3a.csv: changed format: no column TECNOLOGIA"),
    (zipped({"a.csv": b""}), "a.csv: changed format: no column NUMSERVICO, NUMESTACAO, SIGLA"),
    (export([]), "none of 0 rows of BA is of a station with NR in service 10"),
    (export(ROWS[3:]), "none of 3 rows of BA is of a station with NR"),
    (export([station_row(1, state="SE")]), "none of 1 rows of BA is of a station"),
)  # fmt: skip
def test_an_export_without_data_is_one_line(tmp_path, body, cause):
    with one_line(rf"anatel_stations: fiveg_stations: {cause}"):
        snapshot(tmp_path, body)


def test_page_form_and_file_are_one_session_over_the_wire(tmp_path):
    cookie = {"Set-Cookie": "PHPSESSID=a1b2; path=/", "Content-Type": "text/html"}
    routes = {
        PAGE: Reply(body=STATIONS_PAGE, headers=cookie),
        EXPORT: lambda asked: Reply(body=stations_path(asked.form["fa_uf"])),
        "/se/public/view/b/download.php": lambda asked: Reply(
            body=stations_zip([station_row(n, state=asked.query["file"]) for n in range(3)])
        ),
    }
    counts = {}
    with Replay(routes) as server, Client(time_limit=20, scratch=tmp_path) as client:
        source = replace(SOURCE, base=server.base)
        queue = list(source.calls([wanted("fiveg_stations", state) for state in ("BA", "SP")]))
        while queue:
            call = queue.pop(0)
            body = client.fetch(call, pause=0).body.read_bytes()
            found = source.parse(call, answered(tmp_path, body, media="body"))
            queue += found.then
            counts |= {row["region"]: row["value"] for row in found.rows.to_pylist()}
    assert counts == {"BA": 3.0, "SP": 3.0}
    assert [request.method for request in server.log] == ["GET", "POST", "POST", "GET", "GET"]
    assert {request.headers.get("cookie") for request in server.log[1:]} == {"PHPSESSID=a1b2"}
