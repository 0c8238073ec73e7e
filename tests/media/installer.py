"""Debian's installer for a CD, made of its netboot image and of packages.

The mirrors that serve packages do not always serve all components of the installer (udebs). What the CD needs beyond
those is made here from ordinary packages: the kernel's modules for disks and file systems, and e2fsprogs.
"""

import io
import re
import shutil
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cpio import Archive, read_archive
from mirror import Mirror
from running import BuildError, run

NETBOOT_PACKAGE = "debian-installer-13-netboot-amd64"
NETBOOT_IMAGES = "usr/lib/debian-installer/images/13/amd64/text"

# Components that this CD does without: graphics and speech, rare hardware, RAID and rare file systems, other ways to
# start or to answer an installation (each costs seconds of every installation), and what is made below.
LEFT_OUT = re.compile(
    "-modules-|^kernel-image|^e2fsprogs-udeb|gtk|font|speak|brltty|cairo|pango|xserver|^libx|harfbuzz|^libat|gail|"
    "glib2|gdk|alsa|asound|matchbox|multipath|ppp|amiga|atari|^sun|nbd|iscsi|isns|crypt|wireless|wpa|libiw|rmtfs|qrtr|"
    "tqftpserv|protection-domain|depthcharge|cros|zfs|jfs|f2fs|hfs|ntfs|xfs|btrfs|raid|^md|-md$|kickseed|simple-cdd|"
    "live-installer|oldsys|systemd-boot|iso-scan|load-iso|isc-dhcp|debian-edu|debian-ports"
)
# Without these the installer does not come to its end.
REQUIRED = (
    "apt-cdrom-setup", "apt-mirror-setup", "apt-setup-udeb", "base-installer", "bootstrap-base", "cdrom-checker",
    "cdrom-detect", "cdrom-retriever", "choose-mirror", "clock-setup", "debootstrap-udeb", "di-utils-mapdevfs",
    "disk-detect", "dosfstools-udeb", "eatmydata-udeb", "finish-install", "grub-installer", "load-cdrom",
    "net-retriever", "os-prober-udeb", "parted-udeb", "partman-auto", "partman-base", "partman-efi", "partman-ext3",
    "partman-target", "pkgsel", "tzsetup-udeb", "user-setup-udeb",
)  # fmt: skip
# The netboot initrd fetches the components from a mirror, the CD's from the CD.
NETBOOT_ONLY = ("net-retriever", "download-installer", "choose-mirror", "choose-mirror-bin", "media-retriever")
CD_ONLY = ("cdrom-detect", "cdrom-retriever", "load-cdrom", "eatmydata-udeb")

MODULES = (
    "fs/ext4", "fs/jbd2", "fs/mbcache", "fs/isofs", "fs/btrfs", "fs/xfs", "fs/nls", "fs/fat", "fs/udf", "fs/efivarfs",
    "drivers/block", "drivers/ata", "drivers/cdrom", "drivers/md", "drivers/virtio", "lib", "crypto", "arch/x86/crypto",
    "drivers/scsi/sd_mod", "drivers/scsi/sr_mod", "drivers/scsi/sg", "drivers/scsi/virtio_scsi",
    "drivers/scsi/scsi_mod", "drivers/scsi/scsi_common",
)  # fmt: skip
MODULES_PROVIDE = (
    "ext4-modules, isofs-modules, cdrom-core-modules, ata-modules, sata-modules, pata-modules, scsi-modules, "
    "md-modules, loop-modules, btrfs-modules, xfs-modules, crc-modules, udf-modules, fat-modules, efi-modules"
)
E2FSPROGS_PACKAGES = ("e2fsprogs", "libext2fs2t64", "libcom-err2", "libss2")
E2FSPROGS_FILES = re.compile(
    r"usr/sbin/(mke2fs|mkfs\.ext[234]|e2fsck|fsck\.ext[234]|tune2fs|resize2fs|badblocks)$"
    r"|usr/lib/x86_64-linux-gnu/lib(ext2fs|e2p|com_err|ss)\.so|etc/mke2fs\.conf$"
)
# What udpkg and main-menu read of an installed component.
STATUS_FIELDS = re.compile("(Package|Version|Depends|Provides|Description|Installer-Menu-Item|Kernel-Version):")
STATUS_FILES = ("templates", "postinst", "config", "menutest", "isinstallable", "prerm")


