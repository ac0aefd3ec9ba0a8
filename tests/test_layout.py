"""The project's own rules about its files, which no linter knows."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("ml", "pipelines", "scripts", "serving")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
BESIDE_COMMANDS = sorted(path for package in PACKAGES for path in (ROOT / package).glob("*.py"))
MAY_IMPORT = {
    "ml": {"ml"},
    "pipelines": {"ml", "pipelines"},
    "serving": {"ml", "pipelines", "serving"},
    "scripts": {"ml", "pipelines", "scripts", "serving"},
}
MOST_LINES = 400
HEAVY = {"tensorflow", "keras", "prophet", "pmdarima", "statsmodels", "pandas", "pyarrow", "ray"}
PICKLERS = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "shelve", "marshal"}
PICKLING = {"joblib.dump", "joblib.load"}
PICKLING_METHODS = {"to_pickle", "read_pickle"}
NETWORK = {"socketserver", "ftplib", "smtplib", "requests", "httpx", "aiohttp", "urllib3",
           "urllib.request", "http.client", "minio", "boto3"}  # fmt: skip
PERSONAL_PATH = re.compile(r"(?<![\w.~-])/(?:home|Users|root|work)/[\w.]|[A-Z]:\\Users\\")


def short(path):
    return path.relative_to(ROOT).as_posix()


@cache
def parsed(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def is_runnable(path):
    """Whether a file has an ``if __name__ == "__main__"`` block."""
    tests = [node.test for node in parsed(path).body if isinstance(node, ast.If)]
    return any(ast.unparse(test) == "__name__ == '__main__'" for test in tests)


def imported_names(node, package):
    """Full names that an import statement, or a call that imports, brings in."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        above = package[: len(package) + 1 - node.level] if node.level else []
        start = ".".join([*above, *([node.module] if node.module else [])])
        return [start, *(f"{start}.{alias.name}" for alias in node.names)]
    if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(
        ("import_module", "__import__")
    ):
        return [arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant)]
    return []


@cache
def imports(path):
    """Every name that a module imports, also inside of functions."""
    package = list(path.relative_to(ROOT).parent.parts)
    nodes = ast.walk(parsed(path))
    return {name for node in nodes for name in imported_names(node, package)}


def tops(names):
    return {name.partition(".")[0] for name in names}


RUNNABLE = [path for path in BESIDE_COMMANDS if is_runnable(path)]
TAKEN = (set(sys.stdlib_module_names) | set(packages_distributions())) - set(PACKAGES)
every_command = pytest.mark.parametrize("path", RUNNABLE, ids=short)


def git(*arguments):
    """Run git on the project; skip where there is no git or no checkout."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("the project is not a git checkout here")
    return subprocess.run(
        ["git", "-c", "safe.directory=*", *arguments], cwd=ROOT, capture_output=True, text=True
    )


def test_the_commands_of_the_design_exist():
    families = ("prophet", "arima", "lstm", "trees", "ensemble")
    expected = {f"ml/train_{family}.py" for family in families}
    expected |= {"ml/generate_forecasts.py", "scripts/generate_ml_results.py"}
    assert {short(path) for path in RUNNABLE} >= expected | {"pipelines/demand_etl.py"}


def test_no_file_beside_a_command_shadows_a_library():
    # Python puts the folder of a command first on its import path: ml/types.py would replace
    # the standard library's types in every command of ml/.
    assert not [short(path) for path in BESIDE_COMMANDS if path.stem in TAKEN]


@every_command
def test_a_command_defines_no_class(path):
    # It would belong to __main__, where no other process finds it again.
    assert not [n.name for n in ast.walk(parsed(path)) if isinstance(n, ast.ClassDef)]


def test_imports_go_from_scripts_to_pipelines_to_ml():
    found = {short(path): tops(imports(path)) & {*PACKAGES, "tests"} for path in MODULES}
    allowed = {name: MAY_IMPORT[name.partition("/")[0]] for name in found}
    assert not {name: own - allowed[name] for name, own in found.items() if own - allowed[name]}


def test_nothing_is_pickled():
    found = {}
    for path in MODULES:
        attributes = [n for n in ast.walk(parsed(path)) if isinstance(n, ast.Attribute)]
        found[short(path)] = [
            *(tops(imports(path)) & PICKLERS),
            *((imports(path) | {ast.unparse(n) for n in attributes}) & PICKLING),
            *({n.attr for n in attributes} & PICKLING_METHODS),
        ]
    assert not {name: used for name, used in found.items() if used}


def test_what_computes_touches_no_network():
    modules = [path for path in MODULES if short(path).startswith("ml/")]
    assert not {short(path): used for path in modules if (used := imports(path) & NETWORK)}
    assert [short(path) for path in MODULES if "ray" in tops(imports(path))] == [
        "ml/run/ray_engine.py"  # whose workers may be on other machines
    ]


def test_every_module_is_short_enough_to_be_read():
    lines = {short(path): path.read_text(encoding="utf-8").count("\n") for path in MODULES}
    assert not {name: count for name, count in lines.items() if count > MOST_LINES}


def test_no_file_names_a_folder_of_one_persons_machine():
    listed = git("ls-files", "-z", "--cached", "--others", "--exclude-standard")
    assert listed.returncode == 0, listed.stderr
    found = []
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        content = path.read_bytes() if path.is_file() else b""
        if b"\0" not in content:
            lines = enumerate(content.decode("utf-8", "replace").splitlines(), 1)
            found += [f"{name}:{number}" for number, line in lines if PERSONAL_PATH.search(line)]
    assert not found


def test_settings_with_secrets_are_kept_out_of_git_and_their_example_is_not():
    assert git("check-ignore", "-q", ".env.ml").returncode == 0
    assert git("check-ignore", "-q", ".env.ml.example").returncode == 1
    assert git("ls-files", "--", ".env.ml").stdout == ""


def test_every_script_is_a_console_command_of_its_name():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = [path.stem for path in RUNNABLE if path.parent.name == "scripts"]
    assert project["scripts"] == {name: f"scripts.{name}:main" for name in names}


@every_command
def test_help_answers_from_any_folder_and_loads_no_heavy_library(path, tmp_path):
    done = subprocess.run(
        [sys.executable, "-X", "importtime", path, "--help"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Usage" in done.stdout
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "typer" in loaded  # else nothing of importtime was understood
    assert not tops(loaded) & HEAVY
    assert not list(tmp_path.iterdir())


def test_ci_runs_the_documented_test_command_and_stops_at_the_first_failure():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    lines = script.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "#!/usr/bin/env bash"
    assert "set -euo pipefail" in lines
    assert any(re.match(r"(step )?make test\b(?!-)", line) for line in lines)
    assert subprocess.run(["bash", "-n", script], capture_output=True).returncode == 0


def test_no_class_name_is_used_twice():
    found = {}
    for path in MODULES:
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, []).append(short(path))
    assert not {name: places for name, places in found.items() if len(places) > 1}
