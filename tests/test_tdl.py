"""Templates: every element and every fault of tests/tdl, judged by our parser and by RELAX NG, and hostile input.

A case says in its first comments what is expected of it: `expect LINE: WORDS` for each fault, or `expect no
fault`; and `RELAX NG cannot tell` where tdl.rng accepts what Oz refuses.
"""

import re
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from oz import tdl
from oz.errors import TdlError
from oz.model import Checksum, Command, Content, Extra, GuestFile, Package, Partition, Repository, Tdl, Virtual
from oz.tdlxml import MAX_BYTES

ROOT = Path(__file__).parents[1]
CASES = sorted((ROOT / "tests/tdl").glob("*.tdl"))
GRAMMAR = etree.parse(str(ROOT / "oz/tdl.rng"))
RELAX_NG = etree.RelaxNG(GRAMMAR)
RNG = "{http://relaxng.org/ns/structure/1.0}"

MINIMAL = """<template>
  <name>case</name>
  <os>
    <name>Debian</name>
    <version>13</version>
    <arch>x86_64</arch>
    <install type="iso"><iso>file:///media/debian.iso</iso></install>
{os}  </os>
{body}</template>
"""


def template(body: str = "", os: str = "") -> bytes:
    return MINIMAL.format(body=body, os=os).encode()


def case(name: str) -> Tdl:
    return tdl.load(ROOT / f"tests/tdl/{name}.tdl")


# ------------------------------------------------------------------ the corpus


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path: Path) -> None:
    text = path.read_text()
    expected = [(line, words) for line, words in re.findall(r"^<!-- expect (\d+): (.*) -->$", text, re.MULTILINE)]
    assert bool(expected) != ("<!-- expect no fault -->" in text)
    found = tdl.problems(path)
    assert len(found) == len(expected), found
    for line, words in expected:
        assert any(fault.startswith(f"{path}:{line}: ") and words in fault for fault in found), found
    for fault in found:
        assert "\n" not in fault and fault.isprintable()
    if expected:
        with pytest.raises(TdlError, match=re.escape(found[0])) as caught:
            tdl.load(path)
        assert caught.value.exit_status == 2
    else:
        tdl.load(path)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_relax_ng_agrees(path: Path) -> None:
    text = path.read_text()
    is_right = "<!-- expect no fault -->" in text or "<!-- RELAX NG cannot tell -->" in text
    assert RELAX_NG.validate(etree.parse(str(path))) == is_right, RELAX_NG.error_log


def test_corpus_has_every_element_and_attribute() -> None:
    used = set()
    for path in CASES:
        if path.stem.startswith("valid-"):
            for element in etree.parse(str(path)).getroot().iter("*"):
                names = [str(each.tag) for each in (element, *element.iterancestors())]
                place = "/".join(reversed(names)).removeprefix("template").lstrip("/")
                used |= {place, *(f"{place}/@{name}".lstrip("/") for name in map(str, element.attrib))}
    assert used == set(tdl.TABLE)


def test_relax_ng_has_the_elements_and_attributes_of_the_table() -> None:
    elements = {each.get("name") for each in GRAMMAR.iter(f"{RNG}element")}
    attributes = {each.get("name") for each in GRAMMAR.iter(f"{RNG}attribute")}
    names = {path.rpartition("/")[2] or "template" for path in tdl.TABLE}
    assert elements == {name for name in names if not name.startswith("@")}
    assert attributes == {name[1:] for name in names if name.startswith("@")}


def test_reference_names_every_element_attribute_and_default() -> None:
    text = (ROOT / "docs/tdl.md").read_text()
    rows = dict(re.findall(r"^\| `([^`]*)` \|(.*)$", text, re.MULTILINE))
    assert list(rows) == [path or "template" for path in tdl.TABLE]
    for path, row in tdl.TABLE.items():
        cells = rows[path or "template"]
        assert cells.split("|")[0].strip() == row.occurs, path
        assert row.default is None or f"`{row.default}`" in cells, path
    for element in GRAMMAR.iter(f"{RNG}element"):
        assert f"{element.get('name')}`" in text


# ------------------------------------------------------------------ what becomes of it


