"""What Alpine's guests plan, and what they make of media."""

import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from goldens import GOLDEN, change_points, compare
from plans import SETTINGS, action_text, plan_texts, sample_access, sample_plan, sample_tdl, samples

from oz.errors import GuestError, MediumError, TdlError, UnsupportedError
from oz.guests import all_releases, guest_for
from oz.guests.alpine import Alpine
from oz.model import Content, Medium, Package, Partition, Repository, RunCommand, Settings, Tdl
from oz.units import GIB

VERSIONS = [row.version for row in all_releases() if row.distro == "Alpine"]
SWAP = (Partition(mount="/", filesystem="xfs"), Partition(mount="swap", size_bytes=GIB))


def alpine_tdl(version: str = "3.22", arch: str = "x86_64", **changes: Any) -> Tdl:
    if "partitions" in changes:
        changes.setdefault("partition_layout", "plain")
    return sample_tdl(version, arch, "iso", **{"distro": "Alpine", **changes})


def golden_samples() -> Iterator[tuple[str, Tdl, Settings]]:
    yield "alpine-3.18-x86_64-iso", alpine_tdl("3.18"), SETTINGS
    yield "alpine-3.23-aarch64-iso-swap", alpine_tdl("3.23", "aarch64", partitions=SWAP), SETTINGS


