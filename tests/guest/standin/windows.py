"""Media of Windows: GRUB in place of Microsoft's boot sectors, with the question that those ask; the UDF bridge of
Vista and later, with an archive of images that others' tools take for one."""

import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from guest.standin.system import GRUB_MODULES, fat_image, make_grub

from oz.model import Edition

_SETUP = """linux /standin/vmlinuz quiet norandmaps no_timer_check console=tty0 console=ttyS0,115200n8
initrd /standin/initrd
"""
# Asked only once the disk can be booted: see oz.guests.windows.
_BIOS_MENU = f"""if search --no-floppy --label standin --set disk; then
  echo Press any key to boot from CD...
  if sleep --interruptible 5; then
    set root=(hd0)
    chainloader +1
    boot
  fi
fi
{_SETUP}boot
"""
# GRUB unsets fallback, as timeout, at the first key (run_menu of grub-core/normal/menu.c). An entry sees what is
# exported. It goes on by itself: after GRUB's exit, which is a success, firmware shows its own menu.
_EFI_MENU = f"""set timeout=5
set fallback=0
export fallback
menuentry 'Press any key to boot from CD or DVD' {{
  if [ -n "$fallback" ]; then
    search --no-floppy --file --set root /EFI/BOOT/BOOTX64.EFI
    chainloader /EFI/BOOT/BOOTX64.EFI
    boot
  fi
  {_SETUP}
}}
"""
_ARCHES = {"i386": "0", "x86_64": "9"}
_NO_EMULATION = ("-no-emul-boot", "-boot-load-size", "4", "-boot-info-table")


def add_text_mode(loaders: Path, tree: Path) -> list[str]:
    """Boot loader and menu of 2000 to 2003 are in the tree; genisoimage's options, names of ISO 9660 alone."""
    return [*_add_bios(loaders, tree), "-iso-level", "2"]


def add_setup(loaders: Path, tree: Path, editions: Iterable[Edition], *, has_efi: bool) -> list[str]:
    """Boot loaders, menus and sources/install.wim of Vista and later are in the tree; genisoimage's options for a disc
    whose ISO 9660 names are not those of Setup's files."""
    _write_archive(tree / "sources/install.wim", editions)
    options = [*_add_bios(loaders, tree), "-udf", "-allow-limited-size", "-hide", "sources"]
    if has_efi:
        (tree / "standin/efi.cfg").write_text(_EFI_MENU)
        early = "search --file --set root /standin/efi.cfg\nconfigfile ($root)/standin/efi.cfg\n"
        core = make_grub(loaders, "x86_64-efi", early, f"{GRUB_MODULES} chain")
        (tree / "efisys.bin").write_bytes(fat_image({"EFI/BOOT/BOOTX64.EFI": core}, 4096))
        options += ["-eltorito-alt-boot", "-e", "efisys.bin", "-no-emul-boot"]
    return options


def _add_bios(loaders: Path, tree: Path) -> list[str]:
    (tree / "standin/grub.cfg").write_text(_BIOS_MENU)
    early = "search --file --set root /standin/grub.cfg\nconfigfile ($root)/standin/grub.cfg\n"
    core = make_grub(loaders, "i386-pc-eltorito", early, f"{GRUB_MODULES} biosdisk chain")
    (tree / "boot.bin").write_bytes(core)
    return ["-quiet", "-b", "boot.bin", *_NO_EMULATION]


def _write_archive(path: Path, editions: Iterable[Edition]) -> None:
    path.unlink()
    for number, edition in enumerate(editions):
        major, minor, build = edition.version.split(".")
        about = {
            "EDITIONID": edition.edition_id,
            "PRODUCTTYPE": "ServerNT" if edition.is_server else "WinNT",
            "ARCH": _ARCHES[edition.arch],
            "LANGUAGES/DEFAULT": edition.language,
            "VERSION/MAJOR": major,
            "VERSION/MINOR": minor,
            "VERSION/BUILD": build,
        }
        words = [f"--image-property=WINDOWS/{key}={value}" for key, value in about.items()]
        verb = ["append"] if number else ["capture", "--compress=none"]
        with tempfile.TemporaryDirectory() as files:
            command = ["wimlib-imagex", verb[0], files, str(path), edition.name, *verb[1:], *words]
            subprocess.run(command, check=True, capture_output=True)
