"""Files put into a FAT file system image. Only runner of mtools."""

import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from oz.errors import HostError, MediumError
from oz.iso9660.records import SECTOR

LIMIT_S = 120
"""A FAT that was made to lead mtools in circles."""
DATE = 315532800
"""1980-01-01, the first that FAT knows: equal edits give equal images."""


def edit_fat(image: bytes, files: Mapping[str, bytes | Path], *, what: str = "its EFI boot image") -> bytes:
    """The image with files replaced or added, and their directories. It is longer than before if they do not
    fit in it; else it has the same length. Paths are relative to its root; `what` is what messages call it.

    Raises MediumError if it is no FAT file system, HostError if mtools are not there.
    """
    with tempfile.TemporaryDirectory(prefix="oz-fat-") as name:
        directory = Path(name)
        old = directory / "old"
        old.write_bytes(image)
        sources = {path: _source(directory / str(n), content) for n, (path, content) in enumerate(files.items())}
        if _put_all(old, sources, what):
            return old.read_bytes()
        # Room for the files, for as much slack again, and for a larger table.
        size_bytes = len(image) + 2 * sum(source.stat().st_size for source in sources.values()) + 1024**2
        new = _enlarge(directory, image, size_bytes, what)
        if not _put_all(new, sources, what):
            raise MediumError(f"the files for {what} do not fit in an enlarged copy either")
        return new.read_bytes()


def floppy(files: Mapping[str, bytes], out: Path, *, base: bytes | None) -> Path:
    """`out`: the image of a floppy with these files (upper case, 8.3) added to `base`, or a blank one of 1.44 MB.

    It is for its owner only, as answer files have secrets. Raises MediumError if they do not fit, HostError.
    """
    what = "the floppy"
    image = base
    if image is None:
        with tempfile.TemporaryDirectory(prefix="oz-fat-") as name:
            made = _run(what, "mformat", "-C", "-f", "1440", "-N", "0", "-i", f"{name}/new", "::")
            if made.returncode:
                raise HostError(f"a blank floppy cannot be made: mformat: {made.stderr.strip()}")
            image = Path(name, "new").read_bytes()
    edited = edit_fat(image, files, what=what)
    if len(edited) > len(image):
        raise MediumError(f"{', '.join(files)} do not fit on {what} of {len(image) // 1024} KiB")
    out.touch(mode=0o600)
    out.write_bytes(edited)
    return out


def _source(path: Path, content: bytes | Path) -> Path:
    if isinstance(content, Path):
        return content.absolute()
    path.write_bytes(content)
    os.utime(path, (DATE, DATE))
    return path


def _put_all(image: Path, sources: Mapping[str, Path], what: str) -> bool:
    """Whether all had room. Raises MediumError for any other failure."""
    for path, source in sources.items():
        parts = path.split("/")
        for depth in range(1, len(parts)):
            directory = "::/" + "/".join(parts[:depth])
            if _run(what, "mdir", "-b", "-i", str(image), directory).returncode == 0:
                continue
            made = _run(what, "mmd", "-i", str(image), directory)
            if made.returncode:
                return _is_full(made, path, what)
        put = _run(what, "mcopy", "-o", "-m", "-i", str(image), str(source), "::/" + path)
        if put.returncode:
            return _is_full(put, path, what)
    return True


def _is_full(failed: subprocess.CompletedProcess[str], path: str, what: str) -> bool:
    """False, or MediumError if the command failed for another reason than room."""
    if "full" in failed.stderr or "No free cluster" in failed.stderr:
        return False
    lines = failed.stderr.strip().splitlines() or ["no message"]
    raise MediumError(f"/{path} cannot be written into {what}: {failed.args[0]}: {lines[-1]}")


def _enlarge(directory: Path, image: bytes, size_bytes: int, what: str) -> Path:
    """A larger file system with the files of the original."""
    (directory / "old").write_bytes(image)
    rc = directory / "mtoolsrc"
    rc.write_text(f'drive o: file="{directory}/old"\ndrive n: file="{directory}/new"\n')
    sectors = -(-size_bytes // SECTOR) * SECTOR // 512
    geometry = ["-T", str(sectors), "-h", "16", "-s", "63", "-N", "0"]
    made = _run(what, "mformat", "-i", f"{directory}/new", "-C", *geometry, "::")
    copied = _run(what, "mcopy", "-s", "-m", "-n", "o:/*", "n:/", rc=rc)
    for step in (made, copied):
        if step.returncode:
            lines = step.stderr.strip().splitlines() or ["no message"]
            raise MediumError(f"{what} cannot be enlarged: {step.args[0]}: {lines[-1]}")
    return directory / "new"


def _run(what: str, *command: str, rc: Path = Path("/dev/null")) -> subprocess.CompletedProcess[str]:
    settings = {"LC_ALL": "C.UTF-8", "MTOOLSRC": str(rc), "MTOOLS_SKIP_CHECK": "1", "SOURCE_DATE_EPOCH": str(DATE)}
    try:
        return subprocess.run(
            command,
            env={"PATH": os.environ.get("PATH", os.defpath), **settings},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=LIMIT_S,
        )
    except FileNotFoundError:
        raise HostError(f"{command[0]} is not installed", hint="install the package mtools") from None
    except subprocess.TimeoutExpired:
        raise MediumError(f"{what} is damaged: {command[0]} did not end in {LIMIT_S} s") from None
