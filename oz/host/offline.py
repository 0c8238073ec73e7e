"""Files read from a disk image without booting it: what an installer that failed had written to its target.

dissect (https://docs.dissect.tools) knows the partition tables, volume groups and file systems. It is an extra,
oz[offline], and it reads what a guest has written, which may be made to harm: so it does that in a process of its own,
with limits. That process is this module, run as a program.
"""

import base64
import json
import logging
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

log = logging.getLogger("oz")

FILE_BYTES_MAX = 4 * 1024**2
"""The end of a longer file is what is read."""
_FILES_MAX = 100
_LIMIT_S = 60.0
_MEMORY_BYTES_MAX = 1024**3
_MISSING = 3
"""The status of the process where dissect is not installed."""


def read_files(image: Path, places: Sequence[str], *, limit_s: float = _LIMIT_S) -> dict[str, bytes]:
    """Path to contents of the files at these places of the image's file systems: of files, and of directories without
    what is below their own. Nothing where dissect is missing, the image makes no sense, or the time is over.
    """
    command = [sys.executable, "-m", "oz.host.offline", str(image), *places]
    try:
        done = subprocess.run(command, capture_output=True, timeout=limit_s, check=False, stdin=subprocess.DEVNULL)
        found = {path: base64.b64decode(text) for path, text in json.loads(done.stdout or b"{}").items()}
    except (subprocess.TimeoutExpired, OSError, ValueError) as error:
        log.info("%s cannot be read without booting it: %s", image, error)
        return {}
    if done.returncode == _MISSING:
        log.info("the disk's own logs are read where oz[offline] is installed")
    return found


def _main(image: str, places: Sequence[str]) -> int:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES_MAX, _MEMORY_BYTES_MAX))
    logging.disable()
    try:
        from dissect.target import Target
        from dissect.target.container import open as open_container
    except ImportError:
        return _MISSING
    target = Target()
    target.disks.add(open_container(image))
    target.disks.apply()
    target.volumes.apply()
    found: dict[str, str] = {}
    for filesystem in target.filesystems:
        for place in places:
            for path in _files(filesystem.path(place)):
                if str(path) not in found and len(found) < _FILES_MAX:
                    with path.open("rb") as file:
                        file.seek(max(0, path.stat().st_size - FILE_BYTES_MAX))
                        found[str(path)] = base64.b64encode(file.read(FILE_BYTES_MAX)).decode("ascii")
    json.dump(found, sys.stdout)
    return 0


def _files(place: Path) -> list[Path]:
    try:
        if place.is_file():
            return [place]
        return sorted(path for path in place.iterdir() if path.is_file() and not path.is_symlink())
    except OSError:
        return []


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1], sys.argv[2:]))
