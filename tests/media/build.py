#!/usr/bin/python3
"""Builds a small, offline, genuine Debian 13 install CD out of Debian packages, for the tests and the demo.

    python3 tests/media/build.py [--output build/media] [--rebuild]

makes, in the output directory,

    debian-13.iso             the CD: boots by BIOS (isolinux) and UEFI (GRUB), installs without a network
    debian-13/vmlinuz         its kernel
    debian-13/initrd.gz       and initrd, for a direct boot
    tree/                     the same archive as a mirror's tree, to be served by HTTP, with the netboot images
    archive-key.asc           the key that signed the tree; the installer and the installed system trust it already

and keeps them as long as this builder stays the same. It needs no root, and of the network only the Debian mirror
that this host's apt uses.
"""

import argparse
import datetime
import fcntl
import gzip
import hashlib
import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import boot
import installer
from cpio import Archive, write_archive
from mirror import Mirror, find_mirror
from running import BuildError, run, say, step
from signing import throwaway_signer

SUITE = "trixie"
NETBOOT_PATH = f"dists/{SUITE}/main/installer-amd64/current/images/netboot"
PRODUCTS = ("debian-13.iso", "debian-13", "tree", "archive-key.asc")

# What the installer adds to a base system, by its own choice or by the answer file's.
POOL = (
    "linux-image-amd64", "initramfs-tools", "busybox", "zstd",  # kernel
    "grub-pc", "grub-efi-amd64-bin", "os-prober",  # boot loader
    "console-setup", "keyboard-configuration", "locales", "debconf-i18n", "dbus", "libpam-systemd",  # localization
    "tasksel", "popularity-contest", "laptop-detect", "installation-report", "sudo", "eject",  # end of installation
    "pciutils", "usbutils", "btrfs-progs", "dosfstools", "lvm2",  # by hardware and file system
    "eatmydata", "openssh-server", "qemu-guest-agent",  # by the answer file
    "tree", "hello",  # small leaves for tests of customization
)  # fmt: skip
# Not installable together with the above, or only for the CD itself.
POOL_EFI = ("grub-efi-amd64", "grub-efi-amd64-signed", "shim-signed", "efibootmgr")
CD_TOOLS = ("isolinux", "syslinux-common")


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """The point release that the mirror has."""

    version: str
    """Such as "13.2"."""
    built: datetime.datetime

    @property
    def volume_id(self) -> str:
        return f"Debian {self.version}.0 amd64 n"

    @property
    def label(self) -> str:
        """What .disk/info says; the installer shows it and apt-cdrom makes it the name of the CD."""
        return f'Debian GNU/Linux {self.version}.0 "Trixie" - Unofficial amd64 CD Binary-1 {self.built:%Y%m%d-%H:%M}'


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--output", type=Path, default=Path("build/media"), help="directory; default: %(default)s")
    parser.add_argument("--rebuild", action="store_true", help="build again, with what the mirror has today")
    options = parser.parse_args(arguments)
    try:
        with _locked(options.output.absolute()) as output:
            if options.rebuild or not is_current(output):
                # Taken first: the builder may be edited while it runs.
                build(output, stamp=builder_digest())
    except BuildError as error:
        say(f"build.py: {error}")
        return 1
    except OSError as error:
        say(f"build.py: {error.filename or options.output}: {error.strerror}")
        return 1
    except KeyboardInterrupt:
        return 130
    print(options.output / PRODUCTS[0])
    return 0