@dataclass(frozen=True, slots=True, kw_only=True)
class Netboot:
    """The netboot image as Debian made it."""

    images: Path
    """Holds debian-installer/amd64/{linux,initrd.gz,boot-screens,grub,...}."""
    kernel_release: str

    @property
    def files(self) -> Path:
        return self.images / "debian-installer/amd64"

    @property
    def kernel(self) -> Path:
        return self.files / "linux"


def fetch_netboot(mirror: Mirror, work: Path) -> Netboot:
    """Debian's netboot image, out of its package, unpacked in `work`."""
    packages = mirror.directory / "netboot"
    packages.mkdir(exist_ok=True)
    mirror.drop_outdated(packages, "main")
    mirror.download([NETBOOT_PACKAGE], packages)
    unpack(next(packages.glob("*.deb")), work / "netboot")
    images = work / "netboot" / NETBOOT_IMAGES
    try:
        header = (images / "debian-installer/amd64/linux").read_bytes()[:0x10000]
    except OSError as error:
        raise BuildError(f"{NETBOOT_PACKAGE} does not hold the netboot image where it used to: {error}") from None
    # Linux x86 boot protocol: the version string lies 0x200 after the offset at 0x20e.
    start = int.from_bytes(header[0x20E:0x210], "little") + 0x200
    return Netboot(images=images, kernel_release=header[start : start + 200].split(b" ")[0].decode())


def unpack(package: Path, directory: Path) -> None:
    """Unpack a deb or udeb."""
    directory.mkdir(parents=True, exist_ok=True)
    run(["dpkg-deb", "-x", package, directory], what=f"unpacking {package.name}")


def fetch_components(mirror: Mirror) -> list[Path]:
    """The installer's components that this CD carries and the mirror has."""
    directory = mirror.directory / "udebs"
    mirror.drop_outdated(directory, "main/debian-installer")
    wanted = [name for name in mirror.installer_components() if not LEFT_OUT.search(name)]
    mirror.download(wanted, directory, is_partial_ok=True)
    # An earlier build may have wanted more.
    found = [path for path in sorted(directory.glob("*.udeb")) if path.name.partition("_")[0] in wanted]
    names = {path.name.partition("_")[0] for path in found}
    if missing := [name for name in REQUIRED if name not in names]:
        raise BuildError(f"the mirror {mirror.url} lacks components of the installer: {', '.join(missing)}")
    return found


def _build_package(tree: Path, control: str, output: Path, *, postinst: str | None = None) -> Path:
    (tree / "DEBIAN").mkdir(exist_ok=True)
    (tree / "DEBIAN/control").write_text(control)
    if postinst is not None:
        script = tree / "DEBIAN/postinst"
        script.write_text(postinst)
        script.chmod(0o755)
    run(["dpkg-deb", "--root-owner-group", "-Zxz", "-b", tree, output], what=f"making {output.name}")
    return output


def make_module_component(mirror: Mirror, kernel_release: str, work: Path) -> Path:
    """A component with the kernel's modules for disks and file systems, out of the kernel's package."""
    unpack(mirror.deb(f"linux-image-{kernel_release}"), work / "kernel")
    source = work / "kernel/usr/lib/modules" / kernel_release
    if not source.is_dir():
        source = work / "kernel/lib/modules" / kernel_release
    tree = work / "modules"
    for name in MODULES:
        for found in (source / "kernel").glob(f"{name}*" if "/" in name else name):
            files = [found] if found.is_file() else [path for path in found.rglob("*.ko*") if path.is_file()]
            for path in files:
                target = tree / "lib/modules" / kernel_release / path.relative_to(source)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
    name = f"disk-modules-{kernel_release}-di"
    control = f"""\
Package: {name}
Version: 1
Architecture: amd64
Maintainer: Oz <root@localhost>
Section: debian-installer
Priority: standard
Provides: {MODULES_PROVIDE}
Kernel-Version: {kernel_release}
Description: kernel modules for disks and file systems
"""
    output = work / f"{name}_1_amd64.udeb"
    return _build_package(tree, control, output, postinst="#!/bin/sh\ndepmod -a || true\n")


