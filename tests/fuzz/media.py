"""Media and pieces of them: ISO 9660 with El Torito, FAT, and ext2 and cpio initrds."""

import gzip
import subprocess
from pathlib import Path

from engine import Seeds, Target

from oz import cpio
from oz.guests import identify
from oz.host import initrd, iso
from oz.host.iso.fat import edit_fat, floppy
from oz.inspection import describe
from oz.model import MediumEdit

EDITS = [
    MediumEdit(path="/new/file", content=b"x"),
    MediumEdit(path="/isolinux/isolinux.cfg", content=b"y" * 5000),
]
EFI_EDIT = MediumEdit(path="/EFI/BOOT/grub.cfg", content=b"z", in_efi_image=True)


def run(*words: object) -> None:
    subprocess.run([str(word) for word in words], check=True, capture_output=True)


def see_iso(data: bytes, folder: Path) -> str:
    path = folder / "medium.iso"
    path.write_bytes(data)
    medium = iso.inspect(path, glance=["/isolinux/isolinux.cfg"])
    remastered = iso.remaster(medium, EDITS)
    assert remastered.size_bytes < 2 * len(data) + 1024**2
    return "\n".join(map(describe, identify(medium)))


def see_boot(data: bytes, folder: Path) -> str:
    """The sound medium, with the input for its boot record and catalog and the beginning of its EFI image."""
    path = folder / "medium.iso"
    sound = bytearray((folder / "sound.iso").read_bytes())
    catalog = int.from_bytes(sound[17 * 2048 + 71 :][:4], "little") * 2048
    sound[catalog : catalog + min(len(data), 2048)] = data[:2048]
    if rest := data[2048:]:
        efi = (folder / "efi").stat().st_size
        at = sound.find((folder / "efi").read_bytes()[:512])
        sound[at : at + min(len(rest), efi)] = rest[:efi]
    path.write_bytes(sound)
    medium = iso.inspect(path)
    iso.remaster(medium, [*EDITS, EFI_EDIT])
    return ""


def see_fat(data: bytes, folder: Path) -> str:
    edit_fat(data, {"WINNT.SIF": b"x" * 2000, "A/B.TXT": b"y"})
    floppy({"KS.CFG": b"x"}, folder / "floppy", base=data)
    return ""


def see_ext2(data: bytes, folder: Path) -> str:
    path = folder / "initrd"
    path.write_bytes(data if data[:2] == b"\x1f\x8b" else gzip.compress(data, 1))
    initrd.add_files(path, {"/ks.cfg": b"x" * 3000, "/oz/run.sh": b"y"}, folder / "out", format="ext2")
    return ""


def see_cpio(data: bytes, folder: Path) -> str:
    (folder / "initrd").write_bytes(data)
    initrd.add_files(folder / "initrd", {"/ks.cfg": b"x"}, folder / "out", format="cpio")
    return ""


def make_fat(folder: Path) -> Seeds:
    run("mformat", "-i", folder / "efi", "-C", "-T", "320", "-h", "2", "-s", "18", "::")
    (folder / "cfg").write_bytes(b"set timeout=60\n")
    for words in (["mmd", "::/EFI"], ["mmd", "::/EFI/BOOT"]):
        run(words[0], "-i", folder / "efi", words[1])
    run("mcopy", "-i", folder / "efi", folder / "cfg", "::/EFI/BOOT/grub.cfg")
    return [(folder / "efi").read_bytes()]


def make_isos(folder: Path) -> Seeds:
    make_fat(folder)
    tree = folder / "tree"
    for name in ("isolinux", "a/b/c", "images"):
        (tree / name).mkdir(parents=True)
    (tree / "isolinux/isolinux.cfg").write_text("default linux\n")
    (tree / "isolinux/isolinux.bin").write_bytes(bytes(4096))
    (tree / "a/b/c" / ("long" * 40)).write_text("x")
    (tree / "link").symlink_to("isolinux/isolinux.cfg")
    (tree / "images/efi").write_bytes((folder / "efi").read_bytes())
    boot = ["-b", "isolinux/isolinux.bin", "-no-emul-boot", "-eltorito-alt-boot", "-e", "images/efi", "-no-emul-boot"]
    made = []
    for kind in (["-R", "-J", *boot], ["-R"], ["-J", *boot], ["-l"], ["-udf", "-R"]):
        run("genisoimage", "-quiet", "-no-pad", *kind, "-o", folder / "sound", tree)
        made.append((folder / "sound").read_bytes())
    (folder / "sound.iso").write_bytes(made[0])
    return made


def make_boot(folder: Path) -> Seeds:
    sound = make_isos(folder)[0]
    catalog = int.from_bytes(sound[17 * 2048 + 71 :][:4], "little") * 2048
    block = sound[catalog : catalog + 2048]
    return [block, block + (folder / "efi").read_bytes()[:4096]]


def make_ext2(folder: Path) -> Seeds:
    (folder / "image").write_bytes(bytes(256 * 1024))
    run("mke2fs", "-q", "-F", "-t", "ext2", "-r", "0", folder / "image")
    image = (folder / "image").read_bytes()
    return [image, gzip.compress(image)]


def make_cpio(folder: Path) -> Seeds:
    archive = cpio.archive({"/a": b"x"})
    return [archive, gzip.compress(archive), b""]


SECTORS = (
    b"CD001",
    b"\1CD001\1",
    b"\xffCD001\1",
    b"EL TORITO SPECIFICATION",
    b"SP\7\1\xbe\xef\0",
    b"CE\x1c\1",
    b"NM\5\1\0",
    b"SL",
)
TARGETS = (
    Target(name="iso", run=see_iso, seeds=make_isos, words=SECTORS),
    Target(name="boot", run=see_boot, seeds=make_boot, words=(b"\x88\0", b"\x91\xef", b"\x55\xaa", b"\x44")),
    Target(name="fat", run=see_fat, seeds=make_fat, words=(b"\xeb\x3c\x90", b"FAT12   ", b"\xff\xff", b"\x55\xaa")),
    Target(name="ext2", run=see_ext2, seeds=make_ext2, words=(b"\x53\xef", b"\xff\xff\xff\xff", b"\x1f\x8b\x08")),
    Target(name="cpio", run=see_cpio, seeds=make_cpio, words=(b"070701", b"TRAILER!!!", b"\x1f\x8b\x08")),
)  # fmt: skip
