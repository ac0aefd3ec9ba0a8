import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from ml.errors import ConfigError
from ml.run.request import RunRequest
from ml.setting_groups import PROJECT
from ml.settings import GROUPS, Settings, refuse_open_secrets, settings

EXAMPLE = PROJECT / ".env.ml.example"
COMMENTED = re.compile(r"^#\s?([A-Z][A-Z0-9_]*)=(.*)$", re.MULTILINE)
NAMES = sorted(name.upper() for name in Settings.model_fields)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def env_file(tmp_path):
    """Write a settings file and read it."""

    def read(text):
        path = tmp_path / ".env.ml"
        path.write_text(text, encoding="utf-8")
        return Settings(_env_file=path)

    return read


def test_the_environment_wins_over_the_file(env_file, monkeypatch):
    text = "SEED=5\nSERVICE_LEVEL=0.9\n"
    assert (env_file(text).seed, env_file(text).service_level) == (5, 0.9)
    monkeypatch.setenv("SEED", "7")
    assert (env_file(text).seed, env_file(text).service_level) == (7, 0.9)


def test_the_settings_file_is_that_of_the_project_whatever_the_working_directory(
    tmp_path, monkeypatch
):
    (tmp_path / ".env.ml").write_text("SEED=123456\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert Settings.model_config["env_file"] == PROJECT / ".env.ml"
    assert settings().seed != 123456


@pytest.mark.parametrize("name", [n for n in NAMES if n.endswith(("_DIR", "_PATH"))])
def test_a_relative_path_is_below_the_project_folder(env_file, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    read = env_file(f"{name}=./here/it\n")
    assert getattr(read, name.lower()) == PROJECT / "here" / "it"
    assert getattr(env_file(f"{name}={tmp_path}\n"), name.lower()) == tmp_path


@pytest.mark.parametrize("name", ["natal", "salvador", "belem", "recife_xx"])
def test_a_home_region_without_its_state_is_refused(env_file, name):
    with pytest.raises(ValidationError, match="salvador_ba"):
        env_file(f"HOME_REGION={name}\n")


@pytest.mark.parametrize(
    ("name", "kept"), [("recife_pe",) * 2, ("BA",) * 2, ("sp",) * 2, ("Salvador_BA", "salvador_ba")]
)
def test_a_home_region_is_a_state_or_a_city_as_the_tables_write_it(env_file, name, kept):
    assert env_file(f"HOME_REGION={name}\n").home_region == kept


def test_every_setting_is_in_one_group_of_the_documentation():
    grouped = [name.upper() for group in GROUPS for name in group.model_fields]
    assert sorted(grouped) == NAMES
    assert all(group.__doc__ for group in GROUPS)


def test_a_group_is_handed_on_with_the_values_read_and_without_the_others(env_file):
    policy = env_file("SERVICE_LEVEL=0.9\nS3_SECRET_KEY=hidden\n").policy
    assert (policy.service_level, policy.seed) == (0.9, 0)
    assert "hidden" not in str(vars(policy))


def test_an_empty_value_is_the_default(env_file, monkeypatch):
    monkeypatch.setenv("SEED", "")
    assert env_file("TODAY=\nDATA_DIR=\n") == Settings(_env_file=None)


def test_the_day_of_the_run_is_a_day_or_the_clock(env_file):
    assert env_file("").today is None
    assert env_file("TODAY=2026-11-20\n").today == date(2026, 11, 20)


@pytest.mark.parametrize(
    ("zone", "day"),
    [("America/Bahia", 20), ("UTC", 21), ("America/Noronha", 20), ("Asia/Tokyo", 21)],
)
def test_today_is_the_day_of_the_time_zone_and_an_instant_stays_what_it_is(env_file, zone, day):
    # 01:30 UTC is 22:30 of the day before in Salvador (UTC-3), 23:30 on Noronha (UTC-2)
    clock = datetime(2026, 11, 21, 1, 30, tzinfo=UTC)
    request = RunRequest(command="test", settings=env_file(f"TIMEZONE={zone}\n"), clock=clock)
    assert (request.today, request.started) == (date(2026, 11, day), clock)


def test_the_day_of_the_settings_wins_over_clock_and_time_zone(env_file):
    clock = datetime(2026, 11, 21, 1, 30, tzinfo=UTC)
    read = env_file("TODAY=2025-03-01\nTIMEZONE=Asia/Tokyo\n")
    request = RunRequest(command="test", settings=read, clock=clock)
    assert request.today == read.current_day == date(2025, 3, 1)
    assert request.started == datetime(2025, 3, 1, 1, 30, tzinfo=UTC)


def test_the_day_of_a_night_wins_over_the_clock_and_leaves_instants_to_it(env_file):
    clock = datetime(2026, 11, 21, 4, 30, tzinfo=UTC)  # 01:30 in Salvador, of the day after
    request = RunRequest(command="test", settings=env_file("NIGHT_DAY=2026-11-20\n"), clock=clock)
    assert (request.today, request.started) == (date(2026, 11, 20), clock)
    assert "night_day" not in request.settings.plain  # what a backup keeps is for other nights


def test_the_default_time_zone_is_that_of_the_company(env_file):
    before = datetime.now(ZoneInfo("America/Bahia")).date()
    assert env_file("").current_day in (before, before + timedelta(days=1))  # midnight may pass


@pytest.fixture
def open_file(tmp_path, monkeypatch):
    """Write the project's settings file with a mode, as far as the settings see."""

    def write(text, mode):
        path = tmp_path / ".env.ml"
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)
        monkeypatch.setitem(Settings.model_config, "env_file", path)
        settings.cache_clear()
        return path

    return write


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_settings_file_that_others_can_read_is_told_once_with_what_to_do(open_file, capsys, mode):
    path = open_file("SEED=5\n", mode)
    assert settings().seed == settings().seed == 5
    told = f"settings: others can read '{path}' (mode {mode:o}): chmod 600 '{path}'."
    assert capsys.readouterr().err == f"warning: {told}\n"
    refuse_open_secrets()  # it holds none


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_private_settings_file_may_hold_secrets(open_file, capsys, mode):
    open_file("S3_SECRET_KEY=hidden\n", mode)
    settings()
    refuse_open_secrets()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "line",
    ["S3_SECRET_KEY=hidden", "MINIO_SECRET_KEY=hidden", "alphavantage_api_key=hidden",
     'export S3_ACCESS_KEY="hidden"'],
)  # fmt: skip
def test_nothing_is_published_with_secrets_that_others_can_read(open_file, line):
    open_file(f"{line}\nSEED=1\n", 0o644)
    name = re.search(r"(\w+)=", line)[1]
    with pytest.raises(ConfigError, match=rf"chmod 600 '.*'\. It holds '{name}': noth") as told:
        refuse_open_secrets()
    assert "hidden" not in str(told.value)


