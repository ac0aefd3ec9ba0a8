import json
import random
import re

import pytest

from pipelines.sources import anatel_accesses
from pipelines.sources.anatel_accesses import TARGET, AnatelAccesses
from pipelines.sources.base import SourceError
from tests.pipelines.sources.conftest import one_line, wrong_bodies
from tests.pipelines.sources.payloads_money import answered, preliminary_days
from tests.pipelines.sources.payloads_sky import (
    ACCESSES_HEADER,
    HTML_CP1252,
    accesses_file,
    accesses_row,
    accesses_zip,
    values_of,
    wanted,
    zipped,
)

SOURCE = AnatelAccesses("http://x")
BOTH = ("fiveg_accesses", "mobile_accesses")
HALF = [
    accesses_row(2025, 1, "BA", "5G", 100),
    accesses_row(2025, 1, "BA", "5G", 20, town="Feira de Santana"),
    accesses_row(2025, 1, "BA", "4G", 400),
    accesses_row(2025, 1, "SP", "5G", 7000),
    accesses_row(2025, 2, "BA", "5G", 130),
    accesses_row(2025, 2, "BA", "2G", 9),
    accesses_row(2025, 2, "SP", "5G", 8000),
]


def calls(*states, series=BOTH, first="2025-01-01", last="2025-06-20"):
    asked = [wanted(name, state, first=first, last=last) for name in series for state in states]
    return SOURCE.calls(asked)


def parse(tmp_path, body, *states, day="2025-06-20", **asked):
    (call,) = calls(*(states or ("BA",)), **asked)
    return SOURCE.parse(call, answered(tmp_path, body, day=day, media="zip"))


def test_everything_is_one_conditional_request_that_stays_the_same_for_half_a_year():
    (call,) = calls("SP", "BA", first="2025-02-03")
    assert call.url == f"http://x{TARGET}"
    assert call.conditional
    assert call.series == BOTH
    assert call.context == {"first": "2025-01-01", "states": ["BA", "SP"], "series": list(BOTH)}
    assert json.loads(json.dumps(call.context)) == call.context
    assert (call,) == calls("SP", "BA", first="2025-06-30", last="2025-07-30")
    assert calls("BA", first="2025-07-01", last="2025-08-01")[0].context["first"] == "2025-07-01"
    assert calls("BA", first="2025-07-02", last="2025-07-01") == ()


def test_what_it_has_not_is_refused():
    with pytest.raises(SourceError, match="anatel_accesses: sixg: not served; it has fiveg_acc"):
        calls("BA", series=("sixg",))
    with pytest.raises(SourceError, match="fiveg_accesses, mobile_accesses: asked for without a"):
        calls(None)


def test_accesses_are_summed_by_state_and_month(tmp_path):
    found = parse(tmp_path, accesses_zip({"2025_1S": HALF}), "BA")
    assert values_of(found, "fiveg_accesses", "BA") == {"2025-01-01": 120, "2025-02-01": 130}
    assert values_of(found, "mobile_accesses", "BA") == {"2025-01-01": 520, "2025-02-01": 139}
    assert values_of(found, "fiveg_accesses", "SP") == {}
    assert found.notes == ()


def test_one_month_written_in_two_ways_is_one_month(tmp_path):
    rows = [*HALF, accesses_row(2025, "01", "BA", "5g", 7)]
    found = parse(tmp_path, accesses_zip({"2025_1S": rows}))
    assert values_of(found, "fiveg_accesses", "BA")["2025-01-01"] == 127


def test_only_the_series_wanted_are_given(tmp_path):
    found = parse(tmp_path, accesses_zip({"2025_1S": HALF}), "SP", series=("mobile_accesses",))
    assert set(found.rows["series"].to_pylist()) == {"mobile_accesses"}


def test_the_newest_month_is_preliminary(tmp_path):
    assert preliminary_days(parse(tmp_path, accesses_zip({"2025_1S": HALF}))) == ["2025-02-01"]


def test_exact_repeats_count_once_and_are_counted(tmp_path):
    rows = [*HALF, HALF[0], HALF[0], HALF[5], HALF[3]]  # the last one is of another state
    found = parse(tmp_path, accesses_zip({"2025_1S": rows}), "BA")
    assert values_of(found, "fiveg_accesses", "BA")["2025-01-01"] == 120
    assert values_of(found, "mobile_accesses", "BA")["2025-02-01"] == 139
    assert found.notes == ("3 rows are exact repeats",)


