"""Messages to a real webhook and a real mail server on loopback, on good lines and bad ones."""

import json
import logging
import socket
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from email import message_from_bytes

import pytest
from pydantic import SecretStr

from ml.errors import ConfigError
from ml.setting_groups import PROJECT
from pipelines.messages.conditions import (
    KINDS,
    NightFinding,
    prepare_tables,
    select_rows,
    update_conditions,
)
from pipelines.messages.outbox import deliver
from pipelines.messages.transport import addresses_of, check_addresses, hide_secrets, send
from pipelines.messages.watch import beat
from tests.pipelines.job.conftest import Workspace
from tests.pipelines.messages.servers import MailServer, closed_port, serving, webhook
from tests.pipelines.sources.replay import NO_ANSWER

NOW = datetime(2026, 11, 20, 2, 15, tzinfo=UTC)
NIGHT = "scripts/auto_update_ml_results.py"
TOKEN = "T0kenOfTheHook"
FAILED = NightFinding("failed", "", "publish failed (5): the gate's limit is 4 > 3")


@pytest.fixture
def db():
    connection = sqlite3.connect(":memory:")
    prepare_tables(connection)
    yield connection
    connection.close()


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    return Workspace(tmp_path)


@pytest.fixture
def own_name(monkeypatch):
    """The name that a mail is handed in under is this machine's, which no test may look up."""
    monkeypatch.setattr(socket, "getfqdn", lambda *_: "night.localhost")


@pytest.fixture
def logs(caplog):
    caplog.set_level(logging.DEBUG)
    return caplog


def tell(db, *findings, addresses):
    names = [*addresses_of(SecretStr(addresses))]
    update_conditions(db, findings, looked_at=[*KINDS], run_id="r", now=NOW, addresses=names)
    db.commit()


def deliver_all(db, addresses, *, most=6):
    urls = addresses_of(SecretStr(addresses))
    return deliver(db, urls, most_attempts=most, now=lambda: NOW, pause=lambda _: None)


def rows(db):
    return [(row["state"], row["attempts"]) for row in select_rows(db, "SELECT * FROM messages")]


def hook_url(server, path=TOKEN):
    return f"json://{server.host}/{path}"


def test_a_webhook_gets_the_message_once(db):
    with webhook() as hook:
        tell(db, FAILED, addresses=hook_url(hook))
        for _ in range(3):
            assert deliver_all(db, hook_url(hook)) == []
        (asked,) = hook.log
    assert asked.path == f"/{TOKEN}"
    said = json.loads(asked.body)
    assert said["title"] == "Previsor: the night failed"
    assert said["message"].startswith(FAILED.text)
    assert said["message"].endswith("condition 1. Message 1.")
    assert rows(db) == [("sent", 1)]


def test_a_mail_server_gets_the_message_as_it_was_written(db, own_name):
    with serving(MailServer()) as mail:
        url = f"mailto://127.0.0.1:{mail.port}?from=night@example.com&to=plan@example.com&mode=insecure"
        tell(db, FAILED, addresses=url)
        assert deliver_all(db, url) == []
        (raw,) = mail.got
    message = message_from_bytes(raw)
    assert message["Subject"] == "Previsor: the night failed"
    assert "plan@example.com" in message["To"]
    text = message.get_payload(decode=True) or message.get_payload()[0].get_payload(decode=True)
    assert FAILED.text in text.decode()


def test_a_refusal_is_tried_again_and_the_receipt_counts(db, logs):
    with webhook(500, 503) as hook:
        tell(db, FAILED, addresses=hook_url(hook))
        assert deliver_all(db, hook_url(hook)) == []
        assert len(hook.log) == 3
    assert rows(db) == [("sent", 3)]
    assert TOKEN not in logs.text


def test_a_lost_answer_brings_the_message_again_with_the_same_number(db, logs):
    with webhook(NO_ANSWER) as hook:
        tell(db, FAILED, addresses=hook_url(hook))
        assert deliver_all(db, hook_url(hook)) == []
        bodies = [json.loads(asked.body)["message"] for asked in hook.log]
    assert len(bodies) == 2
    assert bodies[0] == bodies[1]
    assert bodies[0].endswith("Message 1.")
    assert TOKEN not in logs.text


def test_a_mail_whose_answer_is_lost_counts_as_an_attempt(db, own_name):
    with serving(MailServer(lose_answer=True)) as mail:
        url = f"mailto://127.0.0.1:{mail.port}?from=a@example.com&to=b@example.com&mode=insecure"
        tell(db, FAILED, addresses=url)
        (line,) = deliver_all(db, url, most=2)
        assert len(mail.got) == 2
    assert line.startswith("message 1 to mailto 1: ")
    assert rows(db) == [("given up", 2)]


def test_a_recipient_that_is_refused_is_a_reason(db, own_name):
    with serving(MailServer(refuse="550 no such user")) as mail:
        url = f"mailto://127.0.0.1:{mail.port}?from=a@example.com&to=b@example.com&mode=insecure"
        tell(db, FAILED, addresses=url)
        assert len(deliver_all(db, url)) == 1
    assert rows(db) == [("due", 3)]


def test_nobody_is_tried_more_often_than_the_settings_allow(db, logs):
    url = f"json://u5er:Passw0rd@127.0.0.1:{closed_port()}/{TOKEN}"
    tell(db, FAILED, addresses=url)
    lines = [deliver_all(db, url, most=5) for _ in range(4)]
    assert [len(one) for one in lines] == [1, 1, 0, 0]
    assert rows(db) == [("given up", 5)]
    (kept,) = select_rows(db, "SELECT reason FROM messages")
    for text in (str(lines), str(kept), logs.text):
        assert not any(secret in text for secret in (TOKEN, "u5er", "Passw0rd"))
    assert "Connection error" in kept["reason"]


