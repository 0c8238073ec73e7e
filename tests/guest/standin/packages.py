"""The Debian packages that stand-in media are made of, downloaded and unpacked.

The userland and one kernel are those of Debian 12 for i386, the last of its releases with a kernel for machines
without 64 bits, of which most guests of old are; a 64-bit kernel runs the same userland. Its OpenSSH still has the
DSA keys that systems from before 2005 have. The boot loaders, the 64-bit kernel and all for aarch64 are of the same
release.
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
USERLANDS = {"i386": "i386", "x86_64": "i386", "aarch64": "arm64"}
"""What Debian calls the one that runs on an architecture."""
KERNELS = {
    "i386": ("i386", "linux-image-686"),
    "x86_64": ("amd64", "linux-image-amd64"),
    "aarch64": ("arm64", "linux-image-arm64"),
}
LOADERS = {
    "amd64": ("isolinux", "syslinux-common", "grub-pc-bin", "grub-efi-amd64-bin", "ipxe"),
    "arm64": ("grub-efi-arm64-bin",),
}
INSTALLER = ("arm64", "debian-installer-12-netboot-arm64")
"""A real one: Debian's own for a network."""
STAMP = "packages.stamp"
"""Written when all are there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignMirror(Mirror):
    """A mirror seen by an apt of another architecture. Kept out of the CD builder, whose products it would outdate."""

    architecture: str

    def _apt(self, *words: str | Path, directory: Path | None = None, what: str) -> bytes:
        names = ("APT::Architecture", "APT::Architectures")
        options = [word for name in names for word in ("-o", f"{name}={self.architecture}")]
        return Mirror._apt(self, *options, *words, directory=directory, what=what)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Packages:
    """Unpacked packages: `loaders`, and userlands and kernels by architecture, each a directory like a root.
    `installer` has kernel and initrd of Debian's for aarch64."""

    loaders: Path
    installer: Path
    userlands: dict[str, Path]
    kernels: dict[str, Path]


def fetch(directory: Path) -> Packages:
    """Have the packages in `directory`, where they are kept. Raises BuildError."""
    stamp = directory / STAMP
    directory.mkdir(parents=True, exist_ok=True)
    wanted = f"{SUITE} {USERLAND} {USERLANDS} {KERNELS} {LOADERS} {INSTALLER}"
    if not stamp.exists() or stamp.read_text() != wanted:
        _fetch(directory)
        stamp.write_text(wanted)
    return unpacked(directory)


def unpacked(directory: Path) -> Packages:
    return Packages(
        loaders=directory / "loaders",
        installer=directory / "installer/usr/lib/debian-installer/images/12/arm64/text/debian-installer/arm64",
        userlands={arch: directory / f"userland-{name}" for arch, name in USERLANDS.items()},
        kernels={arch: directory / f"kernel-{arch}" for arch in KERNELS},
    )


def _fetch(directory: Path) -> None:
    mirrors = {
        name: ForeignMirror(url=find_mirror(), suite=SUITE, directory=directory / name, architecture=name)
        for name in ("i386", "amd64", "arm64")
    }
    for mirror in mirrors.values():
        mirror.update()
    for name in sorted(set(USERLANDS.values())):
        for deb in sorted(mirrors[name].download_closure(USERLAND)):
            _unpack(deb, directory / f"userland-{name}")
    for arch, (name, package) in KERNELS.items():
        debs = mirrors[name].download_closure([package])
        _unpack(next(deb for deb in debs if re.match(r"linux-image-\d+\.", deb.name)), directory / f"kernel-{arch}")
    for place, name, package in (
        *(("loaders", name, package) for name, packages in LOADERS.items() for package in packages),
        ("installer", *INSTALLER),
    ):
        mirrors[name].download([package], mirrors[name].directory / "debs")
        _unpack(mirrors[name].deb(package), directory / place)


def _unpack(deb: Path, root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    subprocess.run(["dpkg-deb", "-x", str(deb), str(root)], check=True)


if __name__ == "__main__":
    fetch(Path(sys.argv[1]).absolute())
