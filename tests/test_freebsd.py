"""What FreeBSD's guests plan, release by release, and what they make of media."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from goldens import GOLDEN, change_points, compare
from plans import SETTINGS, action_text, plan_texts, sample_access, sample_plan, sample_tdl, samples

from oz.errors import GuestError, MediumError, TdlError, UnsupportedError, UsageError
from oz.guests import REFUSED, all_releases, guest_for, releases_of
from oz.guests.freebsd import FreeBsd
from oz.model import Content, Medium, Package, Partition, Repository, RunCommand, Settings, Tdl
from oz.units import GIB

VERSIONS = [row.version for row in all_releases() if row.distro == "FreeBSD"]
POINTS = ["10.1", "13.0", "15.0"]
"""The releases whose plan for x86_64 is not that of the release before."""
ZFS = (Partition(mount="/", filesystem="zfs"), Partition(mount="swap", size_bytes=GIB))
DIVIDED = (
    Partition(mount="/var", size_bytes=2 * GIB),
    Partition(mount="/"),
    Partition(mount="swap", size_bytes=GIB),
)


def bsd_tdl(version: str = "14.3", arch: str = "x86_64", **changes: Any) -> Tdl:
    if "partitions" in changes:
        changes.setdefault("partition_layout", "plain")
    return sample_tdl(version, arch, "iso", **{"distro": "FreeBSD", **changes})


def golden_samples() -> Iterator[tuple[str, Tdl, Settings]]:
    for version in POINTS:
        yield f"freebsd-{version}-x86_64-iso", bsd_tdl(version), SETTINGS
    yield "freebsd-15.0-aarch64-iso-divided", bsd_tdl("15.0", "aarch64", partitions=DIVIDED), SETTINGS
    yield "freebsd-14.3-x86_64-iso-efi-zfs", bsd_tdl(partitions=ZFS), replace(SETTINGS, firmware="efi")


@pytest.mark.parametrize(
    ("name", "tdl", "settings"), list(golden_samples()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_plan_is_the_one_that_was_read_and_kept(
    name: str, tdl: Tdl, settings: Settings, request: pytest.FixtureRequest
) -> None:
    compare(GOLDEN / name, plan_texts(sample_plan(tdl, settings)), regenerate=request.config.getoption("regenerate"))


def test_the_releases_between_the_goldens_are_planned_alike() -> None:
    def texts_of(version: str) -> dict[str, str]:
        texts = plan_texts(sample_plan(bsd_tdl(version)))
        return {name: text.replace(f"{version.replace('.', '_')}_RELEASE", "") for name, text in texts.items()}

    assert change_points(VERSIONS, texts_of) == POINTS
    kept = {path.name for path in GOLDEN.iterdir() if path.name.startswith("freebsd-1")}
    assert kept == {name for name, _, _ in golden_samples()}


def test_every_release_is_there_with_its_architectures() -> None:
    assert (VERSIONS[0], VERSIONS[-1], len(VERSIONS)) == ("10.1", "15.1", 27)
    arches = {row.version: row.arches for row in all_releases() if row.distro == "FreeBSD"}
    assert arches["12.4"] == ("i386", "x86_64")
    assert arches["14.3"] == ("i386", "x86_64", "aarch64")
    assert arches["15.0"] == ("x86_64", "aarch64")
    assert guest_for(bsd_tdl("13")).title == "FreeBSD 13.5"


def test_documented_media_are_accepted_and_planned() -> None:
    planned = samples("FreeBSD")
    for version, arch, _, firmware in planned:
        tdl = bsd_tdl(version, arch)
        guest = guest_for(tdl)
        guest.check_medium(tdl, guest.documented_medium(tdl))
        plan = sample_plan(tdl, Settings(firmware=firmware))
        assert plan.hardware.firmware == firmware
    assert len(planned) > 80


@pytest.mark.parametrize(
    ("volume_id", "version", "arch", "variant"),
    [
        ("10_1_RELEASE_AMD64_DVD", "10.1", "x86_64", "dvd"),
        ("11_0_RELEASE_P1_I386_CD", "11.0", "i386", "cd"),
        ("15_0_RELEASE_AMD64_BO", "15.0", "x86_64", "netinst"),
        ("14_2_RELEASE_ARM64_AARCH64_CD", "14.2", "aarch64", "cd"),
    ],
)
def test_media_are_named_by_their_volume_ids(volume_id: str, version: str, arch: str, variant: str) -> None:
    (found,) = FreeBsd.identify(Medium(path=None, volume_id=volume_id))
    assert (found.distro, found.version, found.arches, found.variant) == ("FreeBSD", version, (arch,), variant)


def test_the_base_is_packages_where_media_have_no_sets() -> None:
    """release/Makefile of 15: disc1 has a repository, and of the sets their MANIFEST alone."""
    tdl = bsd_tdl("15.0")
    guest = guest_for(tdl)
    repository = "/usr/freebsd-packages/repos/FreeBSD-base-offline.conf"
    medium = guest.documented_medium(tdl)
    assert repository in medium.paths and not any("freebsd-dist" in path for path in medium.paths)
    with pytest.raises(MediumError, match=f"expected {repository}\n.*bootonly"):
        guest.check_medium(tdl, replace(medium, paths=frozenset({"/usr/freebsd-dist/MANIFEST"})))


def test_the_base_is_installed_once_the_file_systems_are_mounted(tmp_path: Path) -> None:
    """The preamble, as bsdinstall's script sources it."""
    preamble = sample_plan(bsd_tdl("15.0")).answer.partition("#!")[0]
    for name in ("bsdinstall", "pkg"):
        (tmp_path / name).write_text(f'#!/bin/sh\necho "{name} $*" >>{tmp_path}/ran\n[ "$*" != "$FAIL" ]\n')
        (tmp_path / name).chmod(0o755)
    script = f"""set -e
export PATH={tmp_path}:$PATH BSDINSTALL_CHROOT={tmp_path}/mnt
{preamble}
: ${{DISTRIBUTIONS="kernel.txz base.txz"}}
bsdinstall scriptedpart "$PARTITIONS"
bsdinstall mount
for set in $DISTRIBUTIONS; do echo "$set" >>{tmp_path}/ran; done
bsdinstall bootconfig
"""

    def run(fail: str = "-") -> tuple[int, list[str]]:
        (tmp_path / "ran").unlink(missing_ok=True)
        done = subprocess.run(["dash"], input=script, text=True, env={**os.environ, "FAIL": fail})
        return done.returncode, (tmp_path / "ran").read_text().splitlines()

    status, ran = run()
    assert status == 0
    assert [line.split()[0] for line in ran] == ["bsdinstall", "bsdinstall", "pkg", "pkg", "bsdinstall"]
    assert ran[2].endswith("IGNORE_OSVERSION=yes update") and " FreeBSD-set-base FreeBSD-kernel-generic" in ran[3]
    assert "enabled: yes" in (tmp_path / "mnt/usr/local/etc/pkg/repos/FreeBSD.conf").read_text()
    for fail, left in (("mount", 2), (ran[2].removeprefix("pkg "), 3), (ran[3].removeprefix("pkg "), 4)):
        status, ran = run(fail)
        assert status != 0 and len(ran) == left, (fail, ran)


