"""What is on a medium, by our table and by osinfo-db, which osinfo-detect reads as well; and media that are not what a
template names."""

import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from guest import tinycd
from guest.place import Place
from plans import sample_tdl
from programs import run, write_config

from oz.errors import UnsupportedError
from oz.guests import agrees, all_releases, guest_for, identify, identity_files
from oz.host import iso, osinfo
from oz.inspection import judge
from oz.model import Identity, Medium, OsinfoSystem

PVD = 16 * 2048


def make_iso(path: Path, volume_id: str, *options: str, volume_size_bytes: int | None = None, **files: str) -> Path:
    """A bootable CD with that volume id. What its descriptor says of its size may be more than there is: it is
    sparse then."""
    tree = path.with_suffix(".tree")
    tree.mkdir()
    for name, text in {"boot": "boot", **files}.items():
        (tree / name).write_text(text)
    words = ["genisoimage", "-quiet", "-r", "-V", volume_id, *options]
    words += ["-b", "boot", "-c", "catalog", "-no-emul-boot", "-o", str(path), str(tree)]
    subprocess.run(words, check=True, capture_output=True)
    if volume_size_bytes:
        blocks = volume_size_bytes // 2048
        with path.open("r+b") as file:
            file.seek(PVD + 80)
            file.write(blocks.to_bytes(4, "little") + blocks.to_bytes(4, "big"))
            file.truncate(volume_size_bytes)
    return path


def detect(path: Path, *options: str, **environment: str) -> set[str]:
    """What osinfo-detect takes the medium for, "Debian 11 (x86_64)"; with "--all", whatever else fits as well."""
    words = ["osinfo-detect", *options, str(path)]
    done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C", **environment})
    names = re.findall(r"for OS '(.*)'$", done.stdout, re.MULTILINE)
    return {re.sub(r"\(i[3456]86\)", "(i386)", name) for name in names}


def found(path: Path, rules: tuple[osinfo.MediaRule, ...]) -> set[str]:
    return {f"{one.name} ({one.arch or 'all'})" for one in osinfo.matches(iso.inspect(path), rules)}


# ------------------------------------------------------------------ osinfo-db

needs_database = pytest.mark.skipif(not (osinfo.SYSTEM_DIR / "os").is_dir(), reason="there is no osinfo-db")
FEDORA_CORE = ["-sysid", "LINUX", "-A", "FC/1 i386"]
MEDIA = {
    "Debian 11.5.0 amd64 n": [],
    "RHEL_6.4 x86_64 Disc 1": ["-sysid", "LINUX"],
    "SP1PFPP_EN": [],
    "FC": FEDORA_CORE,
    "HOLIDAY PICTURES": [],
}


@needs_database
def test_osinfo_detect_names_the_same_systems(tmp_path: Path) -> None:
    rules = osinfo.load([osinfo.SYSTEM_DIR])
    size = max(rule.volume_size_bytes or 0 for rule in rules if rule.patterns.get("application_id") == "FC/1 i386")
    paths = [
        make_iso(tmp_path / volume_id, volume_id, *options, volume_size_bytes=size if volume_id == "FC" else None)
        for volume_id, options in MEDIA.items()
    ]
    with ThreadPoolExecutor(2) as pool:
        theirs = list(pool.map(lambda path: detect(path, "--all"), paths))
    assert [found(path, rules) for path in paths] == theirs
    assert [bool(names) for names in theirs] == [True, True, True, True, False]


