"""The one file: the page's parts of ``serving/static`` with a version's numbers inside."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from ml.artifacts.keys import version_key
from ml.durable import make_folder, remove_all, write_file
from ml.page.blocks import to_document
from ml.page.first_screen import Speaker, first_screen
from ml.page.packing import PackedVersion

LANGUAGES = ("pt", "en")
REPORT = "report/report.html"  # its path in a version
DATA = "report_data"  # folder beside the report
FIRST = (
    "texts", "block-summary", "block-items", "block-transfers", "block-joint_orders",
)  # fmt: skip
"""Before the script, which waits for the others; ``source_embedded.js`` knows them too."""
_STYLE = re.compile(r'<link rel="icon" href="data:,">\n<link rel="stylesheet" href="([\w.]+)">')
_SCRIPT = re.compile(r'<script src="([\w.]+)" defer></script>\n')
_OF_FETCHING = {"source_fetch.js": "source_embedded.js", "start_fetch.js": "start_embedded.js"}
_HTML_LANGUAGE = {"pt": "pt-BR", "en": "en-GB"}


@dataclass(frozen=True, slots=True)
class WrittenReport:
    """A report as texts."""

    page: str  # the file itself
    parts: Mapping[str, str]  # files beside it by name, none of few items

    def save(self, path: Path) -> list[Path]:
        """Write it to a file, and its parts into a folder beside that; older parts are removed.

        Raises:
            OSError: The disk refused.
        """
        folder = path.parent / DATA
        if folder.is_dir():
            remove_all(folder)
        make_folder(folder if self.parts else path.parent)
        return [
            *(write_file(folder / name, text) for name, text in self.parts.items()),
            write_file(path, self.page),
        ]


def copy_report(results: Path, version: str, folder: Path) -> list[Path]:
    """Copy the report of a version, and the files beside it, to a folder; none where it has none.

    Raises:
        OSError: The disk refused.
    """
    source = (results / version_key(version, REPORT)).parent
    parts = {path.name: path.read_text("utf-8") for path in sorted((source / DATA).glob("*.js"))}
    page = source / "report.html"
    if not page.exists():
        return []
    return WrittenReport(page.read_text("utf-8"), parts).save(folder / page.name)


def build_report(packed: PackedVersion, language: str) -> WrittenReport:
    """The report of a version; equal versions give equal texts.

    It is shown in one language, ``pt`` or ``en``, at first; the page can show both.
    """
    texts = json.loads(_static("texts.json"))
    page = _static("page.html")
    style = _static(_STYLE.findall(page)[0])
    script = "".join(
        _static(_OF_FETCHING.get(name, name)).replace('"use strict";\n', "", 1)
        for name in _SCRIPT.findall(page)
    )
    script = f'"use strict";\n{script}'
    screen = first_screen(packed.summary, packed.items, Speaker(language, texts[language]))
    rules = _policy(script, style, parts=bool(packed.parts))
    page = _STYLE.sub(lambda _: f"{rules}\n<style>{style}</style>", page)
    page = _SCRIPT.sub("", page)
    page = page.replace(
        '<html lang="pt-BR" data-lang="pt">',
        f'<html lang="{_HTML_LANGUAGE[language]}" data-lang="{language}">',
    )
    page = page.replace("Ir ao conteúdo", texts[language]["skip"])
    page = page.replace('<main id="main" tabindex="-1">', f'<main id="main" tabindex="-1">{screen}')
    first, later = _blocks(packed, texts)  # the first table need not wait for the rest
    page = page.replace("</body>", f"{first}\n<script>{script}</script>\n{later}\n</body>")
    return WrittenReport(page, dict(_parts(packed)))


@cache
def _static(name: str) -> str:
    """A part of the page, which the serving tier serves as a file."""
    return (files("serving") / "static" / name).read_text("utf-8")


def _policy(script: str, style: str, *, parts: bool) -> str:
    """What the browser lets the page do: run this script and style, and nothing else.

    Where there are parts beside it, the script may add them.
    """
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
              for text in (script, style)]  # fmt: skip
    trusted = " 'strict-dynamic'" if parts else ""
    return (
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        f"script-src 'sha256-{hashes[0]}'{trusted}; style-src 'sha256-{hashes[1]}'; "
        "base-uri 'none'; form-action 'none'\">"
    )


def _blocks(packed: PackedVersion, texts: Mapping[str, Mapping[str, str]]) -> tuple[str, str]:
    """Data that the first screen takes, and the rest, as elements that no browser runs.

    Base64 holds no sign that could end them.
    """
    found = {"texts": to_document(texts)}
    found |= {f"block-{name}": text for name, text in packed.blocks.items()}
    parts: tuple[list[str], list[str]] = ([], [])
    for name, text in found.items():
        element = f'<script type="text/plain" id="{name}">{text}</script>'
        parts[name not in FIRST].append(element)
    return "\n".join(parts[0]), "\n".join(parts[1])


def _parts(packed: PackedVersion) -> Iterator[tuple[str, str]]:
    """Files beside the report: classic scripts, because a page on a disk may load nothing else."""
    for number, blocks in enumerate(packed.parts):
        yield f"{number:04d}.js", f"previsorPart({number}, {json.dumps(blocks)});\n"
