"""Stand-in media: the layout that a release's guest documents, with boot loaders that boot and menus that wait."""

import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from guest.standin import families, windows
from guest.standin.floppies import boot_floppy
from guest.standin.system import EFI, GRUB_MODULES, Parts, fat_image, make_grub

from oz.guests.base import Guest
from oz.guests.release import PORTS
from oz.model import Medium, Tdl

# Each begins with a check of the medium, or waits, for as long as nobody chooses: as the real ones do.
_ISOLINUX_MENU = """default check
prompt 1
timeout {timeout}
label linux
  kernel {kernel}
  append initrd={initrd} {quiet}
label check
  kernel {kernel}
  append initrd={initrd} rd.live.check mediacheck=1 {quiet}
"""
_ELSEWHERE = """default elsewhere
label elsewhere
  config /{directory}/isolinux.cfg
  append /{directory}
"""
_GRUB_MENU = """set default=1
{timeout}
menuentry 'Install' {{
  linux {kernel} {quiet}
  initrd {initrd}
}}
menuentry 'Test this media & install' {{
  linux {kernel} rd.live.check mediacheck=1 {quiet}
  initrd {initrd}
}}
"""
_DIRECT = """linux /standin/vmlinuz quiet norandmaps no_timer_check console=tty0 console={console}
initrd /standin/initrd
boot
"""

_INITRDS = {
    "vmlinuz": ("initrd.img", "initrd.gz", "initrd", "all.rdz"),
    "linux": ("initrd",),
    "vmlinuz-virt": ("initramfs-virt",),
    "vmlinuz-linux": ("initramfs-linux.img",),
}
"""The names that an initrd has beside a kernel of that name."""
_BIOS_MENUS = ("/boot/grub2/grub.cfg", "/boot/grub/grub.cfg")
"""GRUB's, where there is no ISOLINUX."""
_EFI_MENUS = ("/EFI/BOOT/grub.cfg", *reversed(_BIOS_MENUS))

_NO_EMULATION = ("-no-emul-boot", "-boot-load-size", "4", "-boot-info-table")


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """What every medium of a release boots."""

    kernel: Path
    initrd: bytes


