"""Media made by genisoimage and xorriso, edited, and judged by isoinfo, isovfy, xorriso, 7z and pycdlib."""

import hashlib
import io
import os
import random
import shutil
import struct
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pycdlib
import pytest

from oz.errors import MediumError
from oz.host import disk, iso
from oz.host.iso.edit import INLINE_BYTES
from oz.iso9660.names import short_identifier, split_path
from oz.model import Medium, MediumEdit, Remaster

SECTOR = 2048


def run(*command: str | Path) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def make_fat(path: Path, kib: int, loader: bytes = b"loader" * 500) -> None:
    source = path.with_suffix(".src")
    source.write_bytes(loader)
    run("mformat", "-i", path, "-C", "-T", str(kib * 2), "-h", "2", "-s", "18", "::")
    for directory in ("::/EFI", "::/EFI/BOOT"):
        run("mmd", "-i", path, directory)
    run("mcopy", "-i", path, source, "::/EFI/BOOT/BOOTX64.EFI")
    source.write_bytes(b"set timeout=60\n")
    run("mcopy", "-i", path, source, "::/EFI/BOOT/grub.cfg")
    source.unlink()


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of several sectors, nested ones, boot images, an empty file, and one of 300 KiB."""
    root = tmp_path_factory.mktemp("tree")
    for name in ("isolinux", "boot/grub", "dists/stable/main", "pool/many"):
        (root / name).mkdir(parents=True)
    for number in range(150):
        (root / "pool/many" / f"package_{number:03}_all.deb").write_text(f"package {number}\n")
    chance = random.Random(4)
    (root / "isolinux/isolinux.bin").write_bytes(chance.randbytes(38912))
    (root / "isolinux/isolinux.cfg").write_text("default install\ntimeout 0\n")
    (root / "boot/grub/grub.cfg").write_text("menuentry install {}\n")
    (root / "dists/stable/main/Release").write_bytes(chance.randbytes(300 * 1024))
    (root / "empty").write_bytes(b"")
    make_fat(root / "boot/grub/efi.img", 160)
    return root


BIOS = ["-b", "isolinux/isolinux.bin", "-c", "isolinux/boot.cat", "-no-emul-boot"]
BIOS += ["-boot-load-size", "4", "-boot-info-table"]
EFI = ["-eltorito-alt-boot", "-e", "boot/grub/efi.img", "-no-emul-boot"]
XORRISO = ["xorriso", "-as", "mkisofs", "-quiet"]
KINDS = {
    "ridge-joliet": ["genisoimage", "-quiet", "-R", "-J", *BIOS, *EFI],
    "ridge": ["genisoimage", "-quiet", "-R", *BIOS],
    "joliet": ["genisoimage", "-quiet", "-J", "-l", *BIOS],
    "plain": ["genisoimage", "-quiet", "-l", "-allow-lowercase", "-relaxed-filenames", "-allow-multidot"],
    "enhanced": ["genisoimage", "-quiet", "-R", "-J", "-iso-level", "4", *BIOS],
    "udf-bridge": ["genisoimage", "-quiet", "-udf", "-R", "-J", *BIOS],
    "xorriso": [*XORRISO, "-R", "-J", "-joliet-long", *BIOS, *EFI],
    "xorriso-grub": [*XORRISO, "-R", *BIOS, "--grub2-boot-info", *EFI],
}


@pytest.fixture(scope="module")
def media(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    made: dict[str, Path] = {}
    directory = tmp_path_factory.mktemp("media")

    def medium(kind: str) -> Path:
        if kind not in made:
            made[kind] = directory / f"{kind}.iso"
            # The writers put their table into isolinux.bin itself.
            copy = directory / kind
            shutil.copytree(tree, copy)
            run(*KINDS[kind], "-V", "OZ TEST", "-A", "application", "-o", made[kind], copy)
            shutil.rmtree(copy)
        return made[kind]

    return medium


def edited(original: Path, edits: list[MediumEdit], tmp_path: Path) -> Path:
    """The whole edited medium; the original is the same as before."""
    digest = hashlib.sha256(original.read_bytes()).digest()
    out = tmp_path / "edited.iso"
    disk.apply_patches(original, remaster(original, edits), out, format="raw")
    assert hashlib.sha256(original.read_bytes()).digest() == digest
    return out


def remaster(original: Path, edits: list[MediumEdit]) -> Remaster:
    done = iso.remaster(iso.inspect(original), edits)
    ends = [0, *(patch.end for patch in done.patches)]
    assert all(patch.offset >= end for patch, end in zip(done.patches, ends, strict=False))
    assert ends[-1] <= done.size_bytes
    return done


# ------------------------------------------------------------------ the judges


def by_xorriso(image: Path, tmp_path: Path) -> dict[str, bytes]:
    out = tmp_path / "xorriso"
    run("xorriso", "-osirrox", "on", "-indev", image, "-extract", "/", out)
    return files_below(out)


def by_7z(image: Path, tmp_path: Path) -> dict[str, bytes]:
    out = tmp_path / "7z"
    assert "Everything is Ok" in run("7z", "t", image)
    run("7z", "x", "-y", f"-o{out}", image)
    shutil.rmtree(out / "[BOOT]", ignore_errors=True)
    return files_below(out)


def files_below(root: Path) -> dict[str, bytes]:
    run("chmod", "-R", "u+rwx", root)
    return {"/" + str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def by_isoinfo(image: Path, option: str) -> set[str]:
    return set(run("isoinfo", option, "-f", "-i", image).splitlines())


def by_pycdlib(image: Path, *, joliet: bool) -> dict[str, bytes]:
    read = pycdlib.PyCdlib()
    read.open(str(image))
    facade = read.get_joliet_facade() if joliet else read.get_rock_ridge_facade()
    found: dict[str, bytes] = {}
    todo = ["/"]
    while todo:
        above = todo.pop()
        for child in facade.list_children(above):
            if child is None or child.is_dot() or child.is_dotdot():
                continue
            name = child.file_identifier().decode("utf-16-be") if joliet else child.rock_ridge.name().decode()
            path = above.rstrip("/") + "/" + name.removesuffix(";1")
            if child.is_dir():
                todo.append(path)
            else:
                out = io.BytesIO()
                facade.get_file_from_iso_fp(
                    out,
                    **{"joliet_path" if joliet else "rr_path": path + (";1" if joliet and name.endswith(";1") else "")},
                )
                found[path] = out.getvalue()
    read.close()
    return found


def verify(image: Path) -> None:
    """isovfy walks records, path tables and Rock Ridge fields."""
    said = run("isovfy", image)
    wrong = [line for line in said.splitlines() if "No errors found" not in line and "Root at extent" not in line]
    assert "No errors found" in said, wrong


EDITS = [
    MediumEdit(path="/preseed.cfg", content=b"d-i debian-installer/locale string C\n"),
    MediumEdit(path="/isolinux/isolinux.cfg", content=b"default auto\n" * 300),
    MediumEdit(path="/pool/many/package_070_all.deb", content=b"another"),
    MediumEdit(path="/pool/many/package_070_new.deb", content=b"between"),
    MediumEdit(path="/extra/one/two/file.txt", content=b"new directories\n"),
    MediumEdit(path="/dists/stable/extra/Packages", content=b""),
]


def expected(tree: Path, edits: list[MediumEdit]) -> dict[str, bytes]:
    files = files_below(tree)
    files |= {edit.path: bytes(edit.content) for edit in edits if isinstance(edit.content, bytes)}
    for made in ("/isolinux/isolinux.bin", "/isolinux/boot.cat"):
        files.pop(made, None)
    return files


def without_boot(files: dict[str, bytes]) -> dict[str, bytes]:
    boot = ("/isolinux/isolinux.bin", "/isolinux/boot.cat", "/rr_moved")
    return {path: data for path, data in files.items() if not path.lower().startswith(boot)}


# ------------------------------------------------------------------ edits


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("joliet", "plain")])
def test_edited_rock_ridge_medium_reads_as_wanted(
    kind: str, media: Callable[[str], Path], tree: Path, tmp_path: Path
) -> None:
    image = edited(media(kind), EDITS, tmp_path)
    wanted = expected(tree, EDITS)
    assert without_boot(by_xorriso(image, tmp_path)) == wanted
    assert set(wanted) <= by_isoinfo(image, "-R")
    medium = iso.inspect(image, read=["/preseed.cfg", "/nothing"])
    assert set(wanted) <= medium.paths
    assert "/extra/one/two" in medium.paths
    assert medium.contents == {"/preseed.cfg": EDITS[0].content}
    assert medium.volume_id == "OZ TEST"
    assert medium.volume_size_bytes == medium.size_bytes == image.stat().st_size
    if kind != "udf-bridge":  # pycdlib wants all of UDF's anchors, and 7z shows its tree, which is not edited
        assert without_boot(by_pycdlib(image, joliet=False)) == wanted
        assert without_boot(by_7z(image, tmp_path)) == wanted


@pytest.mark.parametrize("kind", ["ridge-joliet", "joliet", "enhanced", "xorriso"])
def test_edited_joliet_tree_reads_as_wanted(
    kind: str, media: Callable[[str], Path], tree: Path, tmp_path: Path
) -> None:
    image = edited(media(kind), EDITS, tmp_path)
    wanted = expected(tree, EDITS)
    assert without_boot(by_pycdlib(image, joliet=True)) == wanted
    listed = {path.removesuffix(";1") for path in by_isoinfo(image, "-J")}
    assert set(wanted) <= listed


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "udf-bridge"])
def test_edited_plain_tree_reads_as_wanted(kind: str, media: Callable[[str], Path], tree: Path, tmp_path: Path) -> None:
    """The names differ from tree to tree; what is under them may not."""
    image = edited(media(kind), EDITS, tmp_path)
    names = [name for name in by_isoinfo(image, "-l") if name]
    assert len({name.upper() for name in names}) == len(names)
    read = pycdlib.PyCdlib()
    read.open(str(image))
    contents = []
    for above, _, files in read.walk(iso_path="/"):
        for name in files:
            out = io.BytesIO()
            read.get_file_from_iso_fp(out, iso_path=f"{above.rstrip('/')}/{name}")
            contents.append(out.getvalue())
    read.close()
    wanted = expected(tree, EDITS)
    for data in wanted.values():
        contents.remove(data)
    assert len(contents) <= 2  # isolinux.bin and boot.cat


def test_a_boot_loader_may_read_ahead_of_the_last_file(media: Callable[[str], Path]) -> None:
    done = remaster(media("ridge"), EDITS)
    end = max(patch.end for patch in done.patches)
    assert end > media("ridge").stat().st_size, "nothing was appended"
    assert done.size_bytes - end >= 64 * 1024


@pytest.mark.parametrize("kind", ["ridge-joliet", "ridge", "plain", "joliet", "enhanced"])
def test_isovfy_finds_nothing_new(kind: str, media: Callable[[str], Path], tmp_path: Path) -> None:
    verify(media(kind))
    verify(edited(media(kind), EDITS, tmp_path))


def test_plain_medium_takes_names_as_they_will_be_shown(media: Callable[[str], Path], tmp_path: Path) -> None:
    image = edited(media("plain"), [MediumEdit(path="/dir/Late-Command.tar.gz", content=b"x")], tmp_path)
    assert "/dir/late-command.tar.gz" in iso.inspect(image).paths
    with pytest.raises(MediumError, match="neither Rock Ridge nor Joliet"):
        edited(media("plain"), [MediumEdit(path="/" + "n" * 31, content=b"x")], tmp_path)


def test_windows_medium_is_edited_without_regard_to_case(media: Callable[[str], Path], tmp_path: Path) -> None:
    image = edited(media("joliet"), [MediumEdit(path="/ISOLINUX/IsoLinux.CFG", content=b"new")], tmp_path)
    medium = iso.inspect(image, read=["/isolinux/isolinux.cfg"])
    assert medium.contents == {"/isolinux/isolinux.cfg": b"new"}
    assert run("isoinfo", "-x", "/ISOLINUX/ISOLINUX.CFG;1", "-i", image) == "new"


def test_many_new_files_make_directories_and_path_tables_grow(media: Callable[[str], Path], tmp_path: Path) -> None:
    edits = [MediumEdit(path=f"/new {n % 120:03}/a file {n}", content=b"%d" % n) for n in range(240)]
    image = edited(media("ridge-joliet"), edits, tmp_path)
    verify(image)
    wanted = {edit.path: edit.content for edit in edits}
    for files in (by_xorriso(image, tmp_path), by_7z(image, tmp_path), by_pycdlib(image, joliet=True)):
        assert {path: data for path, data in files.items() if path.startswith("/new ")} == wanted
    rows = run("isoinfo", "-p", "-i", image).splitlines()
    assert sum("NEW_" in row or "NEW" in row for row in rows) == 120
    assert by_isoinfo(image, "-l") >= {"/NEW_000/A_FILE_0.;1"}


def test_long_names_go_to_continuation_areas(media: Callable[[str], Path], tmp_path: Path) -> None:
    name = "/" + "ä" * 127
    image = edited(media("ridge"), [MediumEdit(path=name, content=b"long")], tmp_path)
    assert by_xorriso(image, tmp_path)[name] == b"long"
    assert name in iso.inspect(image).paths


@pytest.mark.parametrize("writer", [["genisoimage", "-quiet", "-R"], [*XORRISO, "-R", "-disallow_dir_id_ext"]])
def test_deep_directories_that_were_moved_up(writer: list[str], tmp_path: Path) -> None:
    root = tmp_path / "deep"
    deep = root.joinpath(*"abcdefghij")
    deep.mkdir(parents=True)
    (deep / "leaf").write_text("leaf")
    (root / "a/b/c/d/e/f/g/beside").write_text("beside")
    original = tmp_path / "deep.iso"
    run(*writer, "-V", "DEEP", "-o", original, root)
    assert "/a/b/c/d/e/f/g/h/i/j/leaf" in iso.inspect(original).paths
    filler = [MediumEdit(path=f"/a/b/c/d/e/f/g/h/new file {n:03}", content=b"%d" % n) for n in range(40)]
    filler += [MediumEdit(path=f"/a/b/c/d/e/f/g/new file {n:03}", content=b"%d" % n) for n in range(40)]
    filler += [MediumEdit(path="/a/b/c/d/e/f/g/h/i/j/leaf", content=b"other")]
    image = edited(original, filler, tmp_path)
    wanted = {edit.path: edit.content for edit in filler} | {"/a/b/c/d/e/f/g/beside": b"beside"}
    assert by_xorriso(image, tmp_path) == wanted
    assert set(wanted) <= iso.inspect(image).paths
    verify(image)


def test_large_contents_stay_in_their_file(media: Callable[[str], Path], tmp_path: Path) -> None:
    source = tmp_path / "large file"
    source.write_bytes(random.Random(1).randbytes(INLINE_BYTES + 12345))
    edits = [MediumEdit(path="/large", content=source), MediumEdit(path="/after", content=b"after")]
    done = remaster(media("ridge"), edits)
    assert [patch.source for patch in done.patches if patch.source] == [source]
    assert sum(len(patch.data) for patch in done.patches) < 100_000
    image = edited(media("ridge"), edits, tmp_path)
    files = by_xorriso(image, tmp_path)
    assert files["/large"] == source.read_bytes()
    assert files["/after"] == b"after"
    over = disk.apply_patches(media("ridge"), done, tmp_path / "over.qcow2", format="qcow2")
    run("qemu-img", "compare", "-f", "qcow2", "-F", "raw", over, image)


def test_file_beyond_four_gib_has_several_extents(media: Callable[[str], Path], tmp_path: Path) -> None:
    source = tmp_path / "huge"
    size = 5 * 1024**3 + 7
    with source.open("wb") as file:
        file.truncate(size)
        file.seek(size - 7)
        file.write(b"the end")
    image = edited(media("ridge"), [MediumEdit(path="/huge", content=source)], tmp_path)
    said = run("xorriso", "-indev", image, "-find", "/huge", "-exec", "lsdl")
    assert str(size) in said
    with pytest.raises(MediumError, match=r"/huge has 5368709127 bytes"):
        iso.inspect(image, read=["/huge"], glance=["/huge"])
    assert iso.inspect(image, glance=["/huge"]).contents == {}
    again = edited_again(image, tmp_path)
    assert by_isoinfo(again, "-R") >= {"/huge", "/preseed.cfg"}
    assert iso.inspect(again, read=["/huge"]).contents == {"/huge": b"small"}


def edited_again(image: Path, tmp_path: Path) -> Path:
    edits = [MediumEdit(path="/huge", content=b"small"), MediumEdit(path="/preseed.cfg", content=b"x")]
    return disk.apply_patches(image, remaster(image, edits), tmp_path / "again.iso", format="raw")


def test_edits_can_be_edited(media: Callable[[str], Path], tree: Path, tmp_path: Path) -> None:
    first = edited(media("xorriso"), EDITS, tmp_path)
    more = [MediumEdit(path=f"/extra/one/more {n}", content=b"%d" % n) for n in range(60)]
    second = disk.apply_patches(first, remaster(first, more), tmp_path / "second.iso", format="raw")
    assert without_boot(by_xorriso(second, tmp_path)) == expected(tree, EDITS + more)


# ------------------------------------------------------------------ booting


def test_boot_images_are_told_and_left_alone(media: Callable[[str], Path], tree: Path, tmp_path: Path) -> None:
    original = media("xorriso-grub")
    medium = iso.inspect(original)
    bios, efi = medium.boot_images
    assert (bios.platform, bios.emulation, efi.platform, efi.emulation) == ("bios", "none", "efi", "none")
    assert efi.size_bytes == 160 * 1024
    image = edited(original, EDITS, tmp_path)
    assert iso.inspect(image).boot_images == medium.boot_images
    before, after = original.read_bytes(), image.read_bytes()
    start, end = bios.lba * SECTOR, bios.lba * SECTOR + 38912
    assert after[start:end] == before[start:end]
    assert struct.unpack("<II", after[start + 8 : start + 16]) == (16, bios.lba)
    assert struct.unpack("<Q", after[start + 2548 : start + 2556])[0] == bios.lba * 4 + 5
    assert before[: 16 * SECTOR] == after[: 16 * SECTOR]
    said = run("xorriso", "-indev", image, "-report_el_torito", "plain")
    assert "boot-info-table" in said and "grub2-boot-info" in said and "UEFI" in said


def test_replaced_boot_images_boot(media: Callable[[str], Path], tree: Path, tmp_path: Path) -> None:
    loader = bytearray(random.Random(5).randbytes(50000))
    make_fat(tmp_path / "efi.img", 1440, b"other loader")
    edits = [
        MediumEdit(path="/isolinux/isolinux.bin", content=bytes(loader)),
        MediumEdit(path="/boot/grub/efi.img", content=tmp_path / "efi.img"),
    ]
    image = edited(media("xorriso-grub"), edits, tmp_path)
    bios, efi = iso.inspect(image).boot_images
    data = image.read_bytes()
    assert data[efi.lba * SECTOR :][: efi.size_bytes] == (tmp_path / "efi.img").read_bytes()
    start = bios.lba * SECTOR
    words = struct.unpack("<4I", data[start + 8 : start + 24])
    assert words[:3] == (16, bios.lba, 50000)
    loader[8:64] = data[start + 8 : start + 64]
    loader[2548:2556] = struct.pack("<Q", bios.lba * 4 + 5)
    assert data[start : start + 50000] == bytes(loader)
    assert sum(struct.unpack("<12484I", loader[64:])) & 0xFFFFFFFF == words[3]
    said = run("xorriso", "-indev", image, "-report_el_torito", "plain")
    assert "boot-info-table" in said and "/isolinux/isolinux.bin" in said and "/boot/grub/efi.img" in said


def efi_of(image: Path, tmp_path: Path) -> Path:
    efi = next(one for one in iso.inspect(image).boot_images if one.platform == "efi")
    with image.open("rb") as file:
        file.seek(efi.lba * SECTOR)
        (tmp_path / "read.img").write_bytes(file.read(efi.size_bytes))
    return tmp_path / "read.img"


@pytest.mark.parametrize("kind", ["ridge-joliet", "xorriso"])
def test_file_in_efi_image_is_edited_in_place(kind: str, media: Callable[[str], Path], tmp_path: Path) -> None:
    edits = [
        MediumEdit(path="/EFI/BOOT/grub.cfg", content=b"set timeout=1\n", in_efi_image=True),
        MediumEdit(path="/EFI/oz/long name.cfg", content=b"y" * 3000, in_efi_image=True),
    ]
    original = media(kind)
    done = remaster(original, edits)
    assert done.size_bytes == original.stat().st_size
    assert sum(len(patch.data) for patch in done.patches) < 60_000
    assert remaster(original, edits) == done
    image = edited(original, edits, tmp_path)
    assert iso.inspect(image).boot_images == iso.inspect(original).boot_images
    fat = efi_of(image, tmp_path)
    assert run("mtype", "-i", fat, "::/EFI/BOOT/grub.cfg") == "set timeout=1\n"
    assert run("mtype", "-i", fat, "::/EFI/oz/long name.cfg") == "y" * 3000
    assert run("mtype", "-i", fat, "::/EFI/BOOT/BOOTX64.EFI") == "loader" * 500
    assert "Everything is Ok" in run("7z", "t", "-tfat", fat)


@pytest.mark.parametrize("kind", ["ridge-joliet", "xorriso-grub"])
def test_efi_image_without_room_is_enlarged(
    kind: str, media: Callable[[str], Path], tree: Path, tmp_path: Path
) -> None:
    content = random.Random(2).randbytes(900_000)
    edits = [
        MediumEdit(path="/EFI/BOOT/grub.cfg", content=b"set timeout=1\n", in_efi_image=True),
        MediumEdit(path="/EFI/BOOT/big.bin", content=content, in_efi_image=True),
        MediumEdit(path="/preseed.cfg", content=b"x"),
    ]
    image = edited(media(kind), edits, tmp_path)
    fat = efi_of(image, tmp_path)
    out = tmp_path / "fat"
    run("7z", "x", "-y", "-tfat", f"-o{out}", fat)
    assert files_below(out) == {
        "/EFI/BOOT/grub.cfg": b"set timeout=1\n",
        "/EFI/BOOT/big.bin": content,
        "/EFI/BOOT/BOOTX64.EFI": b"loader" * 500,
    }
    assert by_xorriso(image, tmp_path)["/boot/grub/efi.img"] == fat.read_bytes()
    said = run("xorriso", "-indev", image, "-report_el_torito", "plain")
    assert "/boot/grub/efi.img" in said


def test_efi_edits_need_an_efi_image(media: Callable[[str], Path], tmp_path: Path) -> None:
    edits = [MediumEdit(path="/EFI/x", content=b"", in_efi_image=True)]
    with pytest.raises(MediumError, match="has no EFI boot image"):
        remaster(media("ridge"), edits)
    with pytest.raises(MediumError, match="edited and replaced at once"):
        remaster(media("xorriso"), [*edits, MediumEdit(path="/boot/grub/efi.img", content=b"")])
    with pytest.raises(MediumError, match="cannot be written into its EFI boot image"):
        remaster(media("xorriso"), [MediumEdit(path="/EFI/BOOT/grub.cfg/x", content=b"", in_efi_image=True)])


# ------------------------------------------------------------------ paths


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/isolinux", "is a directory on the medium"),
        ("/isolinux/isolinux.cfg/x", "leads through /isolinux/isolinux.cfg, which is a file"),
        ("/a/../b", r"contains '\.\.'"),
        ("/./b", r"contains '\.'"),
        ("/", "names no file"),
        ("/a/", "names no file"),
        ("/a\nb", "control character"),
        ("/a\0b", "control character"),
        ("/" + "x" * 256, "is 256 bytes long"),
        ("/" + "x" * 104, "too long for the medium's Joliet tree"),
        ("/x" * 65, "65 directories deep"),
    ],
)
def test_impossible_paths(path: str, message: str, media: Callable[[str], Path]) -> None:
    with pytest.raises(MediumError, match=message):
        remaster(media("ridge-joliet"), [MediumEdit(path=path, content=b"")])


def test_symbolic_links_are_not_followed(tmp_path: Path) -> None:
    root = tmp_path / "links"
    (root / "real").mkdir(parents=True)
    (root / "real/file").write_text("x")
    (root / "link").symlink_to("real")
    run("genisoimage", "-quiet", "-R", "-o", tmp_path / "l.iso", root)
    medium = iso.inspect(tmp_path / "l.iso", read=["/link", "/link/file"])
    assert medium.contents == {}
    for path in ("/link", "/link/file"):
        with pytest.raises(MediumError, match="/link is a symbolic link"):
            iso.remaster(medium, [MediumEdit(path=path, content=b"")])


def test_missing_contents_and_media(media: Callable[[str], Path], tmp_path: Path) -> None:
    with pytest.raises(MediumError, match="wanted as /x: No such file"):
        remaster(media("ridge"), [MediumEdit(path="/x", content=tmp_path / "nothing")])
    with pytest.raises(MediumError, match="wanted as /x, is not a file"):
        remaster(media("ridge"), [MediumEdit(path="/x", content=tmp_path)])
    with pytest.raises(MediumError, match="only assumed"):
        iso.remaster(Medium(path=None), [])


def test_changed_medium_is_refused(media: Callable[[str], Path], tmp_path: Path) -> None:
    copy = shutil.copy(media("ridge"), tmp_path / "copy.iso")
    medium = iso.inspect(copy)
    os.truncate(copy, medium.size_bytes + SECTOR)
    with pytest.raises(MediumError, match="has changed since"):
        iso.remaster(medium, [])


def test_no_edit_is_no_patch(media: Callable[[str], Path]) -> None:
    assert remaster(media("ridge"), []).patches == ()


def test_short_names_are_unique_and_paths_split() -> None:
    taken: set[bytes] = set()
    for number in range(1200):
        taken.add(short_identifier(f"a rather long name {number}.config", is_directory=False, taken=taken))
    assert len(taken) == 1200
    assert all(len(name) <= 14 and name.endswith(b".CON;1") for name in taken)
    assert short_identifier(".treeinfo", is_directory=False, taken=()) == b"_TREEINF.;1"
    assert split_path("//a/b") == ("a", "b")


# ------------------------------------------------------------------ damage


@dataclass
class Damaged:
    """A small medium to be spoiled."""

    path: Path
    data: bytearray
    root: int

    def inspect(self) -> Medium:
        self.path.write_bytes(self.data)
        return iso.inspect(self.path)

    def record(self, name: bytes) -> int:
        """Where the first record of that identifier begins in the root directory."""
        return self.data.index(bytes([len(name)]) + name, self.root * SECTOR) - 32


@pytest.fixture
def small(tmp_path: Path) -> Damaged:
    root = tmp_path / "small"
    (root / "sub/deeper").mkdir(parents=True)
    (root / "sub/deeper/file").write_text("x" * 5000)
    (root / "file.txt").write_text("y")
    (root / "boot.img").write_bytes(b"b" * 2048)
    path = tmp_path / "small.iso"
    run("genisoimage", "-quiet", "-R", "-J", "-no-pad", "-b", "boot.img", "-no-emul-boot", "-o", path, root)
    data = bytearray(path.read_bytes())
    return Damaged(path, data, int.from_bytes(data[16 * SECTOR + 158 :][:4], "little"))


def test_sound_small_medium(small: Damaged) -> None:
    assert small.inspect().paths >= {"/sub", "/sub/deeper", "/sub/deeper/file", "/file.txt", "/boot.img"}


def test_loop(small: Damaged) -> None:
    at = small.record(b"SUB")
    small.data[at + 2 : at + 6] = small.root.to_bytes(4, "little")
    with pytest.raises(MediumError, match="directory /sub contains itself"):
        small.inspect()


def test_directories_that_multiply(small: Damaged) -> None:
    """Thirty levels of a directory twice in its parent: a thousand million paths."""
    base = len(small.data) // SECTOR
    for level in range(30):
        names = (b"\0", b"\1", b"A", b"B")
        sector = b"".join(record(name, base + level + (1 if name in (b"A", b"B") else 0)) for name in names)
        small.data += sector.ljust(SECTOR, b"\0")
    small.data += (record(b"\0", base + 30) + record(b"\1", base + 29)).ljust(SECTOR, b"\0")
    at = small.record(b"SUB")
    small.data[at + 2 : at + 6] = base.to_bytes(4, "little")
    start = time.monotonic()
    with pytest.raises(MediumError, match="more or larger than on any real medium"):
        small.inspect()
    assert time.monotonic() - start < 60


def record(name: bytes, block: int) -> bytes:
    pair = struct.pack("<I", block) + struct.pack(">I", block)
    size = struct.pack("<I", SECTOR) + struct.pack(">I", SECTOR)
    return bytes([34, 0]) + pair + size + bytes(7) + b"\2\0\0\1\0\0\1\1" + name


def test_record_past_the_end(small: Damaged) -> None:
    at = small.record(b"FILE.TXT;1")
    small.data[at + 2 : at + 6] = (0xFFFFFFF0).to_bytes(4, "little")
    with pytest.raises(MediumError, match=r"/file\.txt should reach up to byte \d+, but the image ends"):
        small.inspect()


def test_file_where_a_directory_should_be(small: Damaged) -> None:
    at = small.record(b"FILE.TXT;1")
    small.data[at + 25] |= 2
    with pytest.raises(MediumError, match=r"directory /file\.txt: "):
        small.inspect()


@pytest.mark.parametrize("size", [0, 0x7FFFFFFF, 0xFFFFFFFF])
def test_absurd_directory_size(size: int, small: Damaged) -> None:
    at = small.record(b"SUB")
    small.data[at + 10 : at + 14] = size.to_bytes(4, "little")
    with pytest.raises(MediumError, match=r"absurd size|image ends at"):
        small.inspect()


def test_absurd_record_length(small: Damaged) -> None:
    small.data[small.record(b"SUB")] = 20
    with pytest.raises(MediumError, match="a directory record of 20 bytes"):
        small.inspect()


def test_nonsense_path_table(small: Damaged) -> None:
    table = int.from_bytes(small.data[16 * SECTOR + 140 :][:4], "little") * SECTOR
    small.data[table + 6 : table + 8] = b"\xff\xff"
    with pytest.raises(MediumError, match="row 1 of a path table makes no sense"):
        small.inspect()
    small.data[16 * SECTOR + 132 : 16 * SECTOR + 136] = b"\xff\xff\xff\xff"
    with pytest.raises(MediumError, match="a path table of 4294967295 bytes"):
        small.inspect()


def test_continuation_areas_in_a_circle(small: Damaged) -> None:
    at = small.record(b"FILE.TXT;1")
    start = at + 33 + 10 + 1
    block, offset = divmod(start, SECTOR)
    circle = b"CE\x1c\x01" + b"".join(struct.pack("<I", n) + struct.pack(">I", n) for n in (block, offset, 28))
    small.data[start : start + 28] = circle
    with pytest.raises(MediumError, match="go in a circle"):
        small.inspect()


def test_damaged_boot_catalog(small: Damaged) -> None:
    catalog = int.from_bytes(small.data[17 * SECTOR + 71 :][:4], "little") * SECTOR
    small.data[catalog + 30] = 0
    with pytest.raises(MediumError, match=r"boot catalog at block .* is damaged"):
        small.inspect()


def test_wrong_block_size(small: Damaged) -> None:
    small.data[16 * SECTOR + 128 : 16 * SECTOR + 130] = b"\0\2"
    with pytest.raises(MediumError, match="blocks of 512 bytes"):
        small.inspect()


def test_truncated(media: Callable[[str], Path], tmp_path: Path) -> None:
    data = media("ridge").read_bytes()
    path = tmp_path / "cut.iso"
    path.write_bytes(data[:-100])
    assert iso.inspect(path).size_bytes == len(data) - 100  # only padding is missing
    for size in (len(data) - 151 * SECTOR, 100_000, 17 * SECTOR + 5, 16 * SECTOR, 100, 0):
        path.write_bytes(data[:size])
        with pytest.raises(MediumError, match=r"cut\.iso: "):
            iso.inspect(path)


def test_what_is_no_medium(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "text").write_text("<html>not found</html>" * 5000)
    for name, message in {
        "nothing": "No such file",
        "pipe": "neither a file nor",
        "text": "is not an ISO 9660 image",
        "text/x": "Not a directory",
        "": "neither a file nor|Is a directory",
    }.items():
        with pytest.raises(MediumError, match=message) as caught:
            iso.inspect(tmp_path / name)
        assert caught.value.hint
    with pytest.raises(MediumError, match="is not a path"):
        iso.inspect(Path("a\0b"))


def test_udf_alone(tmp_path: Path) -> None:
    data = bytearray(40 * SECTOR)
    data[16 * SECTOR + 1 : 16 * SECTOR + 6] = b"BEA01"
    (tmp_path / "udf").write_bytes(data)
    with pytest.raises(MediumError, match="has only a UDF file system"):
        iso.inspect(tmp_path / "udf")


def test_unreadable(media: Callable[[str], Path], tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root reads everything")
    path = shutil.copy(media("ridge"), tmp_path / "secret.iso")
    path.chmod(0)
    with pytest.raises(MediumError, match="Permission denied"):
        iso.inspect(path)


def test_random_damage_is_a_medium_error_or_nothing(small: Damaged, media: Callable[[str], Path]) -> None:
    """Bytes flipped where they matter, and ends cut off; always the same ones."""
    chance = random.Random(20)
    sound = bytes(small.data)
    records = [at for at in range(16 * SECTOR, min(len(sound), 60 * SECTOR)) if sound[at]]
    edits = [
        MediumEdit(path="/new/file", content=b"x"),
        MediumEdit(path="/sub/deeper/file", content=b"x"),
        MediumEdit(path="/file.txt", content=b"x"),
    ]
    outcomes = {"read": 0, "refused": 0}
    while sum(outcomes.values()) < 1000:
        small.data[:] = sound
        for _ in range(chance.choice((1, 1, 2, 8, 40))):
            small.data[chance.choice(records)] = chance.choice((0, 1, 2, 0x7F, 0x80, 0xFF, chance.randrange(256)))
        if chance.random() < 0.1:
            del small.data[chance.randrange(len(sound)) :]
        try:
            medium = small.inspect()
            iso.remaster(medium, edits)
            outcomes["read"] += 1
        except MediumError as error:
            assert str(small.path) in error.message
            outcomes["refused"] += 1
    assert min(outcomes.values()) > 20, outcomes


# ------------------------------------------------------------------ seeds


def test_seed(tmp_path: Path) -> None:
    files = {"/user-data": b"#cloud-config\n", "meta-data": b"", "/sub dir/Another long name.json": b"{}"}
    out = iso.seed("CIDATA", files, tmp_path / "seed.iso")
    assert out.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [out]
    wanted = {"/" + path.lstrip("/"): data for path, data in files.items()}
    assert by_xorriso(out, tmp_path) == by_7z(out, tmp_path) == by_pycdlib(out, joliet=True) == wanted
    medium = iso.inspect(out, read=["/user-data"])
    assert medium.volume_id == "CIDATA"
    assert medium.contents == {"/user-data": b"#cloud-config\n"}


def test_impossible_seeds(tmp_path: Path) -> None:
    with pytest.raises(MediumError, match="cannot be a volume label"):
        iso.seed("x" * 17, {}, tmp_path / "s")
    with pytest.raises(MediumError, match="both a file and a directory"):
        iso.seed("X", {"/a": b"", "/a/b": b""}, tmp_path / "s")
    with pytest.raises(MediumError, match=r"contains '\.\.'"):
        iso.seed("X", {"/../a": b""}, tmp_path / "s")
    assert not list(tmp_path.iterdir())


# ------------------------------------------------------------------ floppies


def on_floppy(image: Path, path: str) -> bytes:
    return subprocess.run(["mtype", "-i", str(image), f"::/{path}"], capture_output=True, check=True).stdout


def test_a_blank_floppy_holds_the_files(tmp_path: Path) -> None:
    out = iso.floppy({"WINNT.SIF": b"[Data]\r\n"}, tmp_path / "f.img", base=None)
    assert out.stat().st_size == 1440 * 1024 and out.stat().st_mode & 0o777 == 0o600
    assert on_floppy(out, "WINNT.SIF") == b"[Data]\r\n"
    run("fsck.fat", "-n", out)


def test_a_medium_that_boots_from_a_floppy_lends_it(tmp_path: Path) -> None:
    boot = iso.floppy({"SYSLINUX.CFG": b"old", "VMLINUZ": b"k" * 5000}, tmp_path / "boot.img", base=None)
    boot.chmod(0o644)
    tree = tmp_path / "tree"
    tree.mkdir()
    boot.rename(tree / "boot.img")
    image = tmp_path / "cd.iso"
    run("genisoimage", "-quiet", "-R", "-b", "boot.img", "-c", "boot.cat", "-o", image, tree)
    medium = iso.inspect(image)
    assert medium.boot_images[0].emulation == "floppy"
    base = iso.read_floppy_boot_image(medium)
    assert base == (tree / "boot.img").read_bytes()
    out = iso.floppy({"SYSLINUX.CFG": b"new", "KS.CFG": b"install\n"}, tmp_path / "f.img", base=base)
    assert (on_floppy(out, "SYSLINUX.CFG"), on_floppy(out, "KS.CFG")) == (b"new", b"install\n")
    assert on_floppy(out, "VMLINUZ") == b"k" * 5000
    with pytest.raises(MediumError, match=r"BIG\.BIN do not fit on the floppy of 1440 KiB"):
        iso.floppy({"BIG.BIN": bytes(2 * 1024**2)}, tmp_path / "big.img", base=base)


def test_a_medium_without_a_floppy_boot_image_lends_none(media: Callable[[str], Path]) -> None:
    with pytest.raises(MediumError, match="has no floppy boot image"):
        iso.read_floppy_boot_image(iso.inspect(media("xorriso")))
