"""Where trained models live: ``MODELS_DIR/nova_corrente/<dataset_id>/<panel>/<family>/``.

A folder belongs to the code and settings that made it; made by others, it is emptied. What is in
it is written file by file, each whole, so that a run that died goes on where it was.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml.errors import ModelError
from ml.run.plan import code_version

COMPANY = "nova_corrente"
STAMP = "made_by.json"
DONE = "done.json"


@dataclass(frozen=True, slots=True)
class ModelStore:
    """The models of one dataset.

    Attributes:
        models_dir: ``MODELS_DIR``.
        dataset_id: Content name of the panels.
    """

    models_dir: Path
    dataset_id: str

    @property
    def root(self) -> Path:
        """Folder of the dataset."""
        return self.models_dir / COMPANY / self.dataset_id

    def folder(self, panel: str, family: str) -> Path:
        """Folder of one family."""
        return self.root / panel / family

    def open(self, panel: str, family: str, fingerprint: str, *, drivers: str = "") -> Path:
        """The folder of one family, emptied if other code or settings made what is in it."""
        folder = self.folder(panel, family)
        stamp = read_json(folder / STAMP)
        if stamp is None or stamp["fingerprint"] != fingerprint:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            made_by = {"fingerprint": fingerprint, "code": code_version(), "drivers": drivers}
            write_json(folder / STAMP, made_by)
        return folder

    def require(self, panel: str, families: tuple[str, ...], *, drivers: str = "") -> None:
        """Check that families were trained to the end, by this code and with these drivers.

        Raises:
            ModelError: Some were not; the message names the commands that train them.
        """
        missing = [name for name in families if not self._ready(panel, name, drivers)]
        if missing:
            commands = " and ".join(f"python ml/train_{name}.py" for name in missing)
            raise ModelError(
                f"models: {len(missing)} of {len(families)} families of panel '{panel}' are not "
                f"trained on dataset {self.dataset_id} by this version of the code: "
                f"{', '.join(missing)}. Run {commands} first."
            )

    def _ready(self, panel: str, family: str, drivers: str) -> bool:
        folder = self.folder(panel, family)
        stamp = read_json(folder / STAMP) or {}
        made_now = stamp.get("code") == code_version() and stamp.get("drivers", "") == drivers
        return is_done(folder) and made_now


def is_done(folder: Path) -> bool:
    """Whether a family's training came to its end."""
    return (folder / DONE).exists()


def mark_done(folder: Path, facts: dict[str, Any]) -> None:
    """Say that a family's training came to its end."""
    write_json(folder / DONE, facts)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_name(f".{path.name}")
    staged.write_text(
        json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False), encoding="utf-8"
    )
    staged.replace(path)


def read_json(path: Path) -> dict[str, Any] | None:
    """Read JSON; ``None`` where there is no file."""
    if not path.exists():
        return None
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content