def write_database(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / f"os/vendor/{name}.xml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'<libosinfo version="0.0.1">{text}</libosinfo>' if text else "")


def system(name: str, *media: str, status: str = "released") -> str:
    texts = {"short-id": name, "name": f"System {name}", "version": "1", "distro": name, "release-status": status}
    words = "".join(f"<{element}>{text}</{element}>" for element, text in texts.items())
    translated = f"<name xml:lang='de'>System {name} auf Deutsch</name>"
    return f"<os id='http://vendor/{name}'>{words}{translated}{''.join(media)}</os>"


def media(volume_id: str, *, arch: str = "x86_64", more: str = "", of: str = "") -> str:
    return f"<media arch='{arch}'>{of}<iso><volume-id>{volume_id}</volume-id>{more}</iso></media>"


def test_the_database_is_read_as_libosinfo_reads_it(tmp_path: Path) -> None:
    """Editions, more media from a directory beside, other places that add, replace and hide; rules of last resort;
    expressions that match anywhere; fields that are empty on the medium; sizes; and a file that is broken."""
    places = {name: tmp_path / name for name in ("system", "local", "user")}
    edition = "<variant id='desk'><name>System one Desktop</name></variant>"
    own = {
        "one": system("one", media("ONE [0-9]"), edition, media("DESK", of="<variant id='desk'/>")),
        "one.d/more": f"<os id='http://vendor/one'>{media('MORE', arch='i686')}</os>",
        "rolling": system("rolling", media("ONE|LAST"), status="rolling"),
        "any": system("any", media("ONE 1|LAST", arch="all")),
        "replaced": system("replaced", media("ONE")),
        "hidden": system("hidden", media("ONE")),
        "sized": system("sized", media("ONE", more="<volume-size>4096</volume-size>")),
        "published": system("published", media("ONE", more="<publisher-id>.*</publisher-id>")),
        "nothing": system("nothing", "<media arch='x86_64'><iso/></media>"),
        "twice": system("twice", media("ONE"), media("O(N)E")),
    }
    write_database(places["system"], own)
    write_database(places["local"], {"replaced": system("replaced", media("TWO")), "hidden": ""})
    write_database(places["user"], {"added": system("added", media("ONE"))})
    environment = {f"OSINFO_{name.upper()}_DIR": str(path) for name, path in places.items()}
    rules = osinfo.load(osinfo.directories(environment, tmp_path))
    last_resorts = {"System rolling (x86_64)", "System any (all)"}
    for volume_id in ("ONE 1", "SOME ONE 7 OR SO", "DESK", "MORE", "LAST", "TWO", "NOTHING"):
        path = make_iso(tmp_path / volume_id, volume_id)
        ours, every = found(path, rules), detect(path, "--all", **environment)
        assert ours == (every - last_resorts or every) and bool(ours) == (volume_id != "NOTHING"), volume_id
        assert volume_id not in ("ONE 1", "LAST") or detect(path, **environment) <= ours


def test_what_is_no_database_is_passed_over(tmp_path: Path) -> None:
    broken = system("broken", media("(ONE"), media("ON[E"), media("ONE (?<never>"))
    write_database(tmp_path, {"good": system("good", media("ONE")), "broken": broken, "text": "<os"})
    (tmp_path / "os/vendor/directory.xml").mkdir()
    (tmp_path / "os/vendor/gone.xml").symlink_to("nowhere")
    (one,) = osinfo.matches(Medium(path=None, volume_id="ONE"), osinfo.load([tmp_path, tmp_path / "nowhere"]))
    assert (one.short_id, one.version, one.arch, one.is_live) == ("good", "1", "x86_64", False)
    assert osinfo.load([tmp_path / "nowhere"]) == ()


def test_where_the_database_is(tmp_path: Path) -> None:
    usual = osinfo.directories({}, tmp_path)
    assert usual == (Path("/usr/share/osinfo"), Path("/etc/osinfo"), tmp_path / ".config/osinfo")
    assert osinfo.directories({"XDG_CONFIG_HOME": "/x"}, tmp_path)[2] == Path("/x/osinfo")


# ------------------------------------------------------------------ our table


def documented() -> list[tuple[str, str, Medium]]:
    """The documented medium of everything that is installed from one, as distribution, version and medium."""
    found = []
    for row in all_releases():
        for arch in row.arches:
            tdl = sample_tdl(row.version, arch, "iso", distro=row.distro)
            try:
                guest = guest_for(tdl)
            except UnsupportedError:
                continue
            found.append((row.distro, row.version, guest.documented_medium(tdl)))
    return found


def test_every_release_is_identified_by_its_own_installer_and_no_other() -> None:
    for distro, version, medium in documented():
        found = identify(medium)
        assert {identity.distro for identity in found if identity.is_sure} <= {distro}, (distro, version, found)
        assert distro in {identity.distro for identity in found}, (distro, version, medium.volume_id)
        contents = {path: data for path, data in medium.contents.items() if path in identity_files()}
        assert identify(replace(medium, contents=contents)) == found, "by more than its identity files"


@needs_database
def test_osinfo_db_does_not_dispute_our_table() -> None:
    rules = osinfo.load([osinfo.SYSTEM_DIR])
    known = 0
    # one of each release: a hundred are looked up in 0.2 s
    for (distro, version), medium in {one[:2]: one[2] for one in documented()}.items():
        finding = judge(Path("x"), medium, osinfo.matches(medium, rules))
        assert finding.verdict in ("agreed", "by-table"), (distro, version, finding)
        known += finding.verdict == "agreed"
    assert known >= 3


def claim(distro: str, version: str, *arches: str) -> Identity:
    return Identity(distro=distro, version=version, arches=arches, variant="dvd")


def named(short_id: str, distro: str, version: str, arch: str = "") -> OsinfoSystem:
    return OsinfoSystem(short_id=short_id, name=short_id, distro=distro, version=version, arch=arch, is_live=False)


@pytest.mark.parametrize(
    ("identity", "system", "expected"),
    [
        (claim("Debian", "13.2.0", "x86_64"), named("debian13", "debian", "13", "x86_64"), True),
        (claim("Debian", "13.2.0", "i386"), named("debian13", "debian", "13", "x86_64"), False),
        (claim("Debian", "13.2.0"), named("debian13", "debian", "13", "x86_64"), True),
        (claim("Debian", "13.2.0"), named("debian12", "debian", "12"), False),
        (claim("Debian", "13.2.0"), named("debiantesting", "debian", "testing"), True),
        (claim("RHEL", "5"), named("rhel5.4", "rhel", "5.4"), True),
        (claim("RHEL", "5.4"), named("centos5.4", "centos", "5.4"), False),
        (claim("CentOSStream", "9"), named("centos-stream9", "centos", "9"), True),
        (claim("OracleLinux", "6.5"), named("ol6.5", "ol", "6.5"), True),
        (claim("FedoraCore", "6"), named("fedora6", "fedora", "6"), True),
        (claim("Windows", "XP"), named("winxp", "win", "5.1"), True),
        (claim("Windows", "2000"), named("winxp", "win", "5.1"), False),
        (claim("SLES", "11-SP1"), named("sles11sp1", "sles", "11.1"), True),
    ],
)
def test_agreement(identity: Identity, system: OsinfoSystem, expected: bool) -> None:
    assert agrees(identity, system) is expected


def test_a_finding_is_as_sure_as_its_witnesses() -> None:
    medium = Medium(path=None, volume_id="Debian 12.5.0 amd64 n")
    debian, fedora = named("debian12", "debian", "12"), named("fedora9", "fedora", "9")
    nothing = Medium(path=None)
    verdicts = [
        (finding.verdict, finding.is_sure)
        for finding in (
            judge(Path("x"), medium, (fedora, debian)),
            judge(Path("x"), medium, (fedora,)),
            judge(Path("x"), medium, ()),
            judge(Path("x"), medium, None),
            judge(Path("x"), nothing, (fedora,)),
            judge(Path("x"), nothing, (fedora, debian)),
            judge(Path("x"), nothing, ()),
        )
    ]
    assert verdicts == [
        ("agreed", True),
        ("disputed", False),
        ("by-table", True),
        ("by-table", True),
        ("by-osinfo", True),
        ("by-osinfo", False),
        ("unknown", False),
    ]


# ------------------------------------------------------------------ oz-install --identify


@pytest.fixture(scope="module")
def isos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Media, a small database that knows some of them, and what is none."""
    directory = tmp_path_factory.mktemp("isos")
    make_iso(directory / "both.iso", "Debian 12.5.0 amd64 n")
    make_iso(directory / "table.iso", "Debian 11.5.0 i386 1")
    make_iso(directory / "osinfo.iso", "PLAN 9")
    make_iso(directory / "unknown.iso", "HOLIDAY", "-publisher", "\x1b[31mAUNT")
    (directory / "text.iso").write_text("<html>")
    debian = "<os id='http://v/d'><short-id>d12</short-id><name>D 12</name><version>12</version><distro>debian</distro>"
    files = {"debian": f"{debian}{media('Debian 12')}</os>", "plan": system("plan9", media("PLAN 9", arch="i686"))}
    write_database(directory / "db", files)
    return directory


def run_identify(isos: Path, *names: str, database: str = "db") -> subprocess.CompletedProcess[str]:
    environment = {"OSINFO_SYSTEM_DIR": str(isos / database), "OSINFO_LOCAL_DIR": "/nowhere", "HOME": str(isos)}
    words = [name if name.startswith("-") else isos / name for name in names]
    return run("oz-install", "--identify", *words, env=environment)


def test_identify_has_a_line_for_each_medium(isos: Path) -> None:
    done = run_identify(isos, "both.iso", "table.iso", "osinfo.iso", "unknown.iso", "text.iso", "gone.iso")
    assert (done.returncode, done.stderr) == (5, "oz-install: 3 of 6 media could not be identified\n")
    assert done.stdout.splitlines() == [
        f"{isos}/both.iso: Debian 12.5.0 for x86_64 (netinst), sure: Oz's table and osinfo-db agree",
        f"{isos}/table.iso: Debian 11.5.0 for i386, sure: by Oz's table; osinfo-db does not know it",
        f"{isos}/osinfo.iso: System plan9 for i386, sure: by osinfo-db; Oz's table does not know it",
        f"{isos}/unknown.iso: unknown: volume id 'HOLIDAY', system id 'LINUX', publisher '[31mAUNT', application "
        + re.search("application (.*)", done.stdout)[1],  # type: ignore[index]
        f"{isos}/text.iso: is not an ISO 9660 image",
        f"{isos}/gone.iso: No such file or directory",
    ]


def test_identify_without_a_database(isos: Path) -> None:
    done = run_identify(isos, "both.iso", "table.iso", database="none")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count(", sure: by Oz's table; there is no osinfo-db here\n") == 2
    assert run_identify(isos, "osinfo.iso", database="none").returncode == 5


def test_identify_for_programs(isos: Path) -> None:
    done = run_identify(isos, "both.iso", "--json", "unknown.iso", "text.iso")
    both, unknown, text = json.loads(done.stdout)
    assert done.returncode == json.loads(done.stderr)["status"] == 5
    claimed = {"distro": "Debian", "version": "12.5.0", "arches": ["x86_64"], "variant": "netinst", "is_sure": True}
    assert both["systems"] == [claimed] and both["osinfo"][0]["short_id"] == "d12"
    assert (both["verdict"], both["sure"], both["error"]) == ("agreed", True, None)
    assert unknown["verdict"] == "unknown" and unknown["medium"]["volume_id"] == "HOLIDAY" and not unknown["systems"]
    assert text["verdict"] == "unreadable" and "ISO 9660" in text["error"] and text["medium"] is None


def test_identify_wants_media(isos: Path) -> None:
    done = run_identify(isos)
    assert done.returncode == 2 and "no medium is named" in done.stderr


# ------------------------------------------------------------------ media that are not what a template names

OTHER = {
    "volume_id": "Debian 12.5.0 amd64 n",
    "disk_info": 'Debian GNU/Linux 12.5.0 "Bookworm" - Official amd64 NETINST',
}
SEEMS = "it looks like Debian 12.5.0 for x86_64 (netinst)"
TDL = """<template><name>forced</name><os><name>Debian</name><version>13</version><arch>x86_64</arch>
<install type='iso'><iso>file://{}</iso></install></os><disk><size>2 GiB</size></disk></template>"""


def test_a_medium_without_the_installer_cannot_be_forced(tmp_path: Path) -> None:
    tdl = tmp_path / "t.tdl"
    tdl.write_text(TDL.format(make_iso(tmp_path / "12.iso", "Debian 12.5.0 amd64 n")))
    words = ["oz-install", "-q", "-c", write_config(tmp_path), "--dry-run"]
    done = run(*words, tdl)
    assert done.returncode == 5 and SEEMS in done.stderr and "--force-media" not in done.stderr
    done = run(*words, "--force-media", tdl)
    assert done.returncode == 5 and "--force-media is of no help" in done.stderr and not done.stdout


@pytest.mark.skipif(bool(tinycd.missing_tools()), reason=f"without {tinycd.missing_tools()}")
def test_a_forced_medium_is_installed_from(short_dir: Path, capabilities_cache: Path) -> None:
    place = Place(short_dir / "forced", capabilities_cache)
    template = place.write_template("forced", tinycd.build(place.directory / "12.iso", **OTHER))
    refused = place.install(template)
    assert refused.returncode == 5 and f"expected Debian 13 for x86_64; {SEEMS}" in refused.stderr
    assert "hint: if it is the right one all the same, --force-media" in refused.stderr
    assert not (place.images / "forced.dsk").exists()
    planned = place.install("-q", "--dry-run", "--force-media", template)
    assert planned.returncode == 0 and json.loads(planned.stdout)["install"]["answer_name"] == "preseed.cfg"
    done = place.install("-q", "--force-media", template)
    assert done.returncode == 0 and (place.images / "forced.dsk").is_file()
    (warning,) = done.stderr.splitlines()
    assert warning.startswith("WARNING: ") and f"expected Debian 13 for x86_64; {SEEMS}" in warning
    assert "it is used all the same (--force-media)" in warning
    # The plan is made of what the guest itself reads.
    media = json.loads((place.images / "forced.oz/plan.json").read_text())["media"]
    assert media["read"] == ["/.disk/info", "/.disk/cd_type"] and not place.leftovers()