def test_repeats_in_another_block_are_told_as_well(tmp_path, monkeypatch):
    monkeypatch.setattr(anatel_accesses, "BLOCK", 1 << 14)  # about a hundred rows
    rows = [accesses_row(2025, 1, "BA", "5G", 1, town=f"Town {at}") for at in range(1000)]
    found = parse(tmp_path, accesses_zip({"2025_1S": rows + rows}))
    assert values_of(found, "fiveg_accesses", "BA") == {"2025-01-01": 1000}
    assert found.notes == ("1000 rows are exact repeats",)


def test_sums_agree_with_a_plain_second_reading(tmp_path, monkeypatch):
    monkeypatch.setattr(anatel_accesses, "BLOCK", 1 << 15)
    draw = random.Random(5)
    rows = [
        accesses_row(
            2025,
            draw.randint(1, 6),
            draw.choice(["BA", "SP", "RJ"]),
            draw.choice(["2G", "3G", "4G", "5G"]),
            draw.randint(0, 3),
            town=draw.choice(["Salvador", "Itu"]),
        )
        for _ in range(3000)
    ]
    expected = {}
    for row in set(rows):
        if row[6] != "RJ" and row[13] == "5G":
            key = (row[6], f"2025-{int(row[1]):02}-01")
            expected[key] = expected.get(key, 0) + int(row[16])
    found = parse(tmp_path, accesses_zip({"2025_1S": rows}), "BA", "SP", day="2025-12-01")
    for state in ("BA", "SP"):
        of_state = {day: count for (where, day), count in expected.items() if where == state}
        assert values_of(found, "fiveg_accesses", state) == of_state


@pytest.mark.parametrize("gap", ["N/I", "N/A", "-", "", "1.234", "12,5", "-7", "abc"])
def test_rows_without_a_readable_count_are_left_out_and_counted(tmp_path, gap):
    rows = [*HALF, accesses_row(2025, 1, "BA", "5G", gap)]
    found = parse(tmp_path, accesses_zip({"2025_1S": rows}))
    assert values_of(found, "fiveg_accesses", "BA")["2025-01-01"] == 120
    assert found.notes == ("1 rows have no readable count",)


@pytest.mark.parametrize("gap", ["N/I", "N/A", "-", ""])
def test_rows_without_a_state_are_counted_and_those_without_a_generation_are_mobile(tmp_path, gap):
    rows = [*HALF, accesses_row(2025, 1, gap, "5G", 5), accesses_row(2025, 1, "BA", gap, 30)]
    found = parse(tmp_path, accesses_zip({"2025_1S": rows}))
    assert values_of(found, "fiveg_accesses", "BA")["2025-01-01"] == 120
    assert values_of(found, "mobile_accesses", "BA")["2025-01-01"] == 550
    assert found.notes == ("1 rows have no state",)


def test_a_month_before_5g_has_none_of_it_and_that_is_a_value(tmp_path):
    rows = [accesses_row(2025, 1, "BA", "4G", 400), accesses_row(2025, 2, "BA", "5G", 3)]
    found = parse(tmp_path, accesses_zip({"2025_1S": rows}))
    assert values_of(found, "fiveg_accesses", "BA") == {"2025-01-01": 0, "2025-02-01": 3}


def test_only_half_years_that_are_reached_are_read(tmp_path):
    broken = b"no header at all"
    body = zipped(
        {
            "Acessos_Telefonia_Movel_2024_2S.csv": broken,
            "dados/ACESSOS_TELEFONIA_MOVEL_2025_1s.CSV": accesses_file(HALF),
            "Acessos_Telefonia_Movel_2025_2S.csv": accesses_file(
                [accesses_row(2025, 7, "BA", "5G", 150)]
            ),
        }
    )
    found = parse(tmp_path, body, first="2025-01-01", day="2025-09-30")
    assert list(values_of(found, "fiveg_accesses", "BA").values()) == [120, 130, 150]


def test_files_named_by_their_months_are_read_too(tmp_path):
    body = zipped({"Acessos_Telefonia_Movel_202501-202506.csv": accesses_file(HALF)})
    assert parse(tmp_path, body).rows.num_rows == 4


def test_months_of_another_file_and_wrong_ones_are_counted(tmp_path):
    rows = [*HALF, accesses_row(2024, 12, "BA", "5G", 90), accesses_row(2025, 13, "BA", "5G", 1)]
    found = parse(tmp_path, accesses_zip({"2025_1S": rows}))
    assert set(values_of(found, "fiveg_accesses", "BA")) == {"2025-01-01", "2025-02-01"}
    assert set(found.notes) == {
        "1 groups are of months of another file",
        "1 groups have no readable month",
    }


def test_a_state_that_lacks_a_month_is_said(tmp_path):
    rows = [row for row in HALF if (row[1], row[6]) != ("2", "SP")]
    found = parse(tmp_path, accesses_zip({"2025_1S": rows}), "BA", "SP", "RJ")
    assert found.notes == ("RJ: no rows in 2 of 2 months", "SP: no rows in 1 of 2 months")