def test_other_media_are_refused() -> None:
    tdl = bsd_tdl()
    guest = guest_for(tdl)
    there = guest.documented_medium(tdl)
    with pytest.raises(MediumError, match=r"has no installer: .*expected /usr/freebsd-dist/base\.txz\n.*bootonly"):
        guest.check_medium(tdl, replace(there, volume_id="14_3_RELEASE_AMD64_BO", paths=frozenset()))
    with pytest.raises(MediumError, match="is another medium"):
        guest.check_medium(tdl, replace(there, volume_id="14_2_RELEASE_AMD64_CD"))
    with pytest.raises(MediumError, match="does not look like a FreeBSD medium"):
        guest.check_medium(tdl, replace(there, volume_id="Debian 13.1.0 amd64 n"))


# ------------------------------------------------------------------ the disk


def partitions_of(tdl: Tdl, settings: Settings = SETTINGS) -> str:
    found = re.search(r"^PARTITIONS='(.*)'$", sample_plan(tdl, settings).answer, re.MULTILINE)
    assert found
    return found[1]


def test_the_root_is_the_first_and_leaves_room_for_what_follows() -> None:
    assert partitions_of(bsd_tdl()) == "vtbd0 GPT { auto freebsd-ufs / }"
    text = partitions_of(bsd_tdl(partitions=DIVIDED))
    found = re.fullmatch(
        r"vtbd0 GPT \{ (\d+)M freebsd-ufs /, 2048M freebsd-ufs /var, 1024M freebsd-swap \}",
        text,
    )
    assert found and 7000 < int(found[1]) < 7168
    rest_last = (Partition(mount="/", size_bytes=5 * GIB), Partition(mount="/home"))
    assert partitions_of(bsd_tdl(partitions=rest_last)).endswith("{ 5120M freebsd-ufs /, auto freebsd-ufs /home }")


