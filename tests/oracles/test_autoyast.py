"""What others wrote judges YaST's plans: AutoYaST's own schemas, the shell, GRUB's parsers."""

import re
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from lxml import etree
from plans import plan_texts, sample_access, sample_plan, sample_tdl, samples

from oz.guests import RELEASES, guest_for
from oz.guests.suse import Suse
from oz.model import Partition, RunCommand, Settings, Tdl
from oz.units import GIB, TIB

SCHEMAS = Path(__file__).parents[2] / "../shared/oracles/autoyast"
NAMESPACE = "{http://www.suse.com/1.0/yast2ns}"
PARTITIONS = (Partition(mount="/"), Partition(mount="swap", size_bytes=GIB), Partition(mount="/home", size_bytes=GIB))

JUDGES = {
    # The oldest schema there is; 10.3 to 11.1 are its neighbours, and SLES 11 was cut from 11.1.
    "openSUSE-11_2": ("openSUSE", ("10.3", "11.0", "11.1", "11.2"), "SLES", ("11.0", "11.1", "11.2", "11.3", "11.4")),
    # The next of openSUSE's is Leap's, whose YaST is another: SLES's.
    "openSUSE-11_3": ("openSUSE", ("11.3", "11.4", "12.1", "12.2", "12.3", "13.1", "13.2"), "SLES", ()),
    "SLE-12-SP2": ("openSUSE", ("42.1", "42.2", "42.3"), "SLES", ("12.0", "12.1", "12.2", "12.3", "12.4", "12.5")),
    "SLE-15-SP6": (
        "openSUSE", ("15.0", "15.1", "15.2", "15.3", "15.4", "15.5", "15.6"),
        "SLES", ("15.0", "15.1", "15.2", "15.3", "15.4", "15.5", "15.6", "15.7"),
    ),
}  # fmt: skip
"""Schema to the releases that it judges."""


@cache
def schema(name: str) -> etree.RelaxNG:
    if not SCHEMAS.exists():
        pytest.skip("AutoYaST's schemas are not here: ../shared/oracles")
    return etree.RelaxNG(etree.parse(str(SCHEMAS / name / "profile.rng")))


def suse_tdl(distro: str, version: str, arch: str = "x86_64", install_type: str = "iso", **changes: object) -> Tdl:
    url = {"iso": "file:///media/install.iso", "url": "http://mirror.example/tree"}[install_type]
    return sample_tdl(version, arch, install_type, distro=distro, install_url=url, **changes)


def texts_of_all(distro: str, versions: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """Answer to texts of everything that can be planned, each answer once: with one partition, and with volumes."""
    found: dict[str, dict[str, str]] = {}
    for version, arch, install_type, firmware in samples(distro, Suse):
        if version not in versions:
            continue
        for layout in ({}, {"partition_layout": "lvm", "partitions": PARTITIONS}):
            tdl = suse_tdl(distro, version, arch, install_type, **layout)
            plan = sample_plan(tdl, Settings(firmware=firmware))
            found.setdefault(plan.answer, plan_texts(plan))
    return found


def test_no_release_is_without_a_judge() -> None:
    judged = {
        (distro, version) for judge in JUDGES.values() for distro, versions in zip(judge[::2], judge[1::2], strict=True)
        for version in versions
    }  # fmt: skip
    assert judged == {(row.distro, row.version) for row in RELEASES if row.planner is Suse}


@pytest.mark.parametrize("name", JUDGES)
def test_every_profile_is_one_by_its_schema(name: str, proof: Callable[..., None]) -> None:
    distro, versions, other, others = JUDGES[name]
    profiles = {**texts_of_all(str(distro), tuple(versions)), **texts_of_all(str(other), tuple(others))}
    if name.startswith("SLE-"):
        huge = sample_plan(suse_tdl("SLES", str(others[-1]), disk_bytes=3 * TIB)).answer
        profiles[huge] = {}
    assert len(profiles) >= 4
    for profile in profiles:
        judge = schema(name)
        assert judge.validate(etree.fromstring(profile.encode())), judge.error_log
    for system, judged in ((str(distro), versions), (str(other), others)):
        for sample in samples(system, Suse):
            if sample[0] in judged:
                proof("oracle", system, *sample)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ('<halt config:type="boolean">true<', "<halt>true<"),
        ("<size>max</size>", "<sice>max</sice>"),
        ('<packages config:type="list">', '<packages config:type="map">'),
        ("<bootproto>dhcp</bootproto>", "<dhcp/>"),
    ],
)
def test_the_schemas_know_wrong_from_right(right: str, wrong: str) -> None:
    profile = sample_plan(suse_tdl("openSUSE", "11.2")).answer
    assert right in profile
    assert not schema("openSUSE-11_2").validate(etree.fromstring(profile.replace(right, wrong).encode()))


