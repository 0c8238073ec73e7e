"""What a stand-in boots: its kernel, the initrd with the installer in it, and the small system that it installs.

All archives are put together as bytes, so nobody has to be root.
"""

import functools
import gzip
import hashlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from stat import S_IFDIR, S_IFLNK

from guest.standin import databases
from guest.standin.packages import STAMP, Archive, Entry, Packages, unpacked, write_archive

from oz.guests.release import PORTS

HERE = Path(__file__).parent
CACHE = HERE.parents[2] / "build/standin"
PROGRAMS = (
    "usr/sbin/sshd", "usr/bin/ssh-keygen", "usr/bin/dpkg-query", "usr/bin/dpkg", "usr/bin/rpm", "bin/bash",
)  # fmt: skip
MODULES = (
    "ata_piix", "ata_generic", "ahci", "sd_mod", "sr_mod", "virtio_pci", "virtio_blk", "virtio_scsi", "virtio_net",
    "virtio_rng", "e1000", "e1000e", "8139cp", "8139too", "pcnet32", "ne2k-pci", "floppy", "isofs", "udf", "vfat",
    "nls_cp437", "nls_iso8859-1", "nls_ascii", "nls_utf8", "crc32c_generic", "ext4", "pvpanic_mmio",
    "button", "sym53c8xx", "af_packet",
)  # fmt: skip
_DIRECTORIES = (
    "dev", "proc", "sys", "tmp", "run", "root", "mnt", "var/log", "var/lib/dpkg/info", "srv",
    "etc/init", "etc/init.d", "etc/systemd/system", "etc/udev/rules.d",
)  # fmt: skip


class Parts:
    """Everything that media are made of, built once and kept until a source of it changes."""

    def __init__(self, directory: Path = CACHE) -> None:
        self.packages = unpacked(directory)
        self._cache = directory / "parts"

    def kernel(self, arch: str) -> Path:
        return next((self.packages.kernels[arch] / "boot").glob("vmlinuz-*"))

    def initrd(self, arch: str, facts: str) -> bytes:
        """The whole initrd of an installer that knows `facts`, shell assignments."""
        answers = Archive()
        answers.write("standin/facts", facts.encode())
        for script in sorted((HERE / "installer").iterdir()):
            answers.write(f"standin/{script.name}", script.read_bytes(), mode=0o755)
        answers.write("standin/udhcpc.sh", (HERE / "system/root/etc/udhcpc.sh").read_bytes(), mode=0o755)
        return self._kept(f"base-{arch}", _base) + _packed(answers)

    def system(self, arch: str) -> bytes:
        """The system to be installed, an archive that the installer unpacks: too large for boot loaders, which read
        slowly under emulation; nor is it compressed, which costs seconds there."""
        return self._kept(f"system-{arch}", _system)

    def disk_loaders(self, arch: str) -> dict[str, bytes]:
        """What goes before the file system of the disk, by name."""
        return _disk_loaders(self.packages.loaders, arch)

    def _kept(self, name: str, make: "functools._lru_cache_wrapper[bytes]") -> bytes:
        digest = hashlib.sha256(Path(__file__).read_bytes() + Path(databases.__file__).read_bytes())
        for path in sorted(path for path in (HERE / "system").rglob("*") if path.is_file()):
            digest.update(path.read_bytes())
        path = self._cache / f"{name}-{digest.hexdigest()[:16]}"
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            for old in path.parent.glob(f"{name}-*"):
                old.unlink(missing_ok=True)
            data = make(self.packages, name.rpartition("-")[2])
            with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
                file.write(data)
            Path(file.name).rename(path)
        return path.read_bytes()


def _packed(archive: Archive) -> bytes:
    return gzip.compress(write_archive(archive), 6)


