"""The UDF tree of a disc and the list of systems in its image archive: by genisoimage and wimlib, and damaged."""

import random
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import programs
import pycdlib
import pytest

from oz.errors import MediumError
from oz.host import iso
from oz.iso9660.records import SECTOR
from oz.iso9660.udf import walk_udf

FILES = {
    "README.TXT": b"This disc has a UDF tree.\n",
    "sources/boot.wim": b"x" * 5000,
    "efi/microsoft/boot/a long name, with blanks.bin": b"",
    "sources/\u00fcml\u00e4ut-\u0416.txt": b"y",
    **{f"many/{number:03}.dll": b"z" for number in range(150)},
}
SYSTEMS = (
    ("Windows 10 Home", "Core", "WinNT", "9", "10.0.19041", "de-DE"),
    ("Windows 10 Pro", "Professional", "WinNT", "9", "10.0.19041", "de-DE"),
    ("Windows Server 2019 SERVERSTANDARDCORE", "ServerStandard", "ServerNT", "0", "10.0.17763", "en-US"),
)


def run(*words: object, cwd: Path | None = None) -> str:
    done = subprocess.run(
        [str(word) for word in words], cwd=cwd, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=True
    )
    return done.stdout


def archive(path: Path, *, compress: str = "none") -> Path:
    """As Microsoft's have it, with systems of one file."""
    tree = path.with_name("tree")
    (tree / "Windows").mkdir(parents=True, exist_ok=True)
    (tree / "Windows/a").write_text("a")
    for number, (name, edition, kind, arch, kernel, language) in enumerate(SYSTEMS):
        about = {"EDITIONID": edition, "PRODUCTTYPE": kind, "ARCH": arch, "LANGUAGES/DEFAULT": language}
        about |= {f"VERSION/{part}": n for part, n in zip(("MAJOR", "MINOR", "BUILD"), kernel.split("."), strict=True)}
        words = [f"--image-property=WINDOWS/{key}={value}" for key, value in about.items()]
        verb = ["append"] if number else ["capture", f"--compress={compress}"]
        run("wimlib-imagex", verb[0], tree, path, name, *verb[1:], *words)
    return path


@pytest.fixture(scope="module")
def disc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As Microsoft makes them: the ISO 9660 tree has a text alone."""
    directory = tmp_path_factory.mktemp("udf")
    root = directory / "root"
    for name, data in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    archive(root / "sources/install.wim")
    subprocess.run(["rm", "-r", root / "sources/tree"], check=True)
    hidden = [word for name in ("sources", "efi", "many") for word in ("-hide", name)]
    run("genisoimage", "-quiet", "-udf", "-V", "DISC", *hidden, "-o", directory / "disc.iso", root)
    return directory / "disc.iso"


def test_the_files_of_the_udf_tree_are_the_mediums(disc: Path) -> None:
    medium = iso.inspect(disc)
    listed = run("isoinfo", "-f", "-i", disc)
    assert "INSTALL.WIM" not in listed and "README.TXT" in listed
    wanted = {f"/{name}" for name in FILES} | {"/sources/install.wim", "/sources", "/efi/microsoft", "/many"}
    assert wanted <= medium.paths


def test_pycdlib_sees_the_same_tree_in_the_same_places(disc: Path) -> None:
    data = disc.read_bytes()
    ours = {file.path: file for file in walk_udf(lambda at, size: data[at : at + size], len(data))}
    theirs = pycdlib.PyCdlib()
    theirs.open(str(disc))
    found = {}
    for directory, _, names in theirs.walk(udf_path="/"):
        found |= {
            f"{directory.rstrip('/')}/{name}": theirs.get_record(udf_path=f"{directory}/{name}") for name in names
        }
    theirs.close()
    assert set(found) == {path for path, file in ours.items() if not file.is_directory}
    for path, record in found.items():
        file = ours[path]
        assert sum(size for _, size in file.extents) == record.get_data_length(), path
        content = b"".join(data[block * SECTOR : block * SECTOR + size] for block, size in file.extents)
        assert content == FILES.get(path.lstrip("/"), content)


def test_the_systems_of_the_archive_are_as_wimlib_wrote_them(disc: Path) -> None:
    found = iso.inspect(disc).editions
    arches = {"9": "x86_64", "0": "i386"}
    assert [
        (one.name, one.edition_id, "ServerNT" if one.is_server else "WinNT", one.arch, one.version, one.language)
        for one in found
    ] == [(*system[:3], arches[system[3]], *system[4:]) for system in SYSTEMS]
    assert [one.index for one in found] == [1, 2, 3]


@pytest.mark.parametrize("compress", ["LZX", "XPRESS"])
def test_a_packed_archive_has_its_list_unpacked_and_needs_no_udf(tmp_path: Path, compress: str) -> None:
    """On a disc that somebody made anew; the list is the first of the archive's things that are looked for."""
    (tmp_path / "root/sources").mkdir(parents=True)
    archive(tmp_path / "install.wim", compress=compress).rename(tmp_path / "root/sources/install.wim")
    run("genisoimage", "-quiet", "-J", "-o", tmp_path / "disc.iso", tmp_path / "root")
    assert len(iso.inspect(tmp_path / "disc.iso").editions) == len(SYSTEMS)


