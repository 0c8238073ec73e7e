"""What others wrote judges the plans of Red Hat's family: pykickstart, which is the parser of its installers, the
shell, GRUB's and SYSLINUX's readers, and osinfo-db's list of media."""

import csv
import functools
import re
import subprocess
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from re import _parser as regexps  # type: ignore[attr-defined]
from typing import Any

import pytest
from lxml import etree
from plans import plan_texts, sample_plan, sample_tdl, samples
from pykickstart.errors import KickstartError
from pykickstart.parser import KickstartParser, Packages
from pykickstart.version import makeVersion, versionMap

from oz.errors import UnsupportedError
from oz.guests.redhat import RedHat
from oz.guests.releases import RELEASES
from oz.model import Medium, Settings

FAMILY = sorted({release.distro for release in RELEASES if release.planner is RedHat})
OSINFO = Path("/usr/share/osinfo/os")
MEDIA = Path(__file__).parents[2] / "../shared/research/osinfo-media.tsv"

NEWEST = {"rawhide": "F45"}
NEIGHBOURS = {
    # Red Hat Linux and Enterprise Linux 2.1 are the ancestors of Enterprise Linux 3, Fedora Core 1 and 2 those of 3,
    # with which pykickstart begins. What they have and their neighbours have not is in DEPRECATED and REWRITTEN.
    "RedHatLinux": "RHEL3",
    "RHEL 2": "RHEL3",
    "FedoraCore 1": "FC3",
    "FedoraCore 2": "FC3",
}
"""Who judges the releases that pykickstart does not know."""

DEPRECATED = {
    # "yes" had to be there up to Fedora 8 and Enterprise Linux 5; pykickstart warns of it from its beginning.
    r"The zerombr command no longer takes any options": r"RHEL[345]|FC\d|F[78]",
    # A mouse had to be named up to Fedora Core 2; 3 finds it itself.
    r"The mouse command has been deprecated": "FC3",
}
"""What pykickstart may warn of, and whose judgement that is."""

REWRITTEN = {
    # Red Hat Linux 7.1 to 9 and Enterprise Linux 2.1 have levels, and DHCP is let in by a word; Enterprise Linux 3 has
    # on and off, and lets it in anyway. (pykickstart knows the old words, but wants a value that they never took.)
    "firewall --medium --dhcp --ssh\n": "firewall --enabled --ssh\n",
}
"""What a neighbour gets to see in place of what its ancestor knows."""


def judge_of(distro: str, version: str) -> str:
    major = version.split(".")[0]
    neighbour = NEIGHBOURS.get(distro) or NEIGHBOURS.get(f"{distro} {major}")
    if neighbour or distro not in ("Fedora", "FedoraCore"):
        return neighbour or f"RHEL{major}"
    return NEWEST.get(version) or ("FC" if distro == "FedoraCore" else "F") + version