@functools.cache
def _base(packages: Packages, arch: str) -> bytes:
    """What an installer and the installed system start from: init, busybox and drivers."""
    archive = Archive()
    archive.write("init", (HERE / "system/init").read_bytes(), mode=0o755)
    archive.write("bin/busybox", (packages.userlands[arch] / "bin/busybox").read_bytes(), mode=0o755)
    for name in ("dev", "proc", "sys", "root", "tmp"):
        archive.put(name, Entry(mode=S_IFDIR | 0o755))
    tree = packages.kernels[arch]
    version = next((tree / "lib/modules").iterdir()).name
    subprocess.run(["depmod", "-b", str(tree), version], check=True, capture_output=True)
    directory = tree / "lib/modules" / version
    needs = {}
    for line in (directory / "modules.dep").read_text().splitlines():
        path, _, rest = line.partition(": ")
        needs[path.rstrip(":")] = rest.split()
    names = {re.sub("-", "_", Path(path).stem): path for path in needs}
    chosen: dict[str, None] = {}
    for name in MODULES:
        if path := names.get(re.sub("-", "_", name)):
            chosen |= dict.fromkeys((path, *needs[path]))
    place = f"lib/modules/{version}"
    for path in chosen:
        archive.write(f"{place}/{path}", (directory / path).read_bytes())
    stems = {re.sub("-", "_", Path(path).stem) for path in chosen}
    aliases = [
        line for line in (directory / "modules.alias").read_text().splitlines() if line.split()[-1] in stems
    ]  # fmt: skip
    archive.write(f"{place}/modules.alias", ("\n".join(aliases) + "\n").encode())
    lines = [f"{path}: {' '.join(needs[path])}\n" for path in chosen]
    archive.write(f"{place}/modules.dep", "".join(lines).encode())
    return _packed(archive)


@functools.cache
def _system(packages: Packages, arch: str) -> bytes:
    """The system to be installed, with a kernel, sshd, busybox, two databases of packages."""
    archive, userland = Archive(), packages.userlands[arch]
    for name in _DIRECTORIES:
        archive.put(name, Entry(mode=S_IFDIR | (0o1777 if name == "tmp" else 0o755)))
    for link, target in {"bin": "usr/bin", "sbin": "usr/bin", "usr/sbin": "bin", "lib": "usr/lib"}.items():
        archive.put(link, Entry(mode=S_IFLNK | 0o777, data=target.encode()))
    for path in _with_libraries(userland, PROGRAMS):
        place = re.sub(r"^(s?bin|usr/sbin)/", "usr/bin/", re.sub(r"^lib/", "usr/lib/", path))
        if place == "usr/bin/ssh-keygen":
            place = "usr/lib/standin/ssh-keygen"
        archive.write(place, (userland / path).read_bytes(), mode=0o755)
    for name in ("rpmrc", "macros", "rpmpopt-4.18.0"):
        archive.write(f"usr/lib/rpm/{name}", (userland / "usr/lib/rpm" / name).read_bytes())
    archive.write("usr/bin/busybox", (userland / "bin/busybox").read_bytes(), mode=0o755)
    # Those of all architectures have the same; this host runs this one.
    busybox = packages.userlands["i386"] / "bin/busybox"
    listing = subprocess.run([busybox, "--list"], check=True, capture_output=True, text=True).stdout.split()
    for name in listing:
        # those of Debian's packages are real ones
        if f"usr/bin/{name}" not in archive.entries and name not in ("rpm", "dpkg"):
            archive.put(f"usr/bin/{name}", Entry(mode=S_IFLNK | 0o777, data=b"busybox"))
    # busybox's own shell would run its applets in place of programs: its rpm, its dpkg.
    archive.put("usr/bin/sh", Entry(mode=S_IFLNK | 0o777, data=b"bash"))
    source = HERE / "system/root"
    for file in sorted(path for path in source.rglob("*") if path.is_file()):
        name = str(file.relative_to(source))
        is_program = name.startswith("usr/bin/") or name in ("etc/rc", "etc/udhcpc.sh")
        mode = 0o600 if name == "etc/shadow" else 0o755 if is_program else 0o644
        data = file.read_bytes()
        if name == "boot/grub/grub.cfg":
            data = data.replace(b"ttyS0,115200n8", PORTS[arch].console.encode())
        archive.write(name, data, mode=mode)
    for path, data in databases.build().items():
        archive.write(path, data)
    kernel = next((packages.kernels[arch] / "boot").glob("vmlinuz-*"))
    archive.write("boot/vmlinuz", kernel.read_bytes())
    archive.write("boot/initrd", _base(packages, arch))
    return write_archive(archive)


_LOADERS_OF_PROGRAMS = ("lib/ld-linux.so.2", "lib/ld-linux-aarch64.so.1")