def test_the_programs_tell_the_systems_and_plan_with_one(disc: Path, tmp_path: Path) -> None:
    shown = programs.run("oz-install", "--identify", disc)
    assert "Windows 10 for x86_64 (DVD) or Windows 2019 for i386 (DVD)" in shown.stdout
    assert "; editions: 1 Windows 10 Home (Core), 2 Windows 10 Pro (Professional), 3 Windows Server" in shown.stdout
    (tmp_path / "w.tdl").write_text(
        "<template><name>w</name><os><name>Windows</name><version>10</version><arch>x86_64</arch>"
        f"<install type='iso'><iso>file://{disc}</iso></install></os><disk><size>32 GiB</size></disk></template>"
    )
    done = programs.run("oz-install", "--dry-run", "--output", tmp_path / "plan", tmp_path / "w.tdl")
    answer = (tmp_path / "plan/autounattend.xml").read_text()
    assert done.returncode == 0 and "<Value>2</Value>" in answer and "<UILanguage>de-DE</UILanguage>" in answer
    (tmp_path / "w.tdl").write_text((tmp_path / "w.tdl").read_text().replace(">10<", ">7<"))
    done = programs.run("oz-install", "--dry-run", tmp_path / "w.tdl")
    assert done.returncode == 5 and "it looks like Windows 10 for x86_64 (DVD) or Windows 2019" in done.stderr


def edited(disc: Path, out: Path, change: Callable[[bytearray], None]) -> Path:
    data = bytearray(disc.read_bytes())
    change(data)
    out.write_bytes(data)
    return out


def at_archive(data: bytearray, offset: int, new: bytes) -> None:
    start = data.index(b"MSWIM\0\0\0")
    data[start + offset : start + offset + len(new)] = new


@pytest.mark.parametrize(
    ("offset", "new", "complaint"),
    [
        (0, b"MSWIN", "/sources/install.wim: is no image archive of an installer"),
        (79, b"\x06", "is no image archive"),
        (72, b"\xff" * 7, "is no image archive"),
        (80, struct.pack("<Q", 2**62), "ends before its list of systems does"),
        (80, struct.pack("<Q", 0), "its list of systems, line 1: "),
    ],
)
def test_a_damaged_archive_is_refused(disc: Path, tmp_path: Path, offset: int, new: bytes, complaint: str) -> None:
    path = edited(disc, tmp_path / "x.iso", lambda data: at_archive(data, offset, new))
    with pytest.raises(MediumError, match=rf"x\.iso: .*{complaint}"):
        iso.inspect(path)


def test_a_list_with_entities_is_not_read(disc: Path, tmp_path: Path) -> None:
    def change(data: bytearray) -> None:
        old, new = (text.encode("utf-16-le") for text in ("<WIM><IMAGE ", "<!DOCTYPE a>"))
        at = data.rindex(old)
        data[at : at + len(new)] = new

    with pytest.raises(MediumError, match="its list of systems, line 1: a DOCTYPE is refused"):
        iso.inspect(edited(disc, tmp_path / "x.iso", change))


def test_a_tree_that_contains_itself_is_refused(disc: Path, tmp_path: Path) -> None:
    def change(data: bytearray) -> None:
        """Every directory's first entry that is one leads back to where the root's own does."""
        sectors = range(257 * SECTOR, len(data) - SECTOR, SECTOR)
        names = [at for at in sectors if data[at : at + 2] == b"\x01\x01"]
        for at in names:
            own = data[at + 24 : at + 28]
            following = at + 40
            while data[following : following + 2] == b"\x01\x01":
                if data[following + 18] & 2:
                    data[following + 24 : following + 28] = own
                following += (38 + data[following + 19] + 3) // 4 * 4

    with pytest.raises(MediumError, match="of UDF contains itself"):
        iso.inspect(edited(disc, tmp_path / "x.iso", change))


def test_a_cut_disc_is_refused(disc: Path, tmp_path: Path) -> None:
    path = edited(disc, tmp_path / "x.iso", lambda data: data.__delitem__(slice(300 * SECTOR, None)))
    with pytest.raises(MediumError, match=r"x\.iso: "):
        iso.inspect(path)


def test_bytes_at_random_make_no_other_error(disc: Path) -> None:
    """In the descriptors and entries; a size or place that is wrong is a MediumError, and no endless loop."""
    original = disc.read_bytes()
    kinds = (2, 5, 6, 256, 257, 261)
    places = [at for at in range(0, len(original), SECTOR) if int.from_bytes(original[at : at + 2], "little") in kinds]
    chance = random.Random(1)
    refused = 0
    for _ in range(400):
        data = bytearray(original)
        for _ in range(9):
            at = chance.choice(places)
            data[at + chance.randrange(300)] = chance.randrange(256)
            data[at + 4] = (sum(data[at : at + 16]) - data[at + 4]) % 256

        def read(at: int, size: int, data: bytearray = data) -> bytes:
            if at + size > len(data):
                raise MediumError("past the end")
            return bytes(data[at : at + size])

        try:
            list(walk_udf(read, len(data)))
        except MediumError:
            refused += 1
    assert 40 < refused < 400