def test_a_name_that_no_setting_has_is_told_with_the_one_that_may_be_meant(open_file, capsys):
    open_file("LEAD_TIME_DAY=60\nMINIO_BUCKET=parts\nseed=5\nFOO=1\n", 0o600)
    assert settings().seed == 5
    told = capsys.readouterr().err
    assert "has 2 of 4 names that no setting has" in told
    assert "'LEAD_TIME_DAY', 'FOO'. Was LEAD_TIME_DAYS meant?" in told
    assert told.count("\n") == 1


@pytest.mark.parametrize("line", ["SEED 1", "SEED", 'SEED="1'])
def test_a_line_that_sets_nothing_is_told_once(open_file, capsys, line):
    open_file(f"REPORT_LANG=en\n{line}\n", 0o600)
    assert (settings().seed, settings().report_lang) == (0, "en")
    told = capsys.readouterr().err
    assert "' line 2 is not written as NAME=value, and nothing is read from it (1 such" in told
    assert told.count("\n") == 1


@pytest.mark.parametrize("kind", ["folder", "link"])
def test_what_stands_in_the_place_of_the_settings_file_is_not_passed_over(open_file, kind):
    path = open_file("", 0o600)
    path.unlink()
    path.mkdir() if kind == "folder" else path.symlink_to("/nowhere")
    with pytest.raises(ConfigError, match="is a folder or a link to nowhere"):
        settings()


def test_a_settings_file_that_is_no_text_is_named_with_its_line(open_file):
    path = open_file("", 0o600)
    path.write_bytes("SEED=1\nS3_BUCKET=peças\n".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"\.env\.ml' is no UTF-8 text from line 2 on"):
        settings()


def test_a_setting_for_a_secret_without_one_is_none(open_file):
    open_file("S3_SECRET_KEY=\n#S3_ACCESS_KEY=old\nS3_SECRET_KEY_FILE=/run/secret\n", 0o644)
    refuse_open_secrets()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("TIMEZONE", "Bahia", id="no time zone"),
        pytest.param("TIMEZONE", "America", id="a folder of time zones"),
        pytest.param("TIMEZONE", "../UTC", id="a path"),
        pytest.param("ENABLE_EXTERNAL_APIS", "perhaps", id="no yes or no"),
        pytest.param("TODAY", "20/11/2026", id="no ISO day"),
        pytest.param("HISTORY_START", "yesterday", id="no day"),
        pytest.param("SEED", "-1", id="negative seed"),
        pytest.param("SERVICE_LEVEL", "1", id="a certainty"),
        pytest.param("SERVICE_LEVEL", "95", id="per cent"),
        pytest.param("LEAD_TIME_DAYS", "0", id="no lead time"),
        pytest.param("HOLDING_RATE", "1e999", id="infinite"),
        pytest.param("BACKTEST_ITEMS", "2.5", id="half an item"),
    ],
)
def test_a_wrong_value_is_an_error_that_names_setting_value_and_place(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    expected = re.escape(f"settings: {name}='{value}'") + r".*\(1 wrong in all\).*\.env\.ml"
    with pytest.raises(ConfigError, match=expected):
        settings()


def test_an_error_counts_all_wrong_settings(monkeypatch):
    monkeypatch.setenv("SEED", "x")
    monkeypatch.setenv("SERVICE_LEVEL", "x")
    with pytest.raises(ConfigError, match=r"\(2 wrong in all\)"):
        settings()


def test_settings_are_read_once_and_cannot_be_changed(monkeypatch):
    first = settings()
    monkeypatch.setenv("SEED", "99")
    assert settings() is first
    with pytest.raises(ValidationError, match="frozen"):
        first.seed = 99


def test_the_example_file_names_every_setting_and_no_other():
    named = [name for name, _ in COMMENTED.findall(EXAMPLE.read_text(encoding="utf-8"))]
    assert sorted(named) == NAMES


def test_the_example_file_sets_nothing_as_it_is_and_shows_the_defaults(env_file):
    text = EXAMPLE.read_text(encoding="utf-8")
    assert not [line for line in text.splitlines() if line and not line.startswith("#")]
    assert env_file(text) == env_file(COMMENTED.sub(r"\1=\2", text)) == Settings(_env_file=None)


@pytest.mark.parametrize("name", NAMES)
def test_the_example_file_says_what_a_setting_is_in_one_line_above_it(name):
    about = Settings.model_fields[name.lower()].description
    assert about
    text = EXAMPLE.read_text(encoding="utf-8")
    assert re.search(rf"^# {re.escape(about)}\n#{name}=", text, re.MULTILINE)