def _with_libraries(root: Path, programs: Iterable[str]) -> list[str]:
    """The programs and all shared libraries they name, in turn, and the loader."""
    [loader] = [path for path in _LOADERS_OF_PROGRAMS if (root / path).exists()]
    places = [str(path.relative_to(root)) for path in (*root.glob("lib/*-gnu*"), *root.glob("usr/lib/*-gnu*"))]
    found, wanted = dict.fromkeys([loader]), list(programs)
    while wanted:
        path = wanted.pop()
        if path in found:
            continue
        found[path] = None
        dynamic = subprocess.run(["readelf", "-d", root / path], check=True, capture_output=True, text=True).stdout
        for name in re.findall(r"\(NEEDED\).*\[(.+)\]", dynamic):
            paths = [f"{place}/{name}" for place in (*places, "lib")]
            wanted.append(next(path for path in paths if (root / path).exists()))
    return list(found)


def make_grub(loaders: Path, target: str, config: str, modules: str, *, prefix: str = "/boot/grub") -> bytes:
    """A core image of GRUB that begins with `config`."""
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "early.cfg").write_text(config)
        directory = loaders / "usr/lib/grub" / target.replace("-eltorito", "").replace("-pxe", "")
        command = ["grub-mkimage", "-O", target, "-d", str(directory), "-p", prefix, "-c", f"{name}/early.cfg"]
        subprocess.run([*command, "-o", f"{name}/core", *modules.split()], check=True, capture_output=True)
        return (Path(name) / "core").read_bytes()


GRUB_MODULES = (
    "normal configfile linux echo sleep test search search_label search_fs_file fat ext2 iso9660 part_msdos part_gpt"
)
_SYSTEM_MENU = """search --no-floppy --label standin --set root
set prefix=($root)/boot/grub
"""


_EFI_OF_PC = ("x86_64-efi", "EFI/BOOT/BOOTX64.EFI")
EFI = {"i386": _EFI_OF_PC, "x86_64": _EFI_OF_PC, "aarch64": ("arm64-efi", "EFI/BOOT/BOOTAA64.EFI")}
"""What GRUB calls the platform, and the path that firmware starts from (UEFI specification, 3.5.1.1)."""


@functools.cache
def _disk_loaders(loaders: Path, arch: str) -> dict[str, bytes]:
    """What goes before the file system of the disk: GRUB for BIOS, and for UEFI a FAT file system with it. Without a
    BIOS, what is for one is never looked at."""
    early = f"{_SYSTEM_MENU}configfile ($root)/boot/grub/grub.cfg\n"
    core = make_grub(loaders, "i386-pc", early, f"{GRUB_MODULES} biosdisk")
    platform, path = EFI[arch]
    efi = make_grub(loaders, platform, early, GRUB_MODULES)
    boot = (loaders / "usr/lib/grub/i386-pc/boot.img").read_bytes()
    return {"boot.img": boot[:440], "core.img": core, "esp.img": fat_image({path: efi}, 2048)}


def fat_image(files: dict[str, bytes], size_kib: int) -> bytes:
    """A FAT file system with these files."""
    with tempfile.TemporaryDirectory() as name:
        image, tree = Path(name) / "image", Path(name) / "tree"
        image.write_bytes(b"\0" * size_kib * 1024)
        subprocess.run(["mformat", "-i", image, "-T", str(size_kib * 2), "-h", "16", "-s", "32", "::"], check=True)
        for path, data in files.items():
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            (tree / path).write_bytes(data)
        tops = [str(path) for path in tree.iterdir()]
        subprocess.run(["mcopy", "-s", "-i", image, *tops, "::"], check=True)
        return image.read_bytes()


_MORE_TOOLS = ("rpmbuild", "qemu-system-x86_64", "qemu-system-i386", "qemu-system-aarch64")


def missing_tools() -> list[str]:
    """What this host lacks to build and run stand-ins."""
    packages = [] if (CACHE / STAMP).exists() else ["make standins"]
    tools = (
        "grub-mkimage",
        "mformat",
        "syslinux",
        "xorriso",
        "genisoimage",
        "depmod",
        "readelf",
        "dpkg-deb",
        "rpmbuild",
        "wimlib-imagex",
    )
    return [*packages, *(tool for tool in (*tools, *_MORE_TOOLS) if not shutil.which(tool))]
