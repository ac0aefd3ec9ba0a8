"""The command: ``python -m serving``. It needs ``requirements_serving.txt`` and no more."""

import sys

from serving.command import run

sys.exit(run())
