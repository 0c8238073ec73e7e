"""What Arch Linux's guest plans, and what it makes of media."""

import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from goldens import GOLDEN, compare
from plans import SETTINGS, action_text, plan_texts, sample_access, sample_plan, sample_tdl, samples

from oz.errors import GuestError, MediumError, TdlError, UnsupportedError, UsageError
from oz.guests import guest_for
from oz.model import Content, Medium, Package, Partition, Repository, RunCommand, Settings, Tdl
from oz.units import GIB

DIVIDED = (
    Partition(mount="/"),
    Partition(mount="/var/lib", size_bytes=GIB, filesystem="xfs"),
    Partition(mount="/var", size_bytes=2 * GIB),
    Partition(mount="swap", size_bytes=GIB),
)


def arch_tdl(**changes: Any) -> Tdl:
    if "partitions" in changes:
        changes.setdefault("partition_layout", "plain")
    return sample_tdl("rolling", "x86_64", "iso", **{"distro": "Arch", **changes})


@pytest.mark.parametrize("name", ["arch-rolling-x86_64-iso", "arch-rolling-x86_64-iso-divided"])
def test_a_plan_is_the_one_that_was_read_and_kept(name: str, request: pytest.FixtureRequest) -> None:
    tdl = arch_tdl(partitions=DIVIDED) if name.endswith("divided") else arch_tdl()
    compare(GOLDEN / name, plan_texts(sample_plan(tdl)), regenerate=request.config.getoption("regenerate"))


def test_scripts_are_ones_that_shells_parse(proof: Callable[..., None]) -> None:
    guest = guest_for(arch_tdl())
    scripts = []
    for tdl in (arch_tdl(), arch_tdl(partitions=DIVIDED)):
        texts = plan_texts(sample_plan(tdl))
        scripts += [texts["install.sh"], texts["oz_start.sh"]]
    for action in (*guest.plan_seal(), *guest.plan_renewal(sample_access(guest))):
        assert isinstance(action, RunCommand) and action.script.data
        scripts.append(action.script.data.decode())
    for script in scripts:
        checked = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True)
        assert (checked.returncode, checked.stderr) == (0, ""), script
    for sample in samples("Arch"):
        proof("oracle", "Arch", *sample)


def test_partitions_are_mounted_from_the_root_on() -> None:
    script = sample_plan(arch_tdl(partitions=DIVIDED), Settings(disk_bus="sata")).answer
    assert re.findall(r"^mount --mkdir (\S+) (\S+)$", script, re.MULTILINE) == [
        ("/dev/sda4", "/mnt/"), ("/dev/sda2", "/mnt/var"), ("/dev/sda1", "/mnt/var/lib"),
    ]  # fmt: skip
    table = script.partition("<<'TABLE'\n")[2].partition("TABLE")[0].splitlines()
    assert table == ["label: dos", "size=1024MiB, type=83", "size=2048MiB, type=83", "size=1024MiB, type=82", "type=83"]
    with pytest.raises(UnsupportedError, match="cannot be installed on logical volumes"):
        sample_plan(arch_tdl(partition_layout="lvm"))


def test_media_of_any_month_are_taken_and_others_not() -> None:
    tdl = arch_tdl()
    guest = guest_for(tdl)
    there = guest.documented_medium(tdl)
    guest.check_medium(tdl, replace(there, volume_id="ARCH_202511"))
    plan = guest.plan_install(tdl, replace(there, volume_id="ARCH_202511"), sample_access(guest), SETTINGS)
    menu = plan_texts(plan)["boot_syslinux_syslinux.cfg"]
    assert " archisolabel=ARCH_202511 copytoram=n script=/run/archiso/bootmnt/oz/start.sh " in menu
    with pytest.raises(MediumError, match="does not look like a Arch medium"):
        guest.check_medium(tdl, Medium(path=None, volume_id="ARCHO"))
    with pytest.raises(UnsupportedError, match=r"there is no guest Arch '2025\.11\.01'"):
        guest_for(replace(tdl, version="2025.11.01"))


def test_an_answer_file_of_the_users_replaces_ours_and_nothing_else() -> None:
    plan = sample_plan(arch_tdl(), replace(SETTINGS, answer="pacstrap {{ target }} base\n{{ finish }}"))
    assert plan.answer.startswith("pacstrap /mnt base\n") and "arch-chroot /mnt ssh-keygen -A" in plan.answer
    with pytest.raises(UsageError, match=r"would never report the end.*\n.*\{\{ finish \}\}"):
        sample_plan(arch_tdl(), replace(SETTINGS, answer="true\n"))
    assert {**plan_texts(plan), "install.sh": ""} == {**plan_texts(sample_plan(arch_tdl())), "install.sh": ""}


def test_customizing_is_the_one_that_was_read_and_kept(request: pytest.FixtureRequest) -> None:
    tdl = arch_tdl(
        packages=(Package(name="less"), Package(name="mine", repository="ours")),
        repositories=(
            Repository(name="ours", url="https://h.example/$arch", key=Content(url="https://h.example/key")),
            Repository(name="short", url="http://h.example/y", signed=False, persisted=False),
        ),
    )
    text = action_text(guest_for(tdl).plan_customize(tdl))
    compare(GOLDEN / "arch-customize", {"actions": text}, regenerate=request.config.getoption("regenerate"))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"url": "https://me:pw@h.example/"}, "everybody can read"),
        ({"url": "https://h.example/", "sslverify": False}, "certificate of one server"),
    ],
)
def test_a_repository_that_pacman_cannot_have_is_refused(changes: dict[str, Any], complaint: str) -> None:
    tdl = arch_tdl(repositories=(Repository(name="r", **changes),))
    with pytest.raises(TdlError, match=complaint):
        guest_for(tdl).plan_customize(tdl)


def test_the_list_of_packages_is_read() -> None:
    guest = guest_for(arch_tdl())
    found = guest.parse_packages("glibc 2.41+r9-1\ngrub 2:2.12-3\n")
    assert [(one.name, one.epoch, one.version, one.release) for one in found] == [
        ("glibc", "", "2.41+r9", "1"), ("grub", "2", "2.12", "3"),
    ]  # fmt: skip
    with pytest.raises(GuestError, match="a line that is none: 'oops'"):
        guest.parse_packages("oops\n")