@contextmanager
def _locked(output: Path) -> Iterator[Path]:
    """The output directory, made and locked against other builders."""
    output.mkdir(parents=True, exist_ok=True)
    with (output / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another build in {output}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield output


def builder_digest() -> str:
    """A digest of this builder: its modules and the lists in them."""
    digest = hashlib.sha256()
    for module in sorted(Path(__file__).parent.glob("*.py")):
        if not module.name.startswith("test_"):
            digest.update(module.name.encode() + b"\0" + module.read_bytes())
    return digest.hexdigest()


def is_current(output: Path) -> bool:
    """Whether everything is there, made by this very builder."""
    stamp = output / ".stamp"
    if not all((output / name).exists() for name in PRODUCTS):
        return False
    return stamp.exists() and stamp.read_text() == builder_digest()


def build(output: Path, *, stamp: str) -> None:
    """Build and put in place all products, stamped. Raises BuildError."""
    work = output / ".work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    say(f"building a Debian 13 install CD in {output}")
    mirror = Mirror(url=find_mirror(), suite=SUITE, directory=output / ".mirror")
    with step("reading the mirror's package lists"):
        mirror.update()
    with step("downloading the installer"):
        netboot = installer.fetch_netboot(mirror, work)
        udebs = installer.fetch_components(mirror)
    with step("downloading the base system and what the installer adds to it"):
        base = _base_system(mirror, udebs, work)
        mirror.drop_outdated(mirror.directory / "debs", "main")
        debs = mirror.download_closure([*base, *POOL, f"linux-image-{netboot.kernel_release}"])
        debs |= mirror.download_closure([*base, *POOL_EFI])
        mirror.download_closure(CD_TOOLS)
    with step("making components that no mirror serves"):
        udebs = [
            *udebs,
            installer.make_module_component(mirror, netboot.kernel_release, work),
            installer.make_e2fsprogs_component(mirror, work),
        ]
    release = Release(version=_point_release(mirror, work), built=datetime.datetime.now(datetime.UTC))
    new = work / "new"
    new.mkdir()
    with throwaway_signer() as signer:
        (new / "archive-key.asc").write_bytes(signer.public_key(is_armoured=True))
        keyring = work / "oz-test-archive.asc"
        shutil.copyfile(new / "archive-key.asc", keyring)
        debs.add(installer.make_keyring_package(keyring, work))
        with step("making the initrds"):
            initrd = installer.netboot_initrd(netboot, signer.public_key(is_armoured=False))
            (work / "netboot.gz").write_bytes(_compress(initrd))
            installer.make_cd_initrd(initrd, udebs, netboot.kernel_release, work)
            (work / "cd.gz").write_bytes(_compress(initrd))
        with step("indexing and signing the archive"):
            cd, tree = work / "cd", new / "tree"
            _make_archive(cd, [*sorted(debs), *udebs])
            _index_archive(cd, release)
            shutil.copytree(cd, tree, symlinks=True, copy_function=os.link)
            # Only the tree, as Debian does it: apt trusts a CD that the installer runs from without a signature,
            # and apt-cdrom of Debian 13 looks for gpgv, which is no longer in the base system, when it finds one.
            signer.sign_release(tree / f"dists/{SUITE}/Release")
        _add_netboot_images(tree, netboot, work / "netboot.gz")
    with step("writing the CD"):
        _finish_cd(cd, release, netboot, mirror, work)
        boot.write_iso(cd, release.volume_id, new / "debian-13.iso")
    (new / "debian-13").mkdir()
    shutil.copyfile(cd / "install.amd/vmlinuz", new / "debian-13/vmlinuz")
    shutil.copyfile(cd / "install.amd/initrd.gz", new / "debian-13/initrd.gz")
    _put_in_place(new, output, stamp=stamp)
    shutil.rmtree(work)
    say(f"{release.label}: {(output / PRODUCTS[0]).stat().st_size / 1e6:.0f} MB")


def _base_system(mirror: Mirror, udebs: Sequence[Path], work: Path) -> list[str]:
    package = next(path for path in udebs if path.name.startswith("debootstrap-udeb_"))
    installer.unpack(package, work / "debootstrap")
    return mirror.base_system(work / "debootstrap")


def _point_release(mirror: Mirror, work: Path) -> str:
    installer.unpack(mirror.deb("base-files"), work / "base-files")
    version = (work / "base-files/etc/debian_version").read_text().strip()
    if not re.fullmatch(r"13(\.\d+)?", version):
        raise BuildError(f"the mirror's {SUITE} calls itself Debian {version!r}; expected 13.N")
    return version if "." in version else version + ".0"


def _compress(initrd: Archive) -> bytes:
    return gzip.compress(write_archive(initrd), compresslevel=6, mtime=0)


def _make_archive(cd: Path, packages: Sequence[Path]) -> None:
    """pool/, laid out as on a mirror, but by the names of packages instead of sources."""
    for package in packages:
        name = re.sub(r"_\d+%3a", "_", package.name)
        stem = name.partition("_")[0]
        section = stem[:4] if stem.startswith("lib") else stem[:1]
        target = cd / "pool/main" / section / stem / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(package, target)


def _index_archive(cd: Path, release: Release) -> None:
    """dists/: the lists of packages and the Release file."""
    dist = cd / "dists" / SUITE
    for kind, path in ("deb", "main/binary-amd64"), ("udeb", "main/debian-installer/binary-amd64"):
        lists = dist / path
        lists.mkdir(parents=True)
        packages = run(
            ["dpkg-scanpackages", "--multiversion", "--type", kind, "pool"], what="indexing the packages", directory=cd
        )
        (lists / "Packages").write_bytes(packages)
        (lists / "Packages.gz").write_bytes(gzip.compress(packages, mtime=0))
    # By this file the installer knows that a mirror has its architecture.
    about = f"Archive: stable\nOrigin: Debian\nLabel: Debian\nVersion: {release.version}\n"
    (dist / "main/binary-amd64/Release").write_text(f"{about}Component: main\nArchitecture: amd64\n")
    fields = {
        "Origin": "Debian", "Label": "Debian", "Suite": "stable", "Version": release.version, "Codename": SUITE,
        "Components": "main", "Architectures": "amd64", "Description": f"Debian {release.version}, a part of it",
    }  # fmt: skip
    options = [word for key, value in fields.items() for word in ("-o", f"APT::FTPArchive::Release::{key}={value}")]
    # Written elsewhere first: the list of files must not hold itself.
    text = run(["apt-ftparchive", *options, "release", dist], what="making the Release file")
    (dist / "Release").write_bytes(text)
    (cd / "dists/stable").symlink_to(SUITE)


def _add_netboot_images(tree: Path, netboot: installer.Netboot, initrd: Path) -> None:
    """The images where an installation from a mirror looks for them."""
    images = tree / NETBOOT_PATH / "debian-installer/amd64"
    images.mkdir(parents=True)
    shutil.copyfile(netboot.kernel, images / "linux")
    shutil.copyfile(initrd, images / "initrd.gz")


def _finish_cd(cd: Path, release: Release, netboot: installer.Netboot, mirror: Mirror, work: Path) -> None:
    """The CD's own files, boot loaders and checksums."""
    files = {
        "info": release.label,
        "base_components": "main\n",
        "base_installable": "",
        # complete: what it installs needs no mirror (apt-cdrom-setup asks for one otherwise)
        "cd_type": "full_cd/single\n",
        "udeb_include": "netcfg\nethdetect\n",
        "mkisofs": "",
    }
    (cd / ".disk").mkdir()
    for name, text in files.items():
        (cd / ".disk" / name).write_text(text)
    # Debian's own CDs have this loop too.
    (cd / "debian").symlink_to(".")
    (cd / "install.amd").mkdir()
    shutil.copyfile(netboot.kernel, cd / "install.amd/vmlinuz")
    shutil.copyfile(work / "cd.gz", cd / "install.amd/initrd.gz")
    boot.add_isolinux(netboot, mirror, work, cd)
    boot.add_grub(netboot, mirror, work, cd)
    paths = sorted(path for path in cd.rglob("*") if path.is_file() and not path.is_symlink())
    # isolinux.bin is patched while the ISO is written.
    lines = [
        f"{hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()}  ./{path.relative_to(cd)}\n"
        for path in paths
        if path.name != "isolinux.bin"
    ]
    (cd / "md5sum.txt").write_text("".join(lines))


def _put_in_place(new: Path, output: Path, *, stamp: str) -> None:
    """Move the products to their names; the stamp, written last, says that they belong together."""
    (output / ".stamp").unlink(missing_ok=True)
    old = new.with_name("old")
    old.mkdir()
    for name in PRODUCTS:
        if (output / name).exists():
            (output / name).rename(old / name)
        (new / name).rename(output / name)
    (output / ".stamp").write_text(stamp)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