class Media:
    """Builds the media of one release below `directory`. `fail` is built into the installer."""

    def __init__(self, parts: Parts, guest: Guest, tdl: Tdl, directory: Path, *, fail: str = "") -> None:
        self.parts, self.guest, self.tdl, self.directory = parts, guest, tdl, directory
        self.loaders = parts.packages.loaders
        initrd = parts.initrd(guest.arch, families.facts(guest, fail=fail))
        self.payload = Payload(kernel=parts.kernel(guest.arch), initrd=initrd)
        directory.mkdir(parents=True, exist_ok=True)

    # ---------------------------------------------------------------- trees

    def build_tree(self) -> Path:
        """All that the release's plan fetches, and what its installer looks for, as a server's directory."""
        root = self.directory / "tree"
        for wanted in self.guest.plan_media(self.tdl).fetches:
            path = root / urlsplit(wanted.url).path.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            if wanted.role == "kernel":
                shutil.copyfile(self.payload.kernel, path)
            elif wanted.role == "initrd":
                path.write_bytes(self.payload.initrd)
            elif wanted.role == "iso":
                shutil.copyfile(self.build_iso(), path)
            else:
                address = urlsplit(self.tdl.install_url).netloc
                path.write_bytes(boot_floppy(self.loaders, tree=f"http://{address}/tree/standin"))
        release = f"dists/{self.guest.release.codename}/Release"
        top = root / urlsplit(self.tdl.install_url).path.lstrip("/")
        for name in (".treeinfo", "media.1/media", release):
            (top / name).parent.mkdir(parents=True, exist_ok=True)
            (top / name).write_text(f"[general]\nfamily = {self.guest.title}\n")
        self._add_payload(top)
        return root

    # ---------------------------------------------------------------- discs

    def build_iso(self) -> Path:
        medium = self.guest.documented_medium(self.tdl)
        out = self.directory / "medium.iso"
        with tempfile.TemporaryDirectory(dir=self.directory) as name:
            tree = Path(name)
            # Such as a netinst CD, which would take its packages from a mirror.
            contents = {**medium.contents}
            if "/.disk/cd_type" in contents:
                contents["/.disk/cd_type"] = b"full_cd/single\n"
            for path in medium.paths:
                file = tree / path.lstrip("/")
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(contents.get(path, b"not looked at\n"))
            for kernel, initrd in self._places(medium):
                shutil.copyfile(self.payload.kernel, tree / kernel)
                (tree / initrd).write_bytes(self.payload.initrd)
            self._add_payload(tree)
            options = self._loaders(medium, tree)
            program = ["xorriso", "-as", "mkisofs"] if "-quiet" not in options else ["genisoimage"]
            command = [*program, *options, "-V", medium.volume_id, "-o", str(out), str(tree)]
            subprocess.run(command, check=True, capture_output=True)
        if medium.volume_size_bytes:
            _stretch(out, medium.volume_size_bytes)
        return out

    def _places(self, medium: Medium) -> list[tuple[str, str]]:
        """Where kernel and initrd lie, by the names that they have in pairs."""
        found = []
        for path in sorted(medium.paths):
            directory, _, name = path.rpartition("/")
            found += [
                (path.lstrip("/"), f"{directory}/{initrd}".lstrip("/"))
                for initrd in _INITRDS.get(name, ())
                if f"{directory}/{initrd}" in medium.paths
            ]
        return found

    def _loaders(self, medium: Medium, tree: Path) -> list[str]:
        """Put boot loaders and menus into the tree; the options that make them boot."""
        if any(image.emulation == "floppy" for image in medium.boot_images):
            (tree / "images").mkdir(exist_ok=True)
            initrd = "cdrom.rdz" if "/Mandrake/base/hdlists" in medium.paths else "initrd.img"
            floppy = boot_floppy(self.loaders, initrd=initrd)
            (tree / "images/boot.img").write_bytes(floppy)
            return ["-quiet", "-r", "-J", "-b", "images/boot.img", "-c", "boot.cat"]
        if any(path.lower().endswith("/txtsetup.sif") for path in medium.paths):
            return windows.add_text_mode(self.loaders, tree)
        if "/sources/install.wim" in medium.paths:
            has_efi = self.guest.arch in self.guest.facts.hardware.efi_architectures
            return windows.add_setup(self.loaders, tree, medium.editions, has_efi=has_efi)
        if medium.system_id == "FreeBSD":
            return self._direct(tree)
        options = ["-r", "-J", "-joliet-long"]
        if self.guest.arch != "aarch64":
            options += self._bios(medium, tree)
        if efi := next((path for path in _EFI_MENUS if path in medium.paths), None):
            options += ["-eltorito-alt-boot", "-e", self._efi(medium, tree, efi), "-no-emul-boot"]
        return options

    def _direct(self, tree: Path) -> list[str]:
        """Loaders without a menu: GRUB in place of FreeBSD's, whose settings the installer looks at."""
        (tree / "standin/grub.cfg").write_text(_DIRECT.format(console=PORTS[self.guest.arch].console))
        early = "search --file --set root /standin/grub.cfg\nconfigfile ($root)/standin/grub.cfg\n"
        options = ["-r", "-sysid", "FreeBSD"]
        if self.guest.arch != "aarch64":
            core = make_grub(self.loaders, "i386-pc-eltorito", early, f"{GRUB_MODULES} biosdisk")
            (tree / "boot/cdboot").write_bytes(core)
            options += ["-b", "boot/cdboot", "-c", "boot.cat", *_NO_EMULATION, "-eltorito-alt-boot"]
        (tree / "boot/efiboot.img").write_bytes(self._efi_image(early))
        return [*options, "-e", "boot/efiboot.img", "-no-emul-boot"]

    def _efi_image(self, early: str, files: Mapping[str, bytes] = {}) -> bytes:
        """GRUB that begins with `early`, where UEFI starts it, beside other files."""
        platform, path = EFI[self.guest.arch]
        return fat_image({**files, path: make_grub(self.loaders, platform, early, GRUB_MODULES)}, 4096)

    def _add_payload(self, tree: Path) -> None:
        """What no real medium has: the system, and what small boot loaders load the rest from."""
        (tree / "standin").mkdir(exist_ok=True)
        (tree / "standin/system.cpio").write_bytes(self.parts.system(self.guest.arch))
        for name, data in self.parts.disk_loaders(self.guest.arch).items():
            (tree / "standin" / name).write_bytes(data)
        shutil.copyfile(self.payload.kernel, tree / "standin/vmlinuz")
        (tree / "standin/initrd").write_bytes(self.payload.initrd)

    def _bios(self, medium: Medium, tree: Path) -> list[str]:
        isolinux = next((path for path in medium.paths if path.endswith(("/isolinux.cfg", "/syslinux.cfg"))), None)
        if isolinux:
            directory = Path(isolinux.lstrip("/")).parent
            names = self._names(medium, near=directory)
            # ISOLINUX counts tenths of a second; none is for ever.
            (tree / isolinux.lstrip("/")).write_text(_ISOLINUX_MENU.format(timeout=600, **names))
            shutil.copyfile(self.loaders / "usr/lib/ISOLINUX/isolinux.bin", tree / directory / "isolinux.bin")
            module = self.loaders / "usr/lib/syslinux/modules/bios/ldlinux.c32"
            if str(directory) in ("isolinux", "boot/syslinux"):
                shutil.copyfile(module, tree / directory / "ldlinux.c32")
            else:
                # ISOLINUX of old looked beside itself, today's only where its own manual says: it is sent on.
                shutil.copyfile(module, tree / "ldlinux.c32")
                (tree / "isolinux.cfg").write_text(_ELSEWHERE.format(directory=directory))
            return ["-b", f"{directory}/isolinux.bin", "-c", f"{directory}/boot.cat", *_NO_EMULATION]
        if menu := next((path for path in _BIOS_MENUS if path in medium.paths), None):
            text = _GRUB_MENU.format(timeout="set timeout=60", **self._names(medium))
            (tree / menu.lstrip("/")).write_text(text)
            early = f"search --file --set root {menu}\nconfigfile ($root){menu}\n"
            prefix = menu.removesuffix("/grub.cfg")
            core = make_grub(self.loaders, "i386-pc-eltorito", early, f"{GRUB_MODULES} biosdisk", prefix=prefix)
            (tree / "images").mkdir(exist_ok=True)
            (tree / "images/eltorito.img").write_bytes(core)
            return ["-b", "images/eltorito.img", "-c", "boot.cat", *_NO_EMULATION, "--grub2-boot-info"]
        return []

    def _efi(self, medium: Medium, tree: Path, menu: str) -> str:
        """The path of the FAT image with GRUB. That of Red Hat's and YaST's reads its menu in the image, beside
        itself; those of the others read it on the disc."""
        text = _GRUB_MENU.format(timeout="set timeout=60", **self._names(medium))
        (tree / menu.lstrip("/")).write_text(text)
        files = {}
        if menu.startswith("/boot"):
            early = f"search --file --set root {menu}\nconfigfile ($root){menu}\n"
            place = "boot/grub/efi.img"
        else:
            early = "search --file --set root /EFI/BOOT/in-image\nconfigfile ($root)/EFI/BOOT/grub.cfg\n"
            files = {"EFI/BOOT/grub.cfg": text.encode(), "EFI/BOOT/in-image": b""}
            place = "images/efiboot.img"
        (tree / place).parent.mkdir(parents=True, exist_ok=True)
        (tree / place).write_bytes(self._efi_image(early, files))
        return place

    def _names(self, medium: Medium, *, near: Path | None = None) -> dict[str, str]:
        """Kernel and initrd as a menu names them; one beside them, by their names alone."""
        places = self._places(medium)
        beside = [place for place in places if near and Path(place[0]).parent == near]
        kernel, initrd = (beside or places)[0]
        words = (Path(kernel).name, Path(initrd).name) if beside else (f"/{kernel}", f"/{initrd}")
        return {"kernel": words[0], "initrd": words[1], "quiet": "quiet"}


def _stretch(iso: Path, size_bytes: int) -> None:
    """Make the volume as large as a DVD's, all of it a hole: its descriptors have the number of blocks in both orders
    of bytes (ECMA-119, 8.4.8)."""
    blocks = size_bytes // 2048
    with iso.open("r+b") as file:
        for sector in range(16, 32):
            file.seek(sector * 2048)
            kind = file.read(1)[0]
            if kind in (1, 2):
                file.seek(sector * 2048 + 80)
                file.write(blocks.to_bytes(4, "little") + blocks.to_bytes(4, "big"))
            if kind == 255:
                break
        file.truncate(size_bytes)
