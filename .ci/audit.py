"""Ask pip-audit whether holes are known in what is locked; fail where it cannot say.

pip-audit alone ends well where its service knew none of the packages: it leaves them out. Here a
package that could not be asked about is a failure, and is named.
Usage: audit.py PIP_AUDIT REQUIREMENTS...
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Findings:
    """What is known of the packages of one file."""

    asked: int  # packages that the service knows
    holes: tuple[str, ...]  # package, version, name of the hole and where it is mended
    unknown: tuple[str, ...]  # packages that could not be asked about


def audit(program: str, requirements: Path) -> Findings:
    """What pip-audit says of the packages of a requirements file with hashes.

    Raises:
        RuntimeError: It gave no answer at all.
    """
    options = ["--format", "json", "--require-hashes", "--disable-pip", "--progress-spinner", "off"]
    done = subprocess.run(  # noqa: S603 - the program that make installed
        [program, *options, "-r", str(requirements)], capture_output=True, text=True, check=False
    )
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError) as error:
        said = done.stderr.strip().splitlines() or ["nothing"]
        raise RuntimeError(f"pip-audit ended with {done.returncode}: {said[-1]}") from error
    if not packages:  # an empty list would pass for a clean one
        raise RuntimeError("pip-audit found no packages to ask about")
    unknown = [one["name"] for one in packages if "skip_reason" in one]
    holes = [
        f"{one['name']} {one['version']}: {hole['id']}, mended in "
        f"{', '.join(hole['fix_versions']) or 'no version yet'}"
        for one in packages
        for hole in one.get("vulns", [])
    ]
    return Findings(len(packages) - len(unknown), tuple(holes), tuple(unknown))


def describe(requirements: Path, found: Findings) -> list[str]:
    """One line a finding, and one for what could not be asked."""
    lines = [f"{requirements.name}: {found.asked} packages asked, {len(found.holes)} holes known"]
    lines += [f"{requirements.name}: {hole}" for hole in found.holes]
    if found.unknown:
        count, total = len(found.unknown), len(found.unknown) + found.asked
        lines.append(
            f"{requirements.name}: nothing is known of {count} of {total} packages, the service "
            f"did not answer for them: {', '.join(found.unknown)}. Ask where it can be reached."
        )
    return lines


def main(arguments: Sequence[str]) -> int:
    """0 where every package was asked about and no hole is known, else 1."""
    program, *files = arguments
    is_clean = True
    for path in map(Path, files):
        try:
            found = audit(program, path)
        except RuntimeError as error:
            print(f"{path.name}: not audited: {error}. Ask again where it can be reached.")
            is_clean = False
            continue
        print(*describe(path, found), sep="\n")
        is_clean = is_clean and not found.holes and not found.unknown
    return 0 if is_clean else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