@pytest.mark.parametrize(("bus", "device"), [("virtio", "vtbd0"), ("sata", "ada0"), ("scsi", "da0")])
def test_the_disk_is_named_by_its_bus(bus: str, device: str) -> None:
    assert partitions_of(bsd_tdl(), Settings(disk_bus=bus)).startswith(f"{device} GPT")
    assert f"ZFSBOOT_DISKS={device} " in sample_plan(bsd_tdl(partitions=ZFS), Settings(disk_bus=bus)).answer


@pytest.mark.parametrize(
    ("partitions", "complaint"),
    [
        ((Partition(mount="/"), Partition(mount="/boot", size_bytes=GIB)), "reads no /boot apart"),
        ((Partition(mount="/", filesystem="zfs"), Partition(mount="/home", size_bytes=GIB)), "one pool for all"),
        ((Partition(mount="/"), Partition(mount="/home", size_bytes=GIB, filesystem="zfs")), "one pool for all"),
        ((Partition(mount="/", size_bytes=5 * GIB, filesystem="zfs"),), "takes the rest\n.*give / no size"),
        ((Partition(mount="/", filesystem="ext4"),), "makes no file system 'ext4'"),
    ],
)  # fmt: skip
def test_what_bsdinstall_cannot_make_is_refused(partitions: tuple[Partition, ...], complaint: str) -> None:
    tdl = bsd_tdl(partitions=partitions)
    with pytest.raises(UnsupportedError, match=complaint):
        guest_for(tdl).check_template(tdl, SETTINGS)


def test_a_disk_that_is_too_small_is_refused() -> None:
    with pytest.raises(TdlError, match=r"FreeBSD 14\.3 does not fit on a disk of 2 GiB\n.*4 GiB at the least"):
        sample_plan(bsd_tdl(disk_bytes=2 * GIB))


# ------------------------------------------------------------------ the start and the end


def test_the_loader_starts_at_once_with_what_the_medium_says_and_the_template() -> None:
    tdl = bsd_tdl(kernelparam="kern.hz=100 hint.uart.2.at=isa")
    loader = plan_texts(sample_plan(tdl))["boot_loader.conf"].splitlines()
    assert loader[0] == 'vfs.root.mountfrom="cd9660:/dev/iso9660/14_3_RELEASE_AMD64_CD"'
    assert loader[-2:] == ['kern.hz="100"', 'hint.uart.2.at="isa"'] and 'autoboot_delay="-1"' in loader
    with pytest.raises(TdlError, match=r"'quiet' is no variable of FreeBSD's loader\n.*name=value"):
        sample_plan(bsd_tdl(kernelparam="quiet"))


def test_an_answer_file_of_the_users_must_bring_the_key() -> None:
    given = 'PARTITIONS="{{ disk_device }}"\n#!/bin/sh\n{{ finish }}\n'
    plan = sample_plan(bsd_tdl(), replace(SETTINGS, answer=given))
    assert plan.answer.startswith('PARTITIONS="vtbd0"\n') and "sshd_enable=YES" in plan.answer
    others = plan_texts(sample_plan(bsd_tdl()))
    assert {**plan_texts(plan), plan.answer_name: ""} == {**others, plan.answer_name: ""}
    with pytest.raises(UsageError, match=r"would never report the end.*\n.*\{\{ finish \}\}"):
        sample_plan(bsd_tdl(), replace(SETTINGS, answer="PARTITIONS=DEFAULT\n"))


def test_an_answer_file_of_the_users_must_bring_the_base_where_there_are_no_sets() -> None:
    given = 'PARTITIONS="{{ disk_device }}"\n#!/bin/sh\n{{ finish }}\n'
    with pytest.raises(UsageError, match=r"the media of FreeBSD 15\.0 have no sets\n.*\{\{ base \}\}"):
        sample_plan(bsd_tdl("15.0"), replace(SETTINGS, answer=given))
    assert "bsdinstall() {" in sample_plan(bsd_tdl("15.0"), replace(SETTINGS, answer="{{ base }}\n" + given)).answer
    assert 'DISTRIBUTIONS="' in sample_plan(bsd_tdl("14.3"), replace(SETTINGS, answer="{{ base }}\n" + given)).answer