def test_minimal_template() -> None:
    found = tdl.parse(template(), "a.tdl")
    assert (found.name, found.distro, found.version, found.arch) == ("case", "Debian", "13", "x86_64")
    assert (found.install_type, found.install_url) == ("iso", "file:///media/debian.iso")
    assert found.disk_bytes == 10 * 1024**3
    absent = (found.description, found.rootpw, found.key, found.kernelparam, found.checksum, found.icicle_extra_command)
    assert absent == (None,) * 6
    empty = (found.packages, found.files, found.commands, found.precommands, found.repositories, found.extras)
    assert empty == ((),) * 6


def test_blanks_around_values_are_dropped() -> None:
    found = case("valid-blanks")
    assert (found.name, found.arch, found.rootpw, found.disk_bytes) == ("case", "x86_64", "two words", 20 * 1024**3)


def test_a_cd_of_drivers_is_a_file_here() -> None:
    assert case("valid-drivers").drivers == Path("/srv/virtio win.iso") and tdl.parse(template()).drivers is None


def test_no_break_space_is_part_of_a_password() -> None:
    assert tdl.parse(template(os="<rootpw> a\u00a0 </rootpw>")).rootpw == "a\u00a0"


def test_os_values() -> None:
    found = case("valid-os")
    assert (found.kernelparam, found.rootpw, found.key) == ("console=ttyS0 quiet", "s3cret & more", "AAAAA-BBBBB")
    assert found.icicle_extra_command == 'rpm -qa --qf "%{BUILDTIME}"'
    assert case("valid-empty-lists").kernelparam is None
    assert case("valid-description-lines").description == "One line,\n    and another: ä."


def test_url_install_and_checksums() -> None:
    found = case("valid-url")
    assert (found.install_type, found.install_url) == ("url", "http://mirror.example/debian")
    assert case("valid-md5-list").checksum == Checksum(algorithm="md5", value="https://mirror.example/MD5SUMS")
    digest = case("valid-sha256-digest").checksum
    assert digest and not digest.is_url and digest.value == digest.value.lower() and len(digest.value) == 64
    upper = template().replace(b"file:///", b"FILE:///")
    assert tdl.parse(upper).install_url == "file:///media/debian.iso"


