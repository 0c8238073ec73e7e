"""What makes the CD boot: isolinux and its menu for BIOS, GRUB and its menu for UEFI, as on Debian's own CDs.

The menus are those of the installer's netboot image, which has the same ones with other paths.
"""

import shutil
from pathlib import Path

from installer import Netboot, unpack
from mirror import Mirror
from running import run

NETBOOT_PREFIX = "debian-installer/amd64/"
MENU_SUFFIXES = {".cfg", ".txt"}


def _retarget(text: str) -> str:
    """A netboot menu with the paths of the CD."""
    text = text.replace(NETBOOT_PREFIX + "boot-screens/", "")
    for prefix in ("/" + NETBOOT_PREFIX, NETBOOT_PREFIX):
        text = text.replace(prefix + "linux", "/install.amd/vmlinuz").replace(prefix + "initrd", "/install.amd/initrd")
    return text


def add_isolinux(netboot: Netboot, mirror: Mirror, work: Path, cd: Path) -> None:
    """isolinux/ with the boot loader and its menu, which waits for a key."""
    isolinux = cd / "isolinux"
    isolinux.mkdir()
    for source in sorted((netboot.files / "boot-screens").iterdir()):
        name = "isolinux.cfg" if source.name == "syslinux.cfg" else source.name
        if source.suffix in MENU_SUFFIXES:
            (isolinux / name).write_text(_retarget(source.read_text()))
        else:
            shutil.copyfile(source, isolinux / name)
    # The boot loader and its modules have to be of one version: both are the suite's, whatever this host has.
    unpack(mirror.deb("isolinux"), work / "isolinux")
    unpack(mirror.deb("syslinux-common"), work / "isolinux")
    shutil.copyfile(work / "isolinux/usr/lib/ISOLINUX/isolinux.bin", isolinux / "isolinux.bin")
    for module in ("ldlinux.c32", "libcom32.c32", "libutil.c32", "vesamenu.c32"):
        shutil.copyfile(work / "isolinux/usr/lib/syslinux/modules/bios" / module, isolinux / module)


def add_grub(netboot: Netboot, mirror: Mirror, work: Path, cd: Path) -> None:
    """boot/grub/ with GRUB's menu and modules, EFI/boot/ with its signed image, and both of them in efi.img."""
    grub = cd / "boot/grub"
    shutil.copytree(netboot.files / "grub", grub)
    (grub / "grub.cfg").write_text(_retarget((grub / "grub.cfg").read_text()))
    unpack(mirror.deb("shim-signed"), work / "efi")
    unpack(mirror.deb("grub-efi-amd64-signed"), work / "efi")
    boot = cd / "EFI/boot"
    boot.mkdir(parents=True)
    shutil.copyfile(work / "efi/usr/lib/shim/shimx64.efi.signed", boot / "bootx64.efi")
    # gcdx64 is Debian's image for CDs: it searches the CD that has /.disk/info and reads boot/grub/grub.cfg there.
    shutil.copyfile(work / "efi/usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed", boot / "grubx64.efi")
    menu = cd / "EFI/debian/grub.cfg"
    menu.parent.mkdir()
    menu.write_text(
        "search --file --set=root /.disk/info\nset prefix=($root)/boot/grub\nsource $prefix/x86_64-efi/grub.cfg\n"
    )
    forward = grub / "x86_64-efi/grub.cfg"
    if not forward.exists():
        forward.write_text("source $prefix/grub.cfg\n")
    _make_efi_image(cd, grub / "efi.img")


def _make_efi_image(cd: Path, image: Path) -> None:
    """A FAT image with the CD's EFI directory: what UEFI firmware boots from an El Torito entry."""
    used = sum(path.stat().st_size for path in (cd / "EFI").rglob("*") if path.is_file())
    # Room for clusters that are not full, the two tables and the directories, in whole 32 KiB as debian-cd does.
    size_kib = -(-(used // 1024 + 200) // 32) * 32
    image.write_bytes(b"\0" * (size_kib * 1024))
    geometry = ["-T", str(size_kib * 2), "-h", "1", "-s", "1", "-N", "deb00001"]
    run(["mformat", "-i", image, *geometry, "::"], what="making efi.img")
    run(["mcopy", "-s", "-i", image, cd / "EFI", "::"], what="filling efi.img")


def write_iso(cd: Path, volume_id: str, output: Path) -> None:
    """The ISO image with both El Torito entries, BIOS first."""
    form = "xorriso -as mkisofs -quiet -r -J -joliet-long"
    bios = "-b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot -boot-load-size 4 -boot-info-table"
    uefi = "-eltorito-alt-boot -e boot/grub/efi.img -no-emul-boot"
    options = [*form.split(), *bios.split(), *uefi.split()]
    run([*options, "-V", volume_id, "-o", output, cd], what="writing the ISO image")
