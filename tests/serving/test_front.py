"""Who is let in, what all answers have, and what is written of a request."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ml.errors import ConfigError
from serving.access import make_key, read_keys
from serving.command import ServeRequest, serve
from tests.serving.conftest import API, OWN, PYTHON, ROOT, item_path, serving
from tests.serving.versions import HOSTILE

HEAVY = (
    "numpy", "pandas", "duckdb", "polars", "scipy", "sklearn", "statsmodels", "tensorflow", "keras",
    "prophet", "pmdarima", "joblib", "ml.run", "ml.forecasters", "ml.inventory", "ml.evaluation",
    "pipelines.publish.publishing", "pipelines.publish.deploy", "pipelines.job",
)  # fmt: skip
BLOCKED = (
    "import runpy, sys\n"
    "for name in ('numpy', 'pandas', 'duckdb', 'polars', 'scipy', 'structlog', 'typer'):\n"
    "    sys.modules[name] = None  # to import it fails\n"
    "sys.argv[0] = 'serving'\n"
    "runpy.run_module('serving', run_name='__main__')\n"
)


def ask_everything(server):
    for path in (
        "/health", "/ready", "/metrics", f"{API}/openapi.json", f"{API}/versions",
        f"{API}/forecasts?limit=1000", f"{API}/forecasts?item_id=PART-001&kind=demand",
        f"{API}/forecasts?f=csv", f"{API}/forecasts?f=arrow", f"{API}/forecasts?f=parquet",
        f"{API}/forecasts.parquet", f"{API}/metrics", item_path("PART-001"),
        f"{API}/documents/model_versions",
    ):  # fmt: skip
        assert server.get(path).status == 200, path


def test_the_server_has_no_library_of_models_or_frames_in_its_memory(results, tmp_path):
    own = OWN.exists()
    if "CI" in os.environ:
        assert own, "make setup-serving builds the environment that this is about"
    python, flags = (
        (OWN, ("-X", "importtime", "-m", "serving"))
        if own
        else (sys.executable, ("-X", "importtime", "-c", BLOCKED))
    )
    options = ("--results", str(results))
    with serving(tmp_path, *options, python=str(python), flags=flags) as server:
        ask_everything(server)
        maps = Path(f"/proc/{server.daemon.pid}/maps")
        mapped = maps.read_text() if maps.exists() else ""
    loaded = {line.rpartition("|")[2].strip() for line in server.log.splitlines() if "|" in line}
    assert {"pyarrow.lib", "serving.tables", "orjson"} <= loaded  # else nothing was understood
    assert {n for n in loaded for h in HEAVY if n == h or n.startswith(f"{h}.")} <= {
        "numpy", "pandas"  # tried by pyarrow, and not there: nothing below them is named
    }  # fmt: skip
    assert not [line for line in mapped.splitlines() if "numpy" in line or "pandas" in line]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_nothing_but_get_and_head_is_answered(served, method):
    answer = served.get(f"{API}/forecasts", method)
    assert answer.status == 405
    assert answer.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", ["/health", f"{API}/forecasts", f"{API}/nothing", "/nothing"])
def test_head_is_get_without_the_body(served, path):
    got, head = served.get(path), served.get(path, "HEAD")
    assert (head.status, head.data) == (got.status, b"")
    for name in ("Content-Length", "Content-Type", "ETag"):
        assert head.headers.get(name) == got.headers.get(name)


@pytest.mark.parametrize("path", ["/", "/health", f"{API}/forecasts", f"{API}/nothing", "/x"])
def test_every_answer_has_the_headers_of_safety(served, path):
    headers = served.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "server" not in headers


def test_an_address_of_this_machine_under_a_foreign_name_is_not_answered(served):
    assert served.get("/metrics", Host="evil.example:80").status == 421
    assert served.get(f"{API}/forecasts", Host="127.0.0.1.evil.example").status == 421
    assert served.get(f"{API}/forecasts", Host="localhost:1").status == 200


def test_an_address_that_is_too_long_is_refused(served):
    assert served.get(f"{API}/forecasts?item_id={'x' * 60_500}").status == 414
    assert served.get(f"{API}/forecasts?item_id={'x' * 2000}").status == 400


@pytest.mark.parametrize("raw", [b"GET / HTTP/9\r\n\r\n", b"\x16\x03\x01\x02\x00", b"\r\n" * 50])
def test_what_is_no_request_at_all_does_no_harm(served, raw):
    place = urlsplit(served.url)
    with socket.create_connection((place.hostname, place.port), timeout=10) as line:
        line.sendall(raw)
        line.shutdown(socket.SHUT_WR)
        line.recv(1000)
    assert served.get("/health").status == 200


def keys_file(tmp_path, *names):
    """A file of keys and the keys; the first is made as a user makes it."""
    lines, keys = [], []
    for name in names:
        if not keys:
            command = [PYTHON, "-m", "serving", "--make-key", name]
            env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
            done = subprocess.run(command, capture_output=True, text=True, env=env, check=True)
            key, line = (told.partition(": ")[2] for told in done.stdout.splitlines())
        else:
            key, line = make_key(name)
        keys.append(key)
        lines.append(line)
    path = tmp_path / "keys"
    path.write_text("# who may ask\n" + "\n".join(lines) + "\n")
    path.chmod(0o600)
    return path, keys


def test_a_server_for_others_asks_for_a_key_and_names_who_had_it(results, tmp_path):
    path, (anna, bruno) = keys_file(tmp_path, "anna", "bruno")
    assert anna not in path.read_text()
    options = ("--results", str(results), "--host", "0.0.0.0")
    with serving(tmp_path / "server", *options, SERVE_KEYS_FILE=str(path)) as server:
        address = f"{API}/forecasts?limit=1"
        for key in (None, "", "wrong", anna[:-1], path.read_text().split(":")[1][:64]):
            headers = {} if key is None else {"Authorization": f"Bearer {key}"}
            refused = server.get(address, **headers)
            assert (refused.status, refused.headers["WWW-Authenticate"][:6]) == (401, "Bearer")
        assert server.get("/metrics").status == 401
        assert server.get("/", Authorization=f"Basic {anna}").status == 401
        for key in (anna, bruno):
            answer = server.get(address, Authorization=f"Bearer {key}")
            assert answer.status == 200
            assert answer.headers["Cache-Control"].startswith("private")
        server.get("/health")  # answers are noted after they are sent, and before the next one
    log = [json.loads(line) for line in server.log.splitlines() if line.startswith("{")]
    named = [line["user"] for line in log if line["event"] == "answered" and line["status"] == 200]
    assert [one for one in named if one] == ["anna", "bruno"]
    assert anna not in server.log


def test_a_proxy_is_believed_only_where_it_is_trusted(results, tmp_path):
    address, options = f"{API}/forecasts?limit=1", ("--results", str(results))
    with serving(tmp_path / "a", *options, SERVE_TRUSTED_PROXIES="127.0.0.0/8") as server:
        assert server.get(address).status == 401
        assert server.get(address, X_Forwarded_User="anna").status == 200
    with serving(tmp_path / "b", *options, SERVE_TRUSTED_PROXIES="10.9.8.7") as server:
        assert server.get(address, X_Forwarded_User="anna").status == 401


REFUSED = {
    "0.0.0.0": ({}, "can be reached by others. Set SERVE_KEYS_FILE"),
    "::": ({}, "can be reached by others"),
    "127.0.0.1": ({"SERVE_KEYS_FILE": "nowhere"}, "cannot be read"),
    "127.0.0.2": ({"SERVE_TRUSTED_PROXIES": "all"}, "is no address or network"),
    "127.0.0.3": ({"ML_RESULTS_PATH": "nowhere"}, "there is no folder"),
    "127.0.0.4": ({"SERVE_PORT": "99999"}, "SERVE_PORT='99999'"),
}  # fmt: skip


@pytest.mark.parametrize("host", REFUSED)
def test_a_server_that_would_be_open_or_serve_nothing_does_not_start(monkeypatch, host):
    env, words = REFUSED[host]
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=re.escape(words)):
        serve(ServeRequest(host))


def test_a_refusal_is_one_line_and_the_exit_code_of_usage(tmp_path):
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "SERVE_CACHE_DIR": str(tmp_path)}
    command = [PYTHON, "-m", "serving", "--host", "0.0.0.0"]
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=60)
    assert done.returncode == 2
    assert done.stderr.startswith("error: serve: '0.0.0.0' can be reached by others.")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [
        ("anna sha256:" + "0" * 64, 0o622, "others can write"),
        ("anna sha256:" + "0" * 63, 0o600, "line 1 is not"),
        ("# nobody", 0o600, "holds none"),
        (f"anna sha256:{'0' * 64}\nanna sha256:{'1' * 64}", 0o600, "line 2 is not"),
    ],
)
def test_a_file_of_keys_that_cannot_be_trusted_is_not_taken(tmp_path, text, mode, words):
    path = tmp_path / "keys"
    path.write_text(text)
    path.chmod(mode)
    with pytest.raises(ConfigError, match=words):
        read_keys(path)


def test_the_log_has_one_document_a_line_whatever_is_asked(results, tmp_path):
    options = ("--results", str(results))
    with serving(tmp_path, *options, SERVE_ACCESS_LOG="true") as server:
        asked = [item_path(one) for one in HOSTILE if one != ".."]
        asked += [f"{API}/%0d%0a%7B%22event%22:%22forged%22%7D", "/%1b[31mred%E2%80%AE"]
        for path in asked:
            server.get(path)
        server.get("/health")  # answers are noted after they are sent, and before the next one
    lines = server.log.splitlines()
    assert all(line.isascii() and line.isprintable() for line in lines)
    events = [json.loads(line)["event"] for line in lines if line.startswith("{")]
    assert events.count("answered") >= len(asked)
    assert "forged" not in events


def test_labels_of_measures_are_templates_and_never_what_was_asked(served):
    served.get(item_path("PART-001"))
    served.get("/nothing-of-ours")
    text = served.get("/metrics").data.decode()
    assert 'previsor_requests_total{route="/api/v1/items/{item_id:text}",status="200"}' in text
    assert 'route="none",status="404"' in text
    assert "nothing-of-ours" not in text
    assert "PART-001" not in text


def test_the_page_is_served_with_nothing_from_elsewhere(served):
    page = served.get("/")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    again = served.get("/", If_None_Match=page.headers["ETag"])
    assert (again.status, again.data) == (304, b"")
    assert b"http:" not in page.data.replace(b"http://www.w3.org/", b"")


def test_more_requests_than_are_taken_on_are_told_to_come_again(results, tmp_path):
    place = f"{API}/forecasts.parquet"
    options = ("--results", str(results))
    with serving(tmp_path, *options, SERVE_REQUESTS_AT_ONCE="1") as server:
        parts = urlsplit(server.url)
        held = [socket.create_connection((parts.hostname, parts.port)) for _ in range(8)]
        for line in held:
            line.sendall(f"GET {place} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert server.get("/health").status == 200
        starts = {line.recv(12) for line in held}
        for line in held:
            line.close()
    assert starts <= {b"HTTP/1.1 200", b"HTTP/1.1 503"}
    assert b"HTTP/1.1 200" in starts