def test_partitions() -> None:
    gib = 1024**3
    found = case("valid-partitions")
    assert found.partition_layout == "plain"
    assert found.partitions == (
        Partition(mount="/boot", size_bytes=gib // 2, filesystem="ext2"),
        Partition(mount="/"),
        Partition(mount="/var/lib/docker_1.x-y", size_bytes=4 * gib, filesystem="xfs"),
        Partition(mount="/srv", size_bytes=2 * 10**9),
        Partition(mount="swap", size_bytes=gib, filesystem="swap"),
    )
    assert found.where("partitions/partition[3]") == f"{ROOT}/tests/tdl/valid-partitions.tdl:18"
    lvm, one, none = case("valid-partitions-lvm"), case("valid-partitions-none"), case("valid-minimal")
    assert (lvm.partition_layout, lvm.partitions) == ("lvm", ())
    assert (one.partition_layout, one.partitions) == ("plain", (Partition(mount="/"),))
    assert (none.partition_layout, none.partitions) == (None, ())


def test_machine() -> None:
    expected = Virtual(firmware="efi", machine_type="q35", cpus=4, memory_bytes=1536 * 1024**2)
    assert case("valid-machine").virtual == expected
    assert case("valid-machine-empty").virtual == Virtual() == case("valid-minimal").virtual


def test_extras_are_relative_and_directories_come_first() -> None:
    assert case("valid-extras").extras == (
        Extra(kind="directory", source="file:///srv/drivers", destination="drivers"),
        Extra(kind="directory", source="ftp://mirror.example/d/", destination="d"),
        Extra(kind="file", source="http://mirror.example/a", destination="a/b.cfg"),
        Extra(kind="file", source="file:///srv/c", destination="c"),
    )


def test_packages() -> None:
    assert case("valid-packages").packages == (
        Package(name="vim"),
        Package(name="libstdc++6:i386=1.2~rc1"),
        Package(name="kernel-*"),
        Package(name="curl", repository="extra", arguments='--option "two words"'),
    )


def test_files() -> None:
    assert case("valid-files").files == (
        GuestFile(path="/etc/motd", content=Content(data=b"hello")),
        GuestFile(path="/etc/empty", content=Content(data=b"")),
        GuestFile(path="C:/Oz/a.txt", content=Content(data=b"")),
        GuestFile(path="/etc/raw", content=Content(data=b"x")),
        GuestFile(path="/etc/b64", content=Content(data=bytes(range(5)))),
        GuestFile(path="/etc/none", content=Content(data=b"")),
        GuestFile(path="/etc/url", content=Content(url="http://mirror.example/file")),
        GuestFile(path="/etc/cdata", content=Content(data=b"a < b && c")),
    )


def test_commands() -> None:
    assert case("valid-commands").commands == (
        Command(name="one", content=Content(data=b"echo 1")),
        Command(name="one", content=Content(data=b"echo 2\necho 3")),
        Command(name="b", content=Content(data=b"echo 4")),
        Command(name="u", content=Content(url="file:///srv/script")),
    )
    assert [each.content.data for each in case("valid-precommands").precommands] == [b"echo 1", b"echo 2"]


def test_commands_run_in_the_order_of_their_positions() -> None:
    found = case("valid-positions")
    assert [each.name for each in found.commands] == ["a", "b", "c"]
    assert [each.name for each in found.precommands] == ["p"]
    lines = (ROOT / "tests/tdl/valid-positions.tdl").read_text().splitlines()
    for number, command in enumerate(found.commands, 1):
        assert f'name="{command.name}"' in lines[found.lines[f"commands/command[{number}]"] - 1]


def test_repositories() -> None:
    first, second = case("valid-repository").repositories
    assert first == Repository(
        name="extra",
        url="http://mirror.example/repo",
        signed=False,
        sslverify=True,
        persisted=False,
        key=Content(url="https://mirror.example/key.asc"),
    )
    assert second == Repository(name="b.c_d-1", url="file:///srv/repo", signed=True, sslverify=True, persisted=True)
    (armored,) = case("valid-repository-key").repositories
    assert armored.key == Content(
        data=b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDMEY\n=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n"
    )
    urls = [each.url for each in case("valid-repository-apt").repositories]
    assert urls[1] == "deb [arch=amd64 trusted=yes] http://10.0.2.2:8000/pool ./"


def test_lines_point_back_into_the_file() -> None:
    data = template("<packages>\n<package name='a'/>\n<package name='b'/></packages>\n<disk>\n<size>5G</size></disk>\n")
    found = tdl.parse(data, "a.tdl")
    assert found.where("os/version") == "a.tdl:5"
    assert found.where("packages/package[1]") == "a.tdl:10"
    assert found.where("packages/package[2]") == "a.tdl:11"
    assert found.where("disk/size") == "a.tdl:13"
    assert found.where("os/install/iso") == "a.tdl:7"


# ------------------------------------------------------------------ XML that is none, or too much


@pytest.mark.parametrize(
    ("data", "line", "words"),
    [
        (b"", 1, "the template is empty, expected <template>"),
        (b" \n", 1, "the template is empty"),
        (b"[template]\n", 1, "this is not XML"),
        (b"<!-- only this -->\n", 2, "there is no element, expected <template>"),
        (b"<domain/>", 1, "the outermost element is 'domain', expected <template>"),
        (b"<template>\n<os>\n<name>a", 3, "the template ends inside <name> of line 3, expected its end tag"),
        (b"<template>\n<os>\n</template>", 3, "another element is closed while <os> of line 2 is open"),
        (b"<template>\n<name>a & b</name></template>", 2, "a bare & is not XML, expected &amp;"),
        (b"<template>\n<name>a < b</name></template>", 2, "a bare < is not XML, expected &lt;"),
        (b"<template>\n<name>a\x01</name></template>", 2, "the control character '\\x01' is not XML"),
        (b"<template>\n<name>a\x00</name></template>", 2, "the control character '\\x00' is not XML"),
        (b"<template>\n&#1;</template>", 2, "a character reference is to none that XML allows"),
        (b"<template>\n&nbsp;</template>", 2, "an entity is unknown, expected &amp;"),
        (b"<template>\n<![CDATA[", 2, "a CDATA section is not finished"),
        (b"<template>\n<na", 2, "a tag or comment is not finished"),
        (b"<template a='1' a='2'/>", 1, "an attribute is given twice"),
        (b"<template a=1/>", 1, "this is not XML, near '1/>', expected a well-formed tag"),
        (b"<template/>\nmore", 2, "something follows the outermost element"),
        (b"\n<?xml version='1.0'?><template/>", 2, "<?xml ...?> is not at the very beginning"),
        (b"<template><x:name/></template>", 1, "a name has a namespace prefix"),
        (b"<template xmlns='urn:x'/>", 1, "'template' is in the namespace 'urn:x', expected no namespace"),
        (b"<template>\n<name>\xe4</name></template>", 2, "byte 0xe4 is not utf-8 text, expected UTF-8 or an XML"),
        (b"<?xml version='1.0' encoding='ascii'?>\n<a>\xe4</a>", 2, "byte 0xe4 is not ascii text"),
        (b"<?xml version='1.0' encoding='klingon'?><a/>", 1, "the encoding 'klingon' is not one that Oz reads"),
        (b"<?xml version='1.0' encoding='cp99999'?><a/>", 1, "the encoding 'cp99999' is unknown"),
        (b"<?xml version='1.0' encoding='utf-7'?>+ADw-a/>", 1, "the encoding 'utf-7' is not one that Oz reads"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_broken_xml(data: bytes, line: int, words: str) -> None:
    with pytest.raises(TdlError, match=rf"^a\.tdl:{line}: {re.escape(words)}"):
        tdl.parse(data, "a.tdl")


DOCTYPE = '<!DOCTYPE template [<!ENTITY a SYSTEM "file:///etc/hostname"><!ENTITY b "&a;&a;">]><template>&b;</template>'


@pytest.mark.parametrize(
    "data",
    [
        DOCTYPE.encode(),
        b'<?xml version="1.0"?>' + DOCTYPE.encode(),
        b"\xef\xbb\xbf<!-- <x> --><?p?> \t" + DOCTYPE.encode(),
        DOCTYPE.encode("utf-16"),
        DOCTYPE.encode("utf-32"),
        b'<!DOCTYPE template SYSTEM "http://127.0.0.1:9/t.dtd"><template/>',
    ],
)
def test_doctype_is_refused(data: bytes) -> None:
    with pytest.raises(TdlError, match=":1: a DOCTYPE is refused, as DTDs and entities are never read"):
        tdl.parse(data)


def test_xinclude_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hunter2")
    include = f'<i:include xmlns:i="http://www.w3.org/2001/XInclude" parse="text" href="{secret}"/>'
    with pytest.raises(TdlError, match=":9: XInclude is not followed, expected the included elements"):
        tdl.parse(template(include))


@pytest.mark.parametrize(
    ("codec", "declared"),
    [
        ("utf-8", "UTF-8"),
        ("utf-8-sig", "utf-8"),
        ("utf-16", "UTF-16"),
        ("latin-1", "ISO-8859-1"),
        ("cp1252", "windows-1252"),
    ],
)
def test_declared_encodings_are_read(codec: str, declared: str) -> None:
    text = f'<?xml version="1.0" encoding="{declared}"?>\n' + template("<description>über</description>").decode()
    assert tdl.parse(text.encode(codec)).description == "über"


def test_windows_line_ends_count_once() -> None:
    found = tdl.faults_in(template("<oops/>\n").replace(b"\n", b"\r\n"), "a.tdl")
    assert [fault.split(": ")[0] for fault in found] == ["a.tdl:9"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"<template>" + b"<a>" * 1_000_000, "elements are nested too deep, expected at most 16 levels"),
        (b"<template>" + b"<a/>" * 1_000_000, "too many elements, expected at most 50000"),
        (b"<!---->" * 1_000_000 + b"<!DOCTYPE a>", "a DOCTYPE is refused"),
        (b"<!--" * 1_000_000, "a bare <"),
        (b"<template>" + b"<nme/>" * 40_000 + b"</template>", "<nme> in <template> is unknown"),
        (b"<" + b"a" * 4_000_000 + b"/>", "the outermost element is 'aaa"),
        (b"x" * (MAX_BYTES + 1), "larger than 16 MiB"),
    ],
    ids=["deep", "many", "comments", "open comments", "unknown", "long name", "huge"],
)
def test_deep_and_huge_documents_are_refused_quickly(data: bytes, words: str) -> None:
    start = time.process_time()
    found = tdl.faults_in(data)
    assert time.process_time() - start < 3
    assert any(words in fault for fault in found)
    assert len(found) <= 101 and all(len(fault) < 500 for fault in found)


def test_an_ordinary_template_takes_milliseconds() -> None:
    packages = "".join(f"<package name='package-{number}'/>" for number in range(200))
    data = template(f"<packages>{packages}</packages>")
    best = 1.0
    for _ in range(5):
        start = time.process_time()
        tdl.parse(data)
        best = min(best, time.process_time() - start)
    assert best < 0.05


def test_lines_beyond_65535_are_counted() -> None:
    assert tdl.faults_in(b"\n" * 70_000 + b"<domain/>", "a")[0].startswith("a:70001: ")


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from([*tdl.TABLE, "x", "<", ">", "</", "/>", " ", "\n", "&", "='", "'", "\x00", "ä"]), max_size=40
    )
)
def test_any_text_is_a_template_or_a_list_of_faults(parts: list[str]) -> None:
    assert tdl.faults_in(("<template>" + "".join(parts)).encode())


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(CASES), st.data())
def test_a_damaged_template_never_raises_anything_else(path: Path, data: st.DataObject) -> None:
    damaged = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        tdl.parse(bytes(damaged))
    except TdlError as error:
        assert re.match(r"<template>:\d+: ", error.message)


