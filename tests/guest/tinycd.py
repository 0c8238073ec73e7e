"""An install CD of half a megabyte that passes for Debian 13's, with an installer of 2 KiB that needs no time.

Its boot image (tinycd.S) plays what an installer may do: finish properly, with the nonce that it finds on the
remastered CD, or fail in one of the ways that installers have. So all of oz-install runs within seconds.
"""

import functools
import shutil
import subprocess
import tempfile
from pathlib import Path

SOURCE = Path(__file__).with_suffix(".S")
VARIANTS = (
    "finish",
    "power-off",
    "wrong-nonce",
    "hang",
    "reset-once",
    "triple-fault",
    "babble",
    "fill-disk",
)
"""In the order of the table in the boot image. All but the first fail; only hang and babble have no end."""

TOOLS = ("as", "ld", "genisoimage")
VOLUME_ID = "Debian 13.0.0 amd64 n"
DISK_INFO = 'Debian GNU/Linux 13.0.0 "Trixie" - Official amd64 NETINST'
_SECTOR = 2048
_MARK = b"tiny boot"
_FILES = {
    "install.amd/vmlinuz": "not a kernel\n",
    "install.amd/initrd.gz": "not an initrd\n",
    "isolinux/isolinux.cfg": "default install\n",
    "boot/grub/grub.cfg": "menuentry 'Install' {}\n",
}


def build(path: Path, variant: str = "finish", *, volume_id: str = VOLUME_ID, disk_info: str = DISK_INFO) -> Path:
    """Write the CD. It needs an assembler for x86 and genisoimage."""
    image = bytearray(_master(volume_id, disk_info))
    at = image.index(_MARK) + len(_MARK)
    image[at] = VARIANTS.index(variant)
    image[at + 3 : at + 7] = (len(image) // _SECTOR).to_bytes(4, "little")
    path.write_bytes(image)
    return path


@functools.cache
def _master(volume_id: str, disk_info: str) -> bytes:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        for path, text in {**_FILES, ".disk/info": disk_info}.items():
            file = directory / "tree" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        (directory / "tree/isolinux/boot.bin").write_bytes(_assemble(directory))
        out = directory / "cd.iso"
        command = ["genisoimage", "-quiet", "-r", "-J", "-V", volume_id, "-o", str(out)]
        command += ["-b", "isolinux/boot.bin", "-c", "isolinux/boot.cat", "-no-emul-boot", "-boot-load-size", "4"]
        subprocess.run([*command, str(directory / "tree")], check=True, capture_output=True)
        return out.read_bytes()


def _assemble(directory: Path) -> bytes:
    objects, out = directory / "boot.o", directory / "boot.bin"
    subprocess.run(["as", "--32", "-o", str(objects), str(SOURCE)], check=True, capture_output=True)
    link = ["ld", "-m", "elf_i386", "-Ttext", "0x7c00", "-e", "0x7c00", "--oformat", "binary"]
    subprocess.run([*link, "-o", str(out), str(objects)], check=True, capture_output=True)
    assert out.stat().st_size == _SECTOR
    return out.read_bytes()


def missing_tools() -> list[str]:
    """What this host lacks to build and run it."""
    return [tool for tool in (*TOOLS, "qemu-system-x86_64") if not shutil.which(tool)]