@pytest.mark.parametrize(
    ("name", "tdl", "settings"), list(golden_samples()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_plan_is_the_one_that_was_read_and_kept(
    name: str, tdl: Tdl, settings: Settings, request: pytest.FixtureRequest
) -> None:
    compare(GOLDEN / name, plan_texts(sample_plan(tdl, settings)), regenerate=request.config.getoption("regenerate"))


def test_the_releases_between_the_goldens_are_planned_alike() -> None:
    def texts_of(version: str) -> dict[str, str]:
        texts = plan_texts(sample_plan(alpine_tdl(version)))
        return {name: text.replace(f"v{version}/", "") for name, text in texts.items()}

    assert change_points(VERSIONS, texts_of) == ["3.18"]


def test_documented_media_are_accepted_and_planned_as_scripts_that_shells_take(proof: Callable[..., None]) -> None:
    """Alpine's own shell is busybox."""
    scripts, answers = set(), set()
    for version, arch, install_type, firmware in samples("Alpine"):
        tdl = alpine_tdl(version, arch)
        guest = guest_for(tdl)
        guest.check_medium(tdl, guest.documented_medium(tdl))
        texts = plan_texts(sample_plan(tdl, Settings(firmware=firmware)))
        scripts |= {texts["oz.apkovl_etc_oz_install"], texts["oz.apkovl_etc_local.d_oz.start"]}
        answers.add(texts["answers"])
        proof("oracle", "Alpine", version, arch, install_type, firmware)
    guest = guest_for(alpine_tdl())
    for action in (*guest.plan_seal(), *guest.plan_renewal(sample_access(guest))):
        assert isinstance(action, RunCommand) and action.script.data
        scripts.add(action.script.data.decode())
    assert len(scripts) >= 6 and len(answers) == len(VERSIONS)
    for script in scripts | answers:
        checked = subprocess.run(["busybox", "sh", "-n"], input=script, text=True, capture_output=True)
        assert (checked.returncode, checked.stderr) == (0, ""), script
    for answer in answers:
        asked = f'{answer}\nprintf "%s:" "$DISKOPTS" "$HOSTNAMEOPTS" "$USEROPTS"'
        said = subprocess.run(["busybox", "sh"], input=asked, text=True, capture_output=True, check=True)
        assert said.stdout == "-m sys -s 0 /dev/vda:alpine:none:"


def test_nothing_of_ours_stays_in_what_the_new_system_gets() -> None:
    start = plan_texts(sample_plan(alpine_tdl()))["oz.apkovl_etc_local.d_oz.start"]
    assert start.index("mv /etc/oz /tmp/oz") < start.index("sh /tmp/oz/install") < start.index("oz-done")
    assert "rm -f /etc/local.d/oz.start /etc/runlevels/default/local\n" in start


def test_menus_start_at_once_with_the_templates_arguments() -> None:
    texts = plan_texts(sample_plan(alpine_tdl(kernelparam="quiet a=b")))
    for name in ("boot_syslinux_syslinux.cfg", "boot_grub_grub.cfg"):
        assert "quiet a=b console=tty0 console=ttyS0,115200n8" in texts[name]
    lts = Medium(
        path=None,
        volume_id="alpine-std 3.22.1 x86_64",
        paths=frozenset({"/boot/vmlinuz-lts", "/boot/initramfs-lts", "/boot/syslinux/syslinux.cfg"}),
    )
    guest = guest_for(alpine_tdl())
    guest.check_medium(alpine_tdl(), lts)
    plan = guest.plan_install(alpine_tdl(), lts, sample_access(guest), SETTINGS)
    assert "kernel /boot/vmlinuz-lts" in plan_texts(plan)["boot_syslinux_syslinux.cfg"]
    with pytest.raises(MediumError, match=r"does not boot under efi firmware: it has no /boot/grub/grub\.cfg"):
        guest.plan_install(alpine_tdl(), lts, sample_access(guest), replace(SETTINGS, firmware="efi"))


@pytest.mark.parametrize(
    ("volume_id", "version", "arches"),
    [
        ("alpine-std 3.21.0 x86_64", "3.21.0", ("x86_64",)),
        ("alpine-virt 3.20.3 x86", "3.20.3", ("i386",)),
        ("alpine-ext 3.19.1 aarch64", "3.19.1", ("aarch64",)),
        ("alpine-std 3.19.1 s390x", "3.19.1", ("s390x",)),
    ],
)
def test_media_are_named_by_their_volume_ids(volume_id: str, version: str, arches: tuple[str, ...]) -> None:
    (found,) = Alpine.identify(Medium(path=None, volume_id=volume_id))
    assert (found.version, found.arches) == (version, arches)
    assert Alpine.identify(Medium(path=None, volume_id=volume_id.replace("alpine", "alpaca"))) == ()


def test_the_disk_is_setup_disks() -> None:
    plan = sample_plan(alpine_tdl(partitions=SWAP), Settings(disk_bus="scsi"))
    assert 'DISKOPTS="-m sys -s 1024 /dev/sda"' in plan.answer
    assert "ERASE_DISKS=/dev/sda ROOTFS=xfs " in plan_texts(plan)["oz.apkovl_etc_oz_install"]
    for wrong in (
        (Partition(mount="/"), Partition(mount="/home", size_bytes=GIB)),
        (Partition(mount="/", size_bytes=GIB),),
    ):
        tdl = alpine_tdl(partitions=wrong)
        with pytest.raises(UnsupportedError, match="makes / of the rest of the disk, swap, and no other"):
            guest_for(tdl).check_template(tdl, SETTINGS)


def test_an_answer_file_of_the_users_replaces_ours_and_nothing_else() -> None:
    plan = sample_plan(alpine_tdl(), replace(SETTINGS, answer='DISKOPTS="-m sys {{ disk_device }}"\n'))
    assert plan.answer == 'DISKOPTS="-m sys /dev/vda"\n'
    assert {**plan_texts(plan), "answers": ""} == {**plan_texts(sample_plan(alpine_tdl())), "answers": ""}


def test_customizing_is_the_one_that_was_read_and_kept(request: pytest.FixtureRequest) -> None:
    tdl = alpine_tdl(
        packages=(Package(name="less"), Package(name="mine", repository="ours")),
        repositories=(
            Repository(name="ours", url="https://h.example/x", key=Content(url="https://h.example/me-1.rsa.pub")),
            Repository(name="short", url="http://h.example/y", key=Content(data=b"x"), persisted=False),
        ),
    )
    text = action_text(guest_for(tdl).plan_customize(tdl))
    compare(GOLDEN / "alpine-customize", {"actions": text}, regenerate=request.config.getoption("regenerate"))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"url": "https://me:pw@h.example/"}, "everybody can read"),
        ({"url": "https://h.example/", "sslverify": False}, "certificate of one server"),
        ({"url": "http://h.example/", "signed": False}, "takes no unsigned repository"),
        # Not that of the certificate, whose way out would be none.
        ({"url": "https://h.example/", "signed": False, "sslverify": False}, "takes no unsigned repository"),
    ],
)
def test_a_repository_that_apk_cannot_have_is_refused(changes: dict[str, Any], complaint: str) -> None:
    tdl = alpine_tdl(repositories=(Repository(name="r", **changes),))
    with pytest.raises(TdlError, match=complaint):
        guest_for(tdl).plan_customize(tdl)


def test_the_list_of_packages_is_read() -> None:
    guest = guest_for(alpine_tdl())
    lines = (
        "musl-1.2.5-r9 x86_64 {musl} (MIT) [installed]\n"
        "ca-certificates-bundle-20241121-r1 x86_64 {ca-certificates} (MPL-2.0 AND MIT) [installed]\n"
        "py3-setuptools-70.3.0-r0 noarch {py3-setuptools} (MIT) [installed]\n"
    )
    found = [(one.name, one.version, one.release, one.architecture) for one in guest.parse_packages(lines)]
    assert found == [
        ("musl", "1.2.5", "9", "x86_64"),
        ("ca-certificates-bundle", "20241121", "1", "x86_64"),
        ("py3-setuptools", "70.3.0", "0", "noarch"),
    ]
    with pytest.raises(GuestError, match="a line that is none: 'oops'"):
        guest.parse_packages("oops\n")


def test_grub_parses_its_menu() -> None:
    menu = plan_texts(sample_plan(alpine_tdl()))["boot_grub_grub.cfg"]
    checked = subprocess.run(["grub-script-check"], input=menu, text=True, capture_output=True)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert re.search(r"^ *linux /boot/vmlinuz-virt ", menu, re.MULTILINE)
