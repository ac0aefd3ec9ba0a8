"""What is asked of tables and items, and what comes back, digit by digit."""

import csv
import io
import json
import random
from datetime import UTC, date, datetime
from urllib.parse import parse_qsl, quote, urlencode

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.publish.reader import open_ml_results
from serving.query import read_parameters
from serving.written import RequestProblem
from tests.serving.conftest import API, item_path
from tests.serving.versions import HOSTILE, PLAIN, STEPS

ENVELOPE = {"version_id", "as_of", "published_at", "stale", "data", "next"}


@pytest.fixture(scope="module")
def stored(results):
    return open_ml_results(results)


def as_json(value):
    """A value of Parquet as the interface writes it."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            return value.isoformat()
        return value.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
    return value.isoformat() if isinstance(value, date) else value


def test_every_answer_says_of_which_version_it_is(served, stored):
    answer = served.json(f"{API}/forecasts?item_id=PART-001")
    assert set(answer) == ENVELOPE
    assert answer["version_id"] == stored.version_id
    assert answer["as_of"] == str(stored.as_of)
    assert answer["published_at"] == stored.record.published_at
    assert (answer["stale"], answer["next"]) == (False, None)
    headers = served.get(f"{API}/forecasts?item_id=PART-001").headers
    assert headers["X-Version-Id"] == stored.version_id
    assert int(headers["X-Age-Seconds"]) >= 0


def test_ten_thousand_cells_are_those_of_parquet_in_every_digit(served, stored):
    rows = stored.read("forecasts").to_pylist()
    told = served.pages(f"{API}/forecasts?limit=97")
    assert len(told) == len(rows)
    assert set(told[0]) == set(rows[0])
    cells = [(row, name) for row in range(len(rows)) for name in rows[0]]
    for row, name in random.Random(7).sample(cells, 10_000):
        expected = as_json(rows[row][name])
        assert told[row][name] == expected, (row, name)
        assert type(told[row][name]) is type(expected), (row, name)


def test_csv_has_the_digits_too(served, stored):
    rows = stored.read("forecasts").to_pylist()
    text = served.get(f"{API}/forecasts?f=csv&limit=1000").data.decode()
    told = list(csv.DictReader(io.StringIO(text, newline="")))
    for got, row in zip(told, rows, strict=True):
        assert got["item_id"] == row["item_id"]
        assert [float(got[c]) if got[c] else None for c in ("forecast", "cum_mean", "q99")] == [
            row["forecast"], row["cum_mean"], row["q99"]
        ]  # fmt: skip


@pytest.mark.parametrize("form", ["arrow", "parquet"])
def test_pages_in_arrow_and_parquet_have_the_types_of_the_file(served, stored, form):
    body = served.get(f"{API}/forecasts?f={form}&limit=1000&kind=demand").data
    if form == "arrow":
        table = pa.ipc.open_stream(body).read_all()
    else:
        table = pq.read_table(io.BytesIO(body))
    expected = stored.read("forecasts")
    assert table.schema.equals(expected.schema)
    assert table.equals(expected)


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c", ""]), st.text("=;AZ ç&%+1", max_size=5)),
                unique_by=lambda pair: pair[0]))  # fmt: skip
def test_parameters_are_read_as_the_standard_library_reads_them(pairs):
    for query in (urlencode(pairs, quote_via=quote), "&".join(f"{n}={v}" for n, v in pairs)):
        expected = parse_qsl(query, keep_blank_values=True)
        if query.isascii() and len(dict(expected)) == len(expected):
            names = [name for name, _ in expected]
            try:
                found = read_parameters(query.encode(), names)
            except RequestProblem:  # what is no UTF-8, which parse_qsl replaces
                assert "\ufffd" in str(expected)
            else:
                assert found == dict(expected)


def test_an_item_is_found_in_every_table_that_names_it(served):
    data = served.json(item_path("PART-001"))["data"]
    assert data["item_id"] == "PART-001"
    assert {name: len(rows) for name, rows in data.items() if name != "item_id"} == {
        "forecasts": STEPS, "metrics": 0, "refusals": 0, "of_tomorrow": 1
    }  # fmt: skip


@pytest.mark.parametrize("item", HOSTILE, ids=range(len(HOSTILE)))
def test_an_id_that_means_harm_is_a_text_like_any_other(served, item):
    rows = served.json(f"{API}/forecasts?item_id={quote(item, safe='')}&columns=item_id")["data"]
    assert rows == [{"item_id": item}] * STEPS
    if item != "..":  # which clients take for the folder above
        assert served.json(item_path(item))["data"]["item_id"] == item


def test_pages_follow_each_other_without_gap_or_repetition(served, stored):
    expected = [
        (row["item_id"], row["ds"].isoformat())
        for row in stored.read("forecasts", ["item_id", "ds"]).to_pylist()
    ]
    for limit in (1, 7, 359, 360, 1000):
        rows = served.pages(f"{API}/forecasts?columns=item_id,ds&limit={limit}")
        assert [(row["item_id"], row["ds"]) for row in rows] == expected


@pytest.mark.parametrize("limit", [1, 5, 1000])
def test_rows_are_asked_for_by_the_values_of_columns(served, stored, limit):
    expected = [
        row["item_id"]
        for row in stored.read("forecasts").to_pylist()
        if row["horizon_step"] == 2 and row["is_fallback"]
    ]
    address = f"{API}/forecasts?horizon_step=2&is_fallback=true&columns=item_id&limit={limit}"
    assert [row["item_id"] for row in served.pages(address)] == expected
    assert served.json(f"{API}/forecasts?kind=price")["data"] == []
    assert len(served.json(f"{API}/forecasts?ds=2026-11-20&limit=1000")["data"]) == len(
        PLAIN + HOSTILE
    )


def test_a_table_of_a_newer_program_and_its_columns_are_passed_on(served):
    row = served.json(f"{API}/forecasts?limit=1")["data"][0]
    assert (row["novel"], row["day"]) == ("new", "2026-11-20")
    assert len(served.json(f"{API}/of-tomorrow")["data"]) == 2


def test_an_item_that_is_refused_has_no_forecasts_and_is_known(served):
    assert served.json(f"{API}/forecasts?item_id=REFUSED")["data"] == []
    assert len(served.json(f"{API}/refusals?item_id=REFUSED")["data"]) == 1


BAD = {
    "/forecasts?item_id=nobody": (404, "knows no item 'nobody'"),
    "/items/nobody": (404, "knows no item"),
    "/nothing": (404, "holds no table 'nothing'; it holds forecasts"),
    "/documents/nothing": (404, "no document 'nothing'; there is forecasts"),
    "/versions/20200101T000000Z-00000000/forecasts": (404, "no version of that id"),
    "/versions/../etc": (404, ""),
    "/forecasts?colour=red": (400, "no parameter is called 'colour' here; known: item_id"),
    "/forecasts?limit=1001": (400, "from 1 to 1000"),
    "/forecasts?limit=0": (400, "from 1 to 1000"),
    "/forecasts?limit=-1": (400, "from 1 to 1000"),
    "/forecasts?limit=%D9%A1": (400, "from 1 to 1000"),  # an Arabic one
    "/forecasts?limit=1&limit=2": (400, "'limit' is there twice"),
    "/forecasts?columns=item_id,secret": (400, "'secret'; the table has item_id"),
    "/forecasts?cursor=abc": (400, "none of ours"),
    "/forecasts?cursor=20200101T000000Z-00000000.5": (400, "is of version 20200101T000000Z"),
    "/forecasts?at=yesterday": (400, "write it as 2026-11-20"),
    "/forecasts?at=2026-02-30": (400, "is no day"),
    "/forecasts?at=1999-01-01": (404, "nothing was published by the end of 1999-01-01"),
    "/forecasts?f=xlsx": (400, "is no format; known: json"),
    "/items/PART-001?f=csv": (406, "as json alone"),
    "/forecasts?kind=cheese": (400, "there are demand and price"),
    "/forecasts?horizon_step=two": (400, "is not a number"),
    "/forecasts?is_fallback=maybe": (400, "neither true nor false"),
    "/forecasts?item_id=%FF": (400, "write it as UTF-8"),
    "/forecasts?item_id=%3Cscript%3E%E2%80%AE": (404, "'<script>\\u202e'"),
    "/forecasts.parquet?part=2": (404, "parts of this table are 1 to 1"),
}  # fmt: skip


@pytest.mark.parametrize("path", BAD)
def test_what_cannot_be_answered_gets_a_status_and_a_sentence(served, path):
    status, words = BAD[path]
    answer = served.get(API + path)
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = json.loads(answer.data)
    assert set(problem) == {"type", "title", "status", "detail"}
    assert problem["status"] == status
    assert words in problem["detail"]


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("*/*", "application/json"),
        ("text/csv", "text/csv; charset=utf-8"),
        ("application/vnd.apache.arrow.stream", "application/vnd.apache.arrow.stream"),
        ("application/vnd.apache.parquet;q=.5, text/*;q=.4", "application/vnd.apache.parquet"),
        ("application/json;q=0, */*;q=.1", "text/csv; charset=utf-8"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "application/json"),
    ],
)
def test_the_format_is_the_one_that_is_liked_best(served, accept, media):
    answer = served.get(f"{API}/forecasts?limit=2", Accept=accept)
    assert (answer.status, answer.headers["Content-Type"]) == (200, media)


def test_a_format_that_cannot_be_had_is_told(served):
    answer = served.get(f"{API}/forecasts?limit=2", Accept="image/png, text/html")
    assert answer.status == 406
    assert "there is application/json" in json.loads(answer.data)["detail"]


def test_an_answer_that_is_known_already_is_not_sent_again(served):
    first = served.get(f"{API}/forecasts?item_id=PART-001")
    tag = first.headers["ETag"]
    assert tag.startswith('"')
    for known in (tag, f'"other", {tag}', "*", f"W/{tag}"):
        again = served.get(f"{API}/forecasts?item_id=PART-001", If_None_Match=known)
        assert (again.status, again.data) == (304, b"")
        assert again.headers["ETag"] == tag
    for path, accept in (
        (f"{API}/forecasts?item_id=PART-002", "*/*"),
        (f"{API}/forecasts?item_id=PART-001", "text/csv"),
        (f"{API}/forecasts?item_id=PART-001&limit=2", "*/*"),
    ):
        assert served.get(path, If_None_Match=tag, Accept=accept).status == 200


def test_a_whole_table_is_the_stored_file_in_whatever_ranges(served, stored, results):
    file = stored.manifest.datasets["forecasts"][0]
    whole = (results / file.path).read_bytes()
    address = f"{API}/forecasts.parquet"
    answer = served.get(address)
    assert answer.data == whole
    assert answer.headers["ETag"] == f'"{file.sha256}"'
    size = len(whole)
    for asked, part in {
        "bytes=0-9": whole[:10],
        f"bytes={size - 5}-": whole[-5:],
        "bytes=-7": whole[-7:],
        f"bytes=10-{2 * size}": whole[10:],
    }.items():
        answer = served.get(address, Range=asked)
        assert (answer.status, answer.data) == (206, part)
        assert answer.headers["Content-Range"].endswith(f"/{size}")
    assert served.get(address, Range=f"bytes={size}-").status == 416
    for odd in ("bytes=5-1", "lines=1-2", "bytes=a-b", "bytes=0-1,3-4"):
        assert (served.get(address, Range=odd).status, len(served.get(address).data)) == (200, size)
    assert served.get(address, Range="bytes=0-9", If_Range='"other"').status == 200
    head = served.get(address, "HEAD")
    assert (head.headers["Content-Length"], head.data) == (str(size), b"")


def test_documents_are_served_as_they_were_published(served, stored):
    told = served.json(f"{API}/documents/forecasts")
    assert told == stored.metadata("forecasts")
    model_versions = served.json(f"{API}/documents/model_versions")
    assert model_versions == stored.document("metadata/model_versions.json")


def test_a_version_tells_its_tables_with_units_and_hashes(served, stored):
    told = served.json(f"{API}/versions/{stored.version_id}")["data"]
    file = stored.manifest.datasets["forecasts"][0]
    assert told["tables"]["forecasts"]["files"] == [
        {"bytes": file.bytes, "sha256": file.sha256, "rows": file.rows}
    ]
    columns = {one["name"]: one for one in told["tables"]["forecasts"]["columns"]}
    assert columns["horizon_step"]["unit"] == "periods"
    assert columns["q50"]["description"] == "50% quantile of the period"
