"""What a night tells at its end, and the figures that a monitor reads."""

import re
import sqlite3
from datetime import UTC, date, datetime, timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ml.frequency import Frequency
from ml.setting_groups import WatchSettings
from pipelines.messages.conditions import NightFinding, select_rows
from pipelines.messages.textfile import HELP, NightFigures, write_textfile
from pipelines.messages.watch import (
    find_late_data,
    find_missed_nights,
    tell_people,
    write_figures,
)
from tests.pipelines.messages.servers import webhook

NOW = datetime(2026, 11, 20, 5, 15, tzinfo=UTC)
# A line of the text format 0.0.4 of Prometheus.
LINE = re.compile(r'[a-z_]+(\{[a-z_]+="([^"\\\n]|\\[\\n"])*"\})? -?[0-9.]+')
FIGURES = NightFigures(
    ended=NOW, exit_code=0, steps={"demand": 1.5, "forecasts": 80.25}, conditions=1,
    data_until={"demand_ms": date(2026, 10, 1)}, rows={"forecasts": 32088},
    coverage={"demand_ms": 0.8123},
)  # fmt: skip


def samples(path):
    lines = path.read_text().splitlines()
    told = [line for line in lines if not line.startswith("#")]
    assert all(LINE.fullmatch(line) for line in told)
    names = [re.match("[a-z_]+", line)[0] for line in told]
    for name in dict.fromkeys(names):  # one block a name, under its help and type
        first = lines.index(f"# TYPE {name} gauge")
        assert lines[first - 1] == f"# HELP {name} {HELP[name]}"
        assert [n for n in names if n == name] == names[names.index(name) :][: names.count(name)]
    found = dict(line.rsplit(" ", 1) for line in told)
    families = [
        *text_string_to_metric_families(path.read_text())
    ]  # as Prometheus' own code reads it
    assert {(one.name, one.documentation, one.type) for one in families} == {
        (name, HELP[name], "gauge") for name in names
    }
    values = sorted(sample.value for one in families for sample in one.samples)
    assert values == sorted(map(float, found.values()))
    return found


def test_the_figures_are_what_the_night_knows(tmp_path):
    path = tmp_path / "textfiles" / "previsor.prom"
    write_textfile(path, FIGURES)
    assert samples(path) == {
        "previsor_last_run_timestamp_seconds": f"{NOW.timestamp():.0f}",
        "previsor_last_run_exit_code": "0",
        "previsor_last_success_timestamp_seconds": f"{NOW.timestamp():.0f}",
        # 2026-10-01: 20,727 days after 1970-01-01
        'previsor_data_cutoff_timestamp_seconds{panel="demand_ms"}': str(20727 * 86400),
        'previsor_rows{table="forecasts"}': "32088",
        'previsor_step_seconds{step="demand"}': "1.500",
        'previsor_step_seconds{step="forecasts"}': "80.250",
        'previsor_realised_coverage{panel="demand_ms"}': "0.8123",
        "previsor_open_conditions": "1",
    }
    assert [one.name for one in path.parent.iterdir()] == ["previsor.prom"]


def test_a_night_that_fails_leaves_the_last_success_and_the_data(tmp_path):
    path = tmp_path / "previsor.prom"
    write_textfile(path, FIGURES)
    failed = NightFigures(NOW + timedelta(days=1), 5, {"demand": 2.0}, 2)
    write_textfile(path, failed)
    found = samples(path)
    assert found["previsor_last_success_timestamp_seconds"] == f"{NOW.timestamp():.0f}"
    assert found["previsor_last_run_exit_code"] == "5"
    assert found['previsor_rows{table="forecasts"}'] == "32088"
    assert 'previsor_step_seconds{step="forecasts"}' not in found


def test_names_are_written_so_that_prometheus_reads_them_and_so_do_we(tmp_path):
    path = tmp_path / "previsor.prom"
    odd = NightFigures(NOW, 0, {}, 0, rows={'a"b\\c\nd': 3})
    write_textfile(path, odd)
    write_textfile(path, NightFigures(NOW, 0, {}, 0))
    assert samples(path)[r'previsor_rows{table="a\"b\\c\nd"}'] == "3"


def test_figures_that_cannot_be_written_are_a_line(tmp_path):
    (tmp_path / "file").write_text("")
    told = write_figures(tmp_path / "file" / "previsor.prom", FIGURES)
    assert told.startswith("figures: '")
    assert write_figures(None, FIGURES) is None


def test_a_night_tells_people_and_keeps_the_receipt_in_the_callers_file(tmp_path):
    with webhook() as hook:
        config = WatchSettings(message_urls=f"json://{hook.host}/x")
        for number in range(3):
            db = sqlite3.connect(tmp_path / "runs.sqlite")
            found = [NightFinding("degraded", "climate_etl", "climate_etl failed (5)")] * (
                number < 2
            )
            changes, lines = tell_people(
                db, found, looked_at=["degraded"], run_id=f"r{number}",
                now=NOW + timedelta(days=number), config=config,
            )  # fmt: skip
            assert lines == []
            assert [one.event for one in changes] == [["opened"], [], ["ended"]][number]
            db.close()
        assert len(hook.log) == 2
    db = sqlite3.connect(tmp_path / "runs.sqlite")
    states = select_rows(db, "SELECT event, state FROM messages")
    assert states == [{"event": "opened", "state": "sent"}, {"event": "ended", "state": "sent"}]
    db.close()


@pytest.mark.parametrize(("hours", "missed"), [(24, 0), (35, 0), (37, 1), (48, 1), (96, 3)])
def test_nights_that_did_not_run_are_counted(hours, missed):
    found = find_missed_nights(NOW - timedelta(hours=hours), NOW, 24.0)
    assert [one.text.split(" ")[0] for one in found] == ([str(missed)] if missed else [])
    assert find_missed_nights(None, NOW, 24.0) == []


@pytest.mark.parametrize(("last", "late"), [
    # On 20 November the last month that is over is October; two may be missing.
    (date(2026, 10, 1), False), (date(2026, 8, 1), False), (date(2026, 7, 1), True),
])  # fmt: skip
def test_data_are_late_when_more_periods_are_missing_than_may_be(last, late):
    found = find_late_data({"demand_ms": (last, Frequency.MONTHLY)}, date(2026, 11, 20), 2)
    assert [one.subject for one in found] == (["demand_ms"] if late else [])