def test_one_address_that_is_dead_keeps_no_message_from_another(db):
    with webhook() as hook:
        both = f"json://127.0.0.1:{closed_port()}/x {hook_url(hook)}"
        tell(db, FAILED, addresses=both)
        assert len(deliver_all(db, both)) == 1
        assert len(hook.log) == 1
    assert rows(db) == [("due", 3), ("sent", 1)]


def test_an_address_that_was_taken_out_of_the_settings_is_given_up(db):
    tell(db, FAILED, addresses="json://127.0.0.1:9/x")
    (line,) = deliver_all(db, "")
    assert line == "message 1 to json 1: the settings name this address no more"
    assert rows(db) == [("given up", 0)]


def test_an_attempt_counts_even_if_the_process_dies_in_it(tmp_path):
    path = tmp_path / "ledger.sqlite"
    db = sqlite3.connect(path)
    prepare_tables(db)
    with webhook(NO_ANSWER) as hook:
        tell(db, FAILED, addresses=hook_url(hook))

        class Death(BaseException):
            pass

        def die(_):
            raise Death

        urls = addresses_of(SecretStr(hook_url(hook)))
        with pytest.raises(Death):
            deliver(db, urls, most_attempts=6, now=lambda: NOW, pause=die)
    db.close()
    again = sqlite3.connect(path)
    assert rows(again) == [("due", 1)]
    again.close()


def test_addresses_are_named_by_scheme_and_place_and_never_shown():
    found = addresses_of(SecretStr(" json://h/t  MAILTO://u:p@h "))
    assert [*found] == ["json 1", "mailto 2"]
    with pytest.raises(ConfigError, match="MESSAGE_URLS: address 2 does not begin") as told:
        addresses_of(SecretStr("json://h/t hooks.example.com/S3cret"))
    assert "S3cret" not in str(told.value)


def test_an_address_that_apprise_does_not_know_is_refused_before_the_night(logs):
    check_addresses({"json 1": "json://127.0.0.1/x"})
    with pytest.raises(ConfigError, match=r"1 of 1 addresses .* first 'nothing 1'") as told:
        check_addresses({"nothing 1": "nothing://S3cret"})
    assert "S3cret" not in str(told.value) + logs.text


def test_every_part_of_an_address_that_may_be_a_secret_is_hidden():
    url = "slack://bot:pa%20ss@host:80/T1234/B5678?key=K3y#frag"
    text = "host:80 refused T1234, B5678, bot, pa%20ss, pa ss, K3y, frag"
    assert hide_secrets(text, url) == "host:80 refused " + ", ".join(["***"] * 7)


def test_a_wrong_address_is_a_reason_and_no_error():
    assert send("nothing://x", "t", "b")


@pytest.mark.parametrize(("answers", "asked", "reason"), [
    ((), 1, None), ((500,), 2, None), ((NO_ANSWER, NO_ANSWER), 3, None),
    ((404, 404, 404), 3, "asked 3 times: status 404"),
    ((NO_ANSWER,) * 3, 3, "asked 3 times: RemoteProtocolError"),
])  # fmt: skip
def test_a_heartbeat_is_tried_three_times(logs, answers, asked, reason):
    with webhook(*answers) as hook:
        url = SecretStr(f"{hook.base}/{TOKEN}")
        told = beat(url, pause=lambda _: None)
        assert hook.targets() == [f"/{TOKEN}"] * asked
    assert (told is None) if reason is None else told.endswith(reason)
    assert TOKEN not in logs.text


def test_a_heartbeat_that_nobody_takes_is_a_line_without_the_address(logs):
    told = beat(SecretStr(f"http://127.0.0.1:{closed_port()}/{TOKEN}"), pause=lambda _: None)
    assert told == "the heartbeat's address was asked 3 times: ConnectError"
    assert beat(SecretStr("")) is None
    assert TOKEN not in logs.text


def test_apprise_is_loaded_only_when_a_message_is_sent():
    code = (
        "import sys; import pipelines.messages.watch, pipelines.messages.outbox; "
        "print('apprise' in sys.modules, 'requests' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT)
    assert done.stdout.split() == ["False", "False"], done.stderr


def test_a_trial_message_goes_to_every_address_and_each_one_is_told_of(workspace):
    with webhook() as good, webhook(403) as bad:
        addresses = f"{hook_url(good)} {hook_url(bad)}"
        done = workspace.run(NIGHT, "--try-messages", expect=5, MESSAGE_URLS=addresses)
    taken, refused = done.stdout.splitlines()
    assert taken == "json 1: taken"
    assert refused.startswith("json 2: not taken: ")
    assert done.stderr.startswith("error: messages: 1 of 2 addresses did not take the trial")
    assert TOKEN not in done.stdout + done.stderr
    assert "This is a trial, nothing has happened" in json.loads(good.log[0].body)["message"]
    assert not (workspace.folder / "data" / "nights").exists()


def test_a_trial_with_nobody_to_tell_says_where_they_are_named(workspace):
    done = workspace.run(NIGHT, "--try-messages", expect=2)
    assert done.stderr.startswith("error: MESSAGE_URLS is empty: nobody is told anything.")