@functools.cache
def judged() -> dict[tuple[str, str], dict[str, str]]:
    """Judge and answer file to one of the plans that has it, of every release in every way it can be installed."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for distro in FAMILY:
        for version, arch, install_type, firmware in samples(distro):
            for layout in ("plain", "lvm"):
                tdl = sample_tdl(version, arch, install_type, distro=distro, partition_layout=layout)
                try:
                    texts = plan_texts(sample_plan(tdl, Settings(firmware=firmware)))
                except UnsupportedError as error:
                    assert "logical volumes" in error.message
                    continue
                found.setdefault((judge_of(distro, version), texts["ks.cfg"]), texts)
    return found


# Making one takes a hundred times as long as reading a file with it.
handler_of = functools.cache(lambda judge: makeVersion(versionMap[judge]))


def complaints(judge: str, answer: str) -> list[str]:
    for old, new in REWRITTEN.items():
        answer = answer.replace(old, new)
    handler = handler_of(judge)
    handler.packages = Packages()
    for name in {"part", "volgroup", "logvol", "network"} & set(handler.commands):
        handler.resetCommand(name)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        parser = KickstartParser(handler)
        try:
            parser.readKickstartFromString(answer)
        except KickstartError as error:
            return [str(error)]
    return [str(one.message) for one in caught]


def test_every_release_has_a_judge() -> None:
    judges = {judge for judge, _ in judged()}
    assert judges <= set(versionMap)
    assert len(judges) == len(["RHEL3", *range(4, 11)]) + len(range(3, 7)) + len(range(7, 45)) + 1


def test_pykickstart_takes_every_answer_file(proof: Callable[..., None]) -> None:
    for judge, answer in judged():
        for complaint in complaints(judge, answer):
            allowed = [who for what, who in DEPRECATED.items() if what in complaint]
            assert allowed and re.fullmatch(allowed[0], judge), (judge, complaint, answer)
    for distro in FAMILY:
        for sample in samples(distro):
            proof("oracle", distro, *sample)


@pytest.mark.parametrize(
    ("judge", "old", "new"),
    [
        ("F9", "zerombr\n", "zerombr yes\n"),
        ("F34", "text\n", "install\ntext\n"),
        ("RHEL10", "skipx\n", "auth --enableshadow\nskipx\n"),
        ("RHEL6", "%end\n", ""),
        ("RHEL3", "skipx\n", "selinux --enforcing\nskipx\n"),
    ],
)
def test_pykickstart_knows_wrong_from_right(judge: str, old: str, new: str) -> None:
    answer = next(answer for name, answer in judged() if name == judge)
    assert old in answer
    assert set(complaints(judge, answer.replace(old, new))) - set(complaints(judge, answer))


def test_every_section_with_a_script_is_one_that_shells_parse() -> None:
    scripts = {
        script
        for _, answer in judged()
        for script in re.findall(r"^%(?:pre|post)\n(.*?)(?=^%|\Z)", answer, re.DOTALL | re.MULTILINE)
    }
    assert len(scripts) > 4 and any("/tmp/anaconda.log" in script for script in scripts)
    for text in scripts:
        for shell in (["sh", "-n"], ["bash", "-n"]):
            checked = subprocess.run(shell, input=text, text=True, capture_output=True)
            assert (checked.returncode, checked.stderr) == (0, ""), (shell, text)


def menus(pattern: str) -> set[str]:
    """The distinct menus of a kind; volume ids and numbers do not make them so."""
    found: dict[str, str] = {}
    for texts in judged().values():
        for name, text in texts.items():
            if re.fullmatch(pattern, name):
                found.setdefault(re.sub(r"(?<==LABEL=)[^:\s]*|-l .*|\d+", "", text), text)
    return set(found.values())


def test_grub_parses_its_menus() -> None:
    texts = menus(r".*grub\.cfg")
    assert any("linuxefi" in text for text in texts) and any("ttyAMA0" in text for text in texts)
    for text in texts:
        checked = subprocess.run(["grub-script-check"], input=text, text=True, capture_output=True)
        assert (checked.returncode, checked.stderr) == (0, ""), text


def test_menus_of_isolinux_and_of_floppies_are_ones_that_grub_understands(tmp_path: Path) -> None:
    texts = menus(r"isolinux_isolinux\.cfg|floppy_SYSLINUX\.CFG")
    assert any("ks=floppy" in text for text in texts) and any(r"\x20" in text for text in texts)
    (tmp_path / "isolinux").mkdir()
    file = tmp_path / "isolinux/isolinux.cfg"
    for text in texts:
        file.write_text(text)
        command = ["grub-syslinux2cfg", "--isolinux", "-r", str(tmp_path), str(file)]
        read = subprocess.run(command, text=True, capture_output=True, check=True)
        assert "UNSUPPORTED" not in read.stdout and read.stderr == ""
        kernel = re.search(r"^ *linux\S* \S*'vmlinuz' (.*)$", read.stdout, re.MULTILINE)
        assert kernel and "ks=" in kernel[1] and "initrd.img" in read.stdout


# ------------------------------------------------------------------ osinfo-db

DISTROS = {
    "fedora": "Fedora",
    "rhel": "RHEL",
    "centos": "CentOS",
    "centos-stream": "CentOSStream",
    "ol": "OracleLinux",
    "almalinux": "AlmaLinux",
    "rocky": "Rocky",
    "scientificlinux": "ScientificLinux",
}
Row = tuple[str, str, bool, str]


def installed_media() -> Iterator[Row]:
    """Short id, architecture, whether it is live, and the regular expression of the volume id."""
    for path in OSINFO.glob("*/*.xml"):
        for system in etree.parse(path).getroot().iter("os"):
            for media in system.iter("media"):
                volume = media.findtext("iso/volume-id") or media.findtext("iso/application-id") or ""
                yield system.findtext("short-id"), media.get("arch"), media.get("live") == "true", volume


def listed_media() -> Iterator[Row]:
    with MEDIA.open() as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            volume = row["volume_id_regex"] or row["application_id"]
            yield row["short_id"], row["arch"], row["live"] == "true", volume


def simplest(nodes: Any) -> str:
    """A string that a parsed regular expression matches."""
    text = ""
    for operation, argument in nodes:
        match str(operation):
            case "LITERAL":
                text += chr(argument)
            case "ANY":
                text += "."
            case "IN":
                kind, value = argument[0]
                text += {"LITERAL": lambda v: chr(v), "RANGE": lambda v: chr(v[0])}.get(str(kind), lambda v: "1")(value)
            case "BRANCH":
                text += simplest(argument[1][0])
            case "SUBPATTERN":
                text += simplest(argument[3])
            case "MAX_REPEAT":
                text += simplest(argument[2]) * argument[0]
    return text


@pytest.mark.parametrize("source", [installed_media, listed_media])
def test_osinfos_media_are_named_as_osinfo_names_them(source: Any) -> None:
    if not (OSINFO.is_dir() if source is installed_media else MEDIA.exists()):
        pytest.skip("osinfo-db's list of media is not here")
    wrong, seen, unsure = [], 0, set()
    for short_id, arch, is_live, pattern in source():
        name = re.fullmatch(r"([a-z-]+?)(\d[\d.]*)(?:-unknown)?", short_id)
        if not name or name[1] not in DISTROS or not pattern or arch not in ("i686", "i386", "x86_64", "aarch64"):
            continue
        if pattern.startswith("RHELSA-1.5"):
            continue  # a preview, numbered by itself
        distro = "FedoraCore" if name[1] == "fedora" and int(name[2]) < 7 else DISTROS[name[1]]
        volume_id = simplest(regexps.parse(pattern)).strip()
        assert re.match(pattern, volume_id) or pattern.startswith((".*", "FC")), (pattern, volume_id)
        seen += 1
        (identity,) = RedHat.identify(Medium(path=None, volume_id=volume_id)) or (None,)
        if identity is None or identity.distro != distro:
            wrong.append((pattern, volume_id, identity))
            continue
        found, wanted = identity.version.split("."), name[2].split(".")
        if not identity.is_sure:
            unsure.add(volume_id)
        elif any(one != other for one, other in zip(found, wanted, strict=False)):
            wrong.append((pattern, volume_id, identity))
        if identity.arches not in ((), (arch.replace("i686", "i386"),)) or (identity.variant == "live") != is_live:
            wrong.append((pattern, volume_id, identity))
    assert not wrong and seen > 200
    assert unsure <= {"CentOS", "CentOS-Stream-BaseOS-x86_64", "CentOS-Stream-BaseOS-aarch64"}
