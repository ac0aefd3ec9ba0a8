"""Names of versions, datasets and files. A key is a path below the results folder, or the prefix.

What is built here is what every JSON document names and what a store uses unchanged, so nothing of
it is ever made of data: an item id belongs into a column.
"""

import re
from collections.abc import Container
from datetime import UTC, datetime, timedelta

from ml.artifacts.errors import VerificationError

DATASET_FOLDERS = {
    "forecasts": "forecasts",
    "refusals": "forecasts",
    "forecast_models": "forecasts",
    "totals": "forecasts",
    "recommendations": "recommendations",
    "service_curves": "recommendations",
    "policy_grid": "recommendations",
    "joint_orders": "recommendations",
    "price_outlook": "recommendations",
    "price_exposure": "recommendations",
    "transfers": "recommendations",
    "metrics": "metrics",
    "simulation": "metrics",
    "portfolio_curves": "metrics",
    "history": "history",
    "changes": "history",
    "past_forecasts": "history",
    "scores": "history",
}
PAST = ("past_forecasts", "scores")  # tables whose whole past is kept beside the versions
FORMER_FOLDERS = {"changes": "recommendations"}  # of versions of earlier code
FOLDERS = (*dict.fromkeys(DATASET_FOLDERS.values()), "metadata")
POINTER = "metadata/last_updated.json"
MODEL_VERSIONS = "metadata/model_versions.json"
MANIFEST = "manifest.json"
MAX_KEY_BYTES = 512
_SUFFIXES = (".parquet", ".json", ".html", ".js")  # of all files that a version can have
_LEFT_BEHIND = ("Thumbs.db", "desktop.ini")  # by Windows; that of macOS is hidden
_STAMP = "%Y%m%dT%H%M%SZ"
_VERSION_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}")
_HASH = re.compile(r"[0-9a-f]{8,}")
_RECORD = re.compile(r"_commits/[0-9]{20}\.json")
_KEY = re.compile(r"[A-Za-z0-9._=-]+(/[A-Za-z0-9._=-]+)*")


def version_id(started: datetime, inputs_hash: str, *, taken: Container[str] = ()) -> str:
    """The id of the version that a run makes, of when it started and what went into it.

    The start has a time zone, whichever; where the id is taken, the next free second is used.

    >>> version_id(datetime(2026, 11, 20, 2, 15, 3, tzinfo=UTC), "1a2b3c4d5e6f")
    '20261120T021503Z-1a2b3c4d'
    """
    if started.tzinfo is None:
        raise ValueError("started must carry a time zone")
    if not _HASH.fullmatch(inputs_hash):
        raise ValueError(
            f"inputs_hash must be 8 or more lower-case hex digits, got {inputs_hash!r}"
        )
    moment = started.astimezone(UTC)
    while (name := f"{moment.strftime(_STAMP)}-{inputs_hash[:8]}") in taken:
        moment += timedelta(seconds=1)
    return name


def check_version_id(text: str) -> str:
    """The text, if it is the id of a version.

    Raises:
        ValueError: It is not.
    """
    date_of(text)
    return text


def is_version_id(text: str) -> bool:
    """Whether the text has the form of a version's id, its date being a real one."""
    try:
        date_of(text)
    except ValueError:
        return False
    return True


def date_of(version: str) -> str:
    """The UTC day of a version, as its file names carry it.

    >>> date_of("20261120T021503Z-1a2b3c4d")
    '2026-11-20'
    """
    return began(version)[:10]


def began(version: str) -> str:
    """When the run that made a version began, UTC.

    >>> began("20261120T021503Z-1a2b3c4d")
    '2026-11-20T02:15:03Z'
    """
    if not _VERSION_ID.fullmatch(version):
        raise ValueError(f"not the id of a version: {version!r}")
    moment = datetime.strptime(version[:16], _STAMP).replace(tzinfo=UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def valid_key(key: str) -> bool:
    """Whether a key is safe as a path on any disk and in any store."""
    return (
        _KEY.fullmatch(key) is not None
        and len(key) <= MAX_KEY_BYTES
        and not any(part in (".", "..") for part in key.split("/"))
    )


def is_stray(key: str) -> bool:
    """Whether what lies in one of our folders is none of ours, and no reader takes it for data.

    It is what operating systems and people leave behind; it is passed over, with a remark where
    somebody looks. In the folder of a version only hidden files and the like are.

    >>> is_stray("_commits/._00000000000000000001.json"), is_stray("versions/Thumbs.db")
    (True, True)
    """
    folder, _, inside = key.partition("/")
    if folder == "_commits":
        return _RECORD.fullmatch(key) is None
    name = key.rpartition("/")[2]
    if name.startswith(".") or name in _LEFT_BEHIND:
        return True
    if folder == "versions":
        return not is_version_id(inside.partition("/")[0])
    return not name.endswith(_SUFFIXES)


def check_key(key: str, *, below: str, where: str) -> str:
    """A key read from a document, refused unless it is valid and in the folder it has to be in.

    Raises:
        VerificationError: It is not; the document was damaged or made by somebody else.
    """
    if not valid_key(key) or not key.startswith(f"{below}/"):
        raise VerificationError(
            f"{where}: names the file {key!r}, which is no key below '{below}/'. The document is "
            f"damaged; take the version before it."
        )
    return key


def folder_of(dataset: str) -> str:
    """The folder of a dataset inside a version."""
    if dataset not in DATASET_FOLDERS:
        raise ValueError(f"no folder for dataset {dataset!r}; known: {sorted(DATASET_FOLDERS)}")
    return DATASET_FOLDERS[dataset]


def data_name(dataset: str, day: str) -> str:
    """Path of a dataset's Parquet file inside a version.

    >>> data_name("refusals", "2026-11-20")
    'forecasts/refusals_2026-11-20.parquet'
    """
    return f"{folder_of(dataset)}/{dataset}_{day}.parquet"


def metadata_name(dataset: str, day: str) -> str:
    """Path of a dataset's description inside a version."""
    return f"{folder_of(dataset)}/{dataset}_{day}_metadata.json"


def version_key(version: str, name: str = "") -> str:
    """Key of a version's folder, or of a file in it."""
    return f"versions/{version}/{name}" if name else f"versions/{version}"


def past_key(dataset: str, version: str) -> str:
    """Key of what became known of the past by a version: beside the versions, and never removed.

    >>> past_key("scores", "20261120T021503Z-1a2b3c4d")
    'history/scores/20261120T021503Z-1a2b3c4d.parquet'
    """
    return f"{folder_of(dataset)}/{dataset}/{check_version_id(version)}.parquet"


def commit_key(seq: int) -> str:
    """Key of a record of the log; 20 digits, so that names sort as numbers do."""
    return f"_commits/{seq:020d}.json"
