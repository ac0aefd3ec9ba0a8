"""Publishes one small version after another until it is killed; says a word before each request.

Usage: publisher_process.py RESULTS PLACE, where PLACE is JSON: a folder or an S3 target.
"""

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from ml.artifacts.version import discard_stale_staging
from ml.locks import hold
from pipelines.publish.publishing import publish
from pipelines.publish.s3_target import S3Target
from tests.pipelines.publish.faults import Faults
from tests.pipelines.publish.places import FolderPlace, S3Place
from tests.pipelines.publish.versions import make_version, version_id


def say(text):
    os.write(1, f"{text}\n".encode())


def place_of(text):
    described = json.loads(text)
    if "root" in described:
        return FolderPlace(Path(described["root"]))
    return S3Place(S3Target(**described), "s3")


def main(results, place):
    from pipelines.publish.publishing import newest_local

    number = len(list((results / "versions").glob("*")))
    with hold(results):
        discard_stale_staging(results)
        if number:  # what the run before may not have finished
            go_on(place, newest_local(results))
        while True:
            number += 1
            go_on(place, make_version(results, version_id(number, started=datetime.now(UTC))))


def go_on(place, version):
    store = place.open(Faults(about=lambda _: say("request")))
    publish(store, version, publisher="host/test", force=True)
    say(f"published {version.version_id}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), place_of(sys.argv[2]))