# ------------------------------------------------------------------ the installed system


def test_customizing_is_the_one_that_was_read_and_kept(request: pytest.FixtureRequest) -> None:
    tdl = bsd_tdl(
        packages=(Package(name="tmux"), Package(name="mine", repository="ours")),
        repositories=(
            Repository(name="ours", url="https://h.example/${ABI}/x", key=Content(url="https://h.example/key")),
            Repository(name="FreeBSD", url="http://h.example/os", signed=False, persisted=False),
        ),
    )
    text = action_text(guest_for(tdl).plan_customize(tdl))
    compare(GOLDEN / "freebsd-customize", {"actions": text}, regenerate=request.config.getoption("regenerate"))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"url": "https://me:pw@h.example/"}, "everybody can read"),
        ({"url": "https://h.example/", "sslverify": False}, "certificate of one server"),
        ({"url": "http://h.example/$$x"}, "one \\$ of two"),
    ],
)
def test_a_repository_that_pkg_cannot_have_is_refused(changes: dict[str, Any], complaint: str) -> None:
    tdl = bsd_tdl(repositories=(Repository(name="r", **changes),))
    with pytest.raises(TdlError, match=complaint):
        guest_for(tdl).plan_customize(tdl)


def test_a_repositorys_file_says_how_it_is_signed() -> None:
    def options(**changes: Any) -> dict[str, Any]:
        tdl = bsd_tdl(repositories=(Repository(name="r", url="http://h.example/", **changes),))
        text = action_text(guest_for(tdl).plan_customize(tdl))
        found = re.search(r"^== put /usr/local/etc/pkg/repos/r.conf 644\n(.*?)^== ", text, re.DOTALL | re.MULTILINE)
        assert found
        return dict(json.loads(found[1])["r"])

    assert options()["signature_type"] == "fingerprints"
    assert options(signed=False)["signature_type"] == "none"
    assert options(key=Content(data=b"x"))["pubkey"] == "/usr/local/etc/pkg/keys/oz-r"


def test_the_list_of_packages_is_read() -> None:
    guest = guest_for(bsd_tdl())
    text = "FreeBSD\t14.3-RELEASE-p1\tamd64\npkg\t2.1.2\tFreeBSD:14:amd64\nvim\t9.1.0_2,1\tFreeBSD:14:amd64\n"
    found = guest.parse_packages(text)
    assert [(one.name, one.version, one.release, one.epoch) for one in found] == [
        ("FreeBSD", "14.3-RELEASE-p1", "", ""), ("pkg", "2.1.2", "", ""), ("vim", "9.1.0", "2", "1"),
    ]  # fmt: skip
    with pytest.raises(GuestError, match="a line that is none: 'oops'"):
        guest.parse_packages("oops\n")


def test_sealing_and_renewing_are_for_freebsd(tmp_path: Path) -> None:
    guest = guest_for(bsd_tdl())
    for action in (*guest.plan_seal(), *guest.plan_renewal(sample_access(guest))):
        assert isinstance(action, RunCommand) and action.script.data
        text = action.script.data.decode()
        assert "systemd-machine-id" not in text and "chpasswd" not in text
        if action.label in ("seal", "renew"):
            assert "/etc/hostid /etc/machine-id" in text and "/entropy" in text
    for name in ("etc/hostid", "entropy", "var/db/dhclient.leases.vtnet0", "etc/ssh/ssh_host_rsa_key"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "var/log").mkdir()
    (seal,) = guest.plan_seal()
    assert isinstance(seal, RunCommand) and seal.script.data
    places = r"(?<![\w.*/])/(etc|var|root|boot|tmp|entropy)\b"
    script = re.sub(places, rf"{tmp_path}/\1", seal.script.data.decode())
    done = subprocess.run(["dash"], input=script, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    assert (guest.power_off_command, guest.sealed_power_off_command) == ("shutdown -p now", "sync; halt -p -q")


# ------------------------------------------------------------------ what cannot be installed


@pytest.mark.parametrize("name", REFUSED)
def test_a_system_without_answer_files_is_refused_with_the_reason(name: str) -> None:
    words = rf"{name} cannot be installed unattended: {re.escape(REFUSED[name])}"
    with pytest.raises(UnsupportedError, match=f"sample.tdl:3: {words}"):
        guest_for(sample_tdl("7", distro=name.lower()))
    with pytest.raises(UnsupportedError, match=f"^{words}"):
        releases_of([name.upper()])