def test_columns_are_known_however_they_are_spelt_and_wherever_they_stand(tmp_path):
    spelt = {"Mês": "MES", "Tecnologia Geração": "tecnologia  geracao"}
    order = list(range(len(ACCESSES_HEADER)))[::-1]
    header = [spelt.get(ACCESSES_HEADER[at], ACCESSES_HEADER[at]) for at in order]
    rows = [[row[at] for at in order] for row in HALF]
    body = zipped({"Acessos_Telefonia_Movel_2025_1S.csv": accesses_file(rows, header=header)})
    assert values_of(parse(tmp_path, body), "fiveg_accesses", "BA")["2025-01-01"] == 120


def test_a_row_with_too_few_columns_is_counted(tmp_path):
    body = zipped({"Acessos_Telefonia_Movel_2025_1S.csv": accesses_file([*HALF, ("2025", "1")])})
    assert parse(tmp_path, body).notes == ("1 rows have another number of columns",)


def half(body):
    return zipped({"Acessos_Telefonia_Movel_2025_1S.csv": body})


GOOD = accesses_zip({"2025_1S": HALF})
LARGE = accesses_zip(
    {"2025_1S": [accesses_row(2025, 1, "BA", "5G", at, town=f"T{at * 7}") for at in range(4000)]}
)

BOMB = half(b"A" * 100_000_000)  # of 97 kB
LONG_LINE = half(random.Random(0).randbytes(2_000_000).replace(b"\n", b"").replace(b"\r", b""))


def encrypted(body):
    """The same ZIP with the flag set that says so, at each member and in the list."""
    flags = bytearray(body)
    for mark in re.finditer(rb"PK(\x03\x04|\x01\x02)", body):
        flags[mark.start() + (6 if mark[1] == b"\x03\x04" else 8)] |= 1
    return bytes(flags)


@wrong_bodies(
    (BOMB, "a ZIP that unpacks to 95 MiB, no tables"),
    (LONG_LINE, "a line of more than 1,024 KiB"),
    (encrypted(GOOD), "damaged: File .* is encrypted"),
    (half(half(GOOD)), "changed format: no column ANO"),
    (zipped({"../../Acessos_Telefonia_Movel_2025_1S.csv": b"x"}), "no column ANO"),
    (HTML_CP1252, "an HTML page instead of a ZIP: 'Ag.ncia Nacional de Telecom"),
    (b"", "an empty answer instead of a ZIP"),
    (b"Ano;M", "plain text instead of a ZIP: 'Ano;M'"),
    (GOOD[: len(GOOD) // 2], "a ZIP that breaks off or is damaged"),
    (LARGE[:5000] + bytes(500) + LARGE[5500:], "a ZIP that breaks off or is damaged"),
    (zipped({}), "no file of half-years from 2025-01-01 on among 0: nothing"),
    (
        accesses_zip({"2024_2S": HALF}),
        "no file of half-years from 2025-01-01 on among 2: Acessos_Telefonia_Movel_2024_2S.csv",
    ),
    (
        half(accesses_file(HALF).replace("Tecnologia Geração".encode(), b"Geracao")),
        "Acessos_Telefonia_Movel_2025_1S.csv: changed format: no column TECNOLOGIA GERACAO",
    ),
    (half(accesses_file(HALF).replace(b";", b",")), "no column ANO, MES, UF, TECNOLOGIA"),
    (half(b""), "changed format: no column ANO, MES"),
    (half(accesses_file([])), "no rows of BA"),
    (half(accesses_file([accesses_row(2025, 1, "SP", "5G", 1)])), "no rows of BA"),
    (half(accesses_file([accesses_row(2025, 1, "BA", "5G", "?")])), "1 rows have no readable"),
    (half(accesses_file([("2025", "1", "BA")])), "1 rows have another number of columns"),
    (
        half(accesses_file(HALF).replace(b"Salvador", b"S\xe3o")),
        "Acessos_Telefonia_Movel_2025_1S.csv: .*UTF8",
    ),
    (
        accesses_zip({"2025_1S": [HALF[0], accesses_row(2025, 2, "BA", "5G NR", 130)]}),
        "BA has 5G accesses in 2025-01 and none in 2025-02; generations there: 5G NR",
    ),
)
def test_what_is_no_data_is_one_line_with_source_series_and_cause(tmp_path, body, cause):
    with one_line(rf"anatel_accesses: fiveg_accesses, mobile_accesses: .*{cause}"):
        parse(tmp_path, body)