# ------------------------------------------------------------------ faults


def test_secrets_are_not_shown() -> None:
    found = tdl.faults_in(template(os="<rootpw>hunter\n2</rootpw><key>AAA\nBBB</key>"))
    assert len(found) == 2
    assert not any("hunter" in fault or "AAA" in fault for fault in found)


def test_a_printed_template_hides_its_secrets() -> None:
    found = tdl.parse(template(os="<rootpw>hunter2</rootpw><key>AAA-BBB</key>"))
    assert "hunter2" not in repr(found) and "AAA-BBB" not in repr(found)


def test_the_first_error_counts_the_others() -> None:
    with pytest.raises(TdlError, match="<a> in <template> is unknown") as caught:
        tdl.parse(template("<a/><b/><c/>"))
    assert caught.value.hint == "2 more errors: oz-install --check shows all"


def test_parsing_fetches_nothing(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    found = tdl.parse(template(f"<files><file name='/a' type='url'>{missing.as_uri()}</file></files>"))
    assert found.files[0].content == Content(url=missing.as_uri())


# ------------------------------------------------------------------ files


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(TdlError, match=r"none\.tdl: there is no such file") as caught:
        tdl.load(tmp_path / "none.tdl")
    assert caught.value.hint and caught.value.exit_status == 2
    assert tdl.problems(tmp_path / "none.tdl") == (
        f"{tmp_path}/none.tdl: there is no such file; name the TDL file to install from",
    )


def test_directory_and_file_as_directory(tmp_path: Path) -> None:
    with pytest.raises(TdlError, match="is a directory"):
        tdl.load(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(TdlError, match="cannot be read: Not a directory"):
        tdl.load(tmp_path / "file/a.tdl")


def test_loops_and_impossible_names(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(TdlError, match="cannot be read: Too many levels of symbolic links"):
        tdl.load(tmp_path / "loop")
    with pytest.raises(TdlError, match="cannot be read: embedded null byte"):
        tdl.load("a\0b")


def test_endless_file() -> None:
    with pytest.raises(TdlError, match="/dev/zero:1: the template is larger than 16 MiB"):
        tdl.load("/dev/zero")
