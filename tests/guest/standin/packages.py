"""The Debian packages that stand-in media are made of, downloaded and unpacked.

The userland and one kernel are those of Debian 12 for i386, the last of its releases with a kernel for machines
without 64 bits, of which most guests of old are; a 64-bit kernel runs the same userland. Its OpenSSH still has the
DSA keys that systems from before 2005 have. The boot loaders and the 64-bit kernel are of the same release.
"""

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "media"))

from cpio import Archive, Entry, write_archive
from mirror import Mirror, find_mirror

__all__ = ["Archive", "Entry", "Packages", "fetch", "unpacked", "write_archive"]


SUITE = "bookworm"
USERLAND = ("busybox-static", "openssh-server", "dpkg", "rpm", "bash")
KERNELS = {"i386": "linux-image-686", "x86_64": "linux-image-amd64"}
LOADERS = ("isolinux", "syslinux-common", "grub-pc-bin", "grub-efi-amd64-bin", "ipxe")
STAMP = "packages.stamp"
"""Written when all are there."""


class ForeignMirror(Mirror):
    """A mirror seen by an apt of another architecture. Kept out of the CD builder, whose products it would outdate."""

    architecture = "i386"

    def _apt(self, *words: str | Path, directory: Path | None = None, what: str) -> bytes:
        names = ("APT::Architecture", "APT::Architectures")
        options = [word for name in names for word in ("-o", f"{name}={self.architecture}")]
        return super()._apt(*options, *words, directory=directory, what=what)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Packages:
    """Unpacked packages: `userland`, `loaders`, and the kernels by architecture, each a directory like a root."""

    userland: Path
    loaders: Path
    kernels: dict[str, Path]


def fetch(directory: Path) -> Packages:
    """Have the packages in `directory`, where they are kept. Raises BuildError."""
    stamp = directory / STAMP
    directory.mkdir(parents=True, exist_ok=True)
    wanted = f"{SUITE} {USERLAND} {KERNELS} {LOADERS}"
    if not stamp.exists() or stamp.read_text() != wanted:
        _fetch(directory)
        stamp.write_text(wanted)
    return unpacked(directory)


def unpacked(directory: Path) -> Packages:
    return Packages(
        userland=directory / "userland",
        loaders=directory / "loaders",
        kernels={arch: directory / f"kernel-{arch}" for arch in KERNELS},
    )


def _fetch(directory: Path) -> None:
    foreign = ForeignMirror(url=find_mirror(), suite=SUITE, directory=directory / "i386")
    native = Mirror(url=find_mirror(), suite=SUITE, directory=directory / "amd64")
    for mirror in foreign, native:
        mirror.update()
    for deb in sorted(foreign.download_closure(USERLAND)):
        _unpack(deb, directory / "userland")
    for arch, name in KERNELS.items():
        mirror = foreign if arch == "i386" else native
        image = next(deb for deb in mirror.download_closure([name]) if re.match(r"linux-image-\d+\.", deb.name))
        _unpack(image, directory / f"kernel-{arch}")
    native.download(LOADERS, native.directory / "debs")
    for name in LOADERS:
        _unpack(native.deb(name), directory / "loaders")


def _unpack(deb: Path, root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    subprocess.run(["dpkg-deb", "-x", str(deb), str(root)], check=True)


if __name__ == "__main__":
    fetch(Path(sys.argv[1]).absolute())