@cache
def distinct_texts() -> list[dict[str, str]]:
    """Of each set of texts that differs by more than the profile's lists, one."""
    seen: dict[tuple[str, ...], dict[str, str]] = {}
    for distro in ("openSUSE", "SLES"):
        for version, arch, install_type, firmware in samples(distro, Suse):
            plan = sample_plan(suse_tdl(distro, version, arch, install_type), Settings(firmware=firmware))
            texts = plan_texts(plan)
            menus = (text for name, text in sorted(texts.items()) if name not in ("plan", "autoinst.xml"))
            seen.setdefault((*scripts_of(plan.answer), *menus), texts)
    return list(seen.values())


def scripts_of(profile: str) -> list[str]:
    return [str(source.text) for source in etree.fromstring(profile.encode()).iter(f"{NAMESPACE}source")]


def check_script(text: str) -> None:
    for shell in (["bash", "-n"], ["dash", "-n"]):
        checked = subprocess.run(shell, input=text, text=True, capture_output=True)
        assert (checked.returncode, checked.stderr) == (0, ""), (shell, text)


def test_scripts_are_ones_that_shells_parse() -> None:
    scripts = {script for texts in distinct_texts() for script in scripts_of(texts["autoinst.xml"])}
    assert len(scripts) >= 5
    for script in scripts:
        check_script(script)
        for hook in re.findall(r"<<'HOOK'\n(.*?)^HOOK$", script, re.DOTALL | re.MULTILINE):
            check_script(hook)


@pytest.mark.parametrize(("distro", "version"), [("openSUSE", "10.3"), ("openSUSE", "12.1"), ("SLES", "15.7")])
def test_sealing_and_renewing_are_scripts_that_shells_parse(distro: str, version: str) -> None:
    guest = guest_for(suse_tdl(distro, version))
    for action in (*guest.plan_seal(), *guest.plan_renewal(sample_access(guest))):
        assert isinstance(action, RunCommand) and action.script.data
        check_script(action.script.data.decode())
        # Debian's own programs: sshd makes its keys itself here.
        assert b"update-rc.d" not in action.script.data


def test_grub_parses_its_menus() -> None:
    menus = {texts["EFI_BOOT_grub.cfg"] for texts in distinct_texts() if "EFI_BOOT_grub.cfg" in texts}
    assert len(menus) >= 4
    for menu in menus:
        checked = subprocess.run(["grub-script-check"], input=menu, text=True, capture_output=True)
        assert (checked.returncode, checked.stderr) == (0, "")


def test_isolinux_menus_are_ones_that_grub_understands(tmp_path: Path) -> None:
    menus = {
        (name, text) for texts in distinct_texts() for name, text in texts.items() if name.endswith("_isolinux.cfg")
    }
    assert len(menus) >= 5
    for name, menu in menus:
        arch = "i386" if "i386" in name else "x86_64"
        loader = tmp_path / "boot" / arch / "loader"
        loader.mkdir(parents=True, exist_ok=True)
        (loader / "isolinux.cfg").write_text(menu)
        read = subprocess.run(
            ["grub-syslinux2cfg", "--isolinux", "-r", str(tmp_path), "-c", str(loader), str(loader / "isolinux.cfg")],
            text=True, capture_output=True, check=True,
        )  # fmt: skip
        assert "UNSUPPORTED" not in read.stdout and read.stderr == ""
        kernel = re.search(r"^ *linux\S* (.*)$", read.stdout, re.MULTILINE)
        assert kernel and "autoyast=" in kernel[1] and "console=ttyS0,115200n8" in kernel[1]
