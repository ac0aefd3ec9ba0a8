"""Tasks for workers, and a command that gives them to the Ray cluster of its settings.

Prints what came of each as JSON; ``test_ray_engine`` says what should.
"""

import json
import os
import signal
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ml.errors import DataError, PipelineError
from ml.run.parallel import run_tasks
from ml.run.ray_engine import check_nodes, engine_of, share_ground
from ml.run.request import RunRequest


def describe(number):
    """The square, and where it was computed."""
    return number**2, os.getppid(), os.environ["TF_ENABLE_ONEDNN_OPTS"]


def refuse(number):
    if number == 2:
        raise DataError(f"item {number} of 4 is odd. Make it even.")


def die_once(mark):
    """Die as a worker dies of which memory ran out, unless it did so before."""
    with suppress(FileExistsError):
        mark.touch(exist_ok=False)
        os.kill(os.getpid(), signal.SIGKILL)
    return mark.name


def die(_):
    os.kill(os.getpid(), signal.SIGKILL)


def tell(work, *arguments, **options):
    """What a call returns, or the type and the text of what it raises."""
    try:
        return work(*arguments, **options)
    except PipelineError as error:
        return [type(error).__name__, str(error)]


def main(place):
    request = RunRequest(command="test", jobs=2)
    with engine_of(request, place):
        said = {
            "squares": tell(run_tasks, describe, range(9), jobs=2, label="squares"),
            "refused": tell(run_tasks, refuse, range(4), jobs=2, label="refusing"),
            "lost": tell(run_tasks, die_once, [place / f"{n}.mark" for n in range(2)], jobs=2,
                         label="dying once"),
            "killed": tell(run_tasks, die, [0], jobs=2, label="training arima"),
        }  # fmt: skip
        with share_ground([place]) as ground:
            other = replace(ground, code="0.0+other")
            said["other code"] = tell(check_nodes, other)
        said["other folder"] = tell(check_nodes, ground)
    said["left"] = [path.name for path in place.iterdir() if path.suffix != ".mark"]
    sys.stdout.write(json.dumps(said))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
