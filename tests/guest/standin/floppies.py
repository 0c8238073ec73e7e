"""Boot floppies: SYSLINUX starts a "kernel" that fits on one, GRUB, which fetches the real one from elsewhere."""

import subprocess
import tempfile
from pathlib import Path

from guest.standin.system import GRUB_MODULES, make_grub

_FROM_CD = """search --no-floppy --file --set root /standin/vmlinuz
linux /standin/vmlinuz standin.floppy quiet norandmaps console=tty0
initrd /standin/initrd
boot
"""
_FROM_TREE = """linux16 (fd0)/ipxe.krn
initrd16 (fd0)/fetch.ipx
boot
"""
_MENU = """default linux
prompt 1
timeout 600
label linux
  kernel vmlinuz
  append initrd={initrd}
"""
_FETCH = """#!ipxe
dhcp
kernel {tree}/vmlinuz standin.floppy quiet norandmaps console=tty0 initrd=initrd
initrd {tree}/initrd
boot
"""


def boot_floppy(loaders: Path, *, tree: str = "", initrd: str = "initrd.img") -> bytes:
    """An image of 1.44 MB: the rest is on the CD, or at the URL of a tree.

    Linux is too large for a floppy, so what SYSLINUX loads as vmlinuz is GRUB; it passes no arguments on, and the
    installer reads those of the floppy's menu itself (standin.floppy).
    """
    if tree:
        config, modules, files = _FROM_TREE, "linux16", {"ipxe.krn": (loaders / "boot/ipxe.lkrn").read_bytes()}
        files["fetch.ipx"] = _FETCH.format(tree=tree).encode()
    else:
        config, modules, files = _FROM_CD, "pata ahci", {}
    core = make_grub(loaders, "i386-pc", config, f"{GRUB_MODULES} biosdisk {modules}")
    files["vmlinuz"] = (loaders / "usr/lib/grub/i386-pc/lnxboot.img").read_bytes() + core
    files[initrd] = b"the real one is elsewhere\n"
    files["syslinux.cfg"] = _MENU.format(initrd=initrd).encode()
    files["ldlinux.c32"] = (loaders / "usr/lib/syslinux/modules/bios/ldlinux.c32").read_bytes()
    with tempfile.TemporaryDirectory() as name:
        image = Path(name) / "floppy"
        subprocess.run(["mformat", "-C", "-i", image, "-f", "1440", "::"], check=True)
        for path, data in files.items():
            (Path(name) / path).write_bytes(data)
            subprocess.run(["mcopy", "-i", image, Path(name) / path, "::"], check=True)
        subprocess.run(["syslinux", "--install", str(image)], check=True, capture_output=True)
        return image.read_bytes()