def make_e2fsprogs_component(mirror: Mirror, work: Path) -> Path:
    """A component with the tools for ext2, ext3 and ext4, out of the ordinary packages."""
    tree = work / "e2fsprogs"
    for name in E2FSPROGS_PACKAGES:
        unpack(mirror.deb(name), tree)
    for path in sorted(tree.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif not E2FSPROGS_FILES.match(str(path.relative_to(tree))):
            path.unlink()
    control = """\
Package: e2fsprogs-udeb
Version: 1
Architecture: amd64
Maintainer: Oz <root@localhost>
Section: debian-installer
Priority: optional
Description: tools for ext2, ext3 and ext4
"""
    return _build_package(tree, control, work / "e2fsprogs-udeb_1_amd64.udeb")


def make_keyring_package(public_key: Path, work: Path) -> Path:
    """A package of the base system that makes apt trust what the builder signed."""
    tree = work / "keyring"
    target = tree / "etc/apt/trusted.gpg.d" / public_key.name
    target.parent.mkdir(parents=True)
    shutil.copyfile(public_key, target)
    control = """\
Package: oz-test-archive-keyring
Version: 1
Architecture: all
Maintainer: Oz <root@localhost>
Section: misc
Priority: important
Description: key of the test archive
 Its private half was thrown away once the archive was signed.
"""
    return _build_package(tree, control, work / "oz-test-archive-keyring_1_all.deb")


def netboot_initrd(netboot: Netboot, public_key: bytes) -> Archive:
    """The netboot initrd, which trusts `public_key` (a binary OpenPGP key) besides Debian's."""
    initrd = read_archive((netboot.files / "initrd.gz").read_bytes())
    keyring = "usr/share/keyrings/debian-archive-keyring.pgp"
    # A keyring is a row of keys; archive.gpg, which the installer reads, is a link to this file.
    initrd.write(keyring, initrd.read(keyring) + public_key)
    return initrd


def make_cd_initrd(initrd: Archive, components: Sequence[Path], kernel_release: str, work: Path) -> None:
    """Turn the netboot initrd into the CD's: less the way over the network, plus the CD's and the disks' modules."""
    status = initrd.read("var/lib/dpkg/status").decode()
    stanzas = [stanza.strip("\n") for stanza in status.split("\n\n") if stanza.strip()]
    kept = [stanza for stanza in stanzas if _package_name(stanza) not in NETBOOT_ONLY]
    for path in list(initrd.entries):
        name = path.rpartition("/")[2].partition(".")[0]
        if path.startswith("var/lib/dpkg/info/") and name in NETBOOT_ONLY:
            initrd.remove(path)
    initrd.remove("usr/lib/debian-installer/retriever/net-retriever")
    by_name = {path.name.partition("_")[0]: path for path in components}
    for name in (*CD_ONLY, f"disk-modules-{kernel_release}-di"):
        kept.append(_add_component(initrd, name, by_name[name]))
    initrd.write("var/lib/dpkg/status", ("\n\n".join(kept) + "\n\n").encode())
    lsb_release = initrd.read("etc/lsb-release").decode()
    initrd.write("etc/lsb-release", lsb_release.replace("=netboot", "=cdrom").encode())
    _update_module_index(initrd, kernel_release, work / "depmod")


def _package_name(stanza: str) -> str:
    return stanza.partition("\n")[0].removeprefix("Package: ")


def _add_component(initrd: Archive, name: str, package: Path) -> str:
    """Unpack a component into the initrd; returns its stanza for dpkg's status."""
    for option in ("--fsys-tarfile", "--ctrl-tarfile"):
        content = run(["dpkg-deb", option, package], what=f"reading {package.name}")
        with tarfile.open(fileobj=io.BytesIO(content)) as tar:
            if option == "--fsys-tarfile":
                initrd.merge_tar(tar)
                continue
            for member in tar:
                file = member.name.removeprefix("./")
                if file in STATUS_FILES:
                    source = tar.extractfile(member)
                    assert source is not None, file
                    mode = 0o644 if file == "templates" else 0o755
                    initrd.write(f"var/lib/dpkg/info/{name}.{file}", source.read(), mode=mode)
    control = run(["dpkg-deb", "-f", package], what=f"reading {package.name}").decode()
    lines = [line for line in control.splitlines() if STATUS_FIELDS.match(line)]
    return "\n".join([lines[0], "Status: install ok unpacked", *lines[1:]])


def _update_module_index(initrd: Archive, kernel_release: str, work: Path) -> None:
    """Run depmod over the initrd's modules."""
    modules = initrd.resolve(f"lib/modules/{kernel_release}/x").removesuffix("/x")
    for path, entry in initrd.entries.items():
        if path.startswith(modules + "/") and not entry.is_directory:
            target = work / "lib/modules" / kernel_release / path.removeprefix(modules + "/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(entry.data)
    depmod = shutil.which("depmod", path="/usr/sbin:/sbin:/usr/bin:/bin") or "depmod"
    run([depmod, "-b", work, kernel_release], what="indexing the kernel's modules")
    for index in (work / "lib/modules" / kernel_release).glob("modules.*"):
        initrd.write(f"{modules}/{index.name}", index.read_bytes())
