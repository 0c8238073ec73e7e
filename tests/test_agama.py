"""What Agama's guests plan, and what they make of media."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from goldens import GOLDEN, change_points, compare
from plans import SETTINGS, plan_texts, sample_access, sample_plan, sample_tdl, samples

from oz.errors import MediumError, UnsupportedError, UsageError
from oz.guests import RELEASES, guest_for, identify
from oz.guests.agama import Agama
from oz.model import Medium, Partition, Settings, Tdl
from oz.units import GIB, TIB

DISTROS = ("openSUSE", "SLES")
POINTS = {"openSUSE": ["16.0", "Tumbleweed"], "SLES": ["16.0", "16.1"]}
"""The releases whose plan for x86_64 is not that of the release before."""
LVM = (
    Partition(mount="/", filesystem="xfs"),
    Partition(mount="swap", size_bytes=GIB),
    Partition(mount="/srv/data", size_bytes=2 * GIB),
)


def agama_tdl(version: str, arch: str = "x86_64", **changes: Any) -> Tdl:
    return sample_tdl(version, arch, "iso", **{"distro": "openSUSE", **changes})


def golden_samples() -> Iterator[tuple[str, Tdl, Settings]]:
    """Name, template and settings of each plan that is kept."""
    for distro, versions in POINTS.items():
        for version in versions:
            yield f"agama-{distro.lower()}-{version.lower()}-x86_64", agama_tdl(version, distro=distro), SETTINGS
    lvm = agama_tdl("16.0", "aarch64", partition_layout="lvm", partitions=LVM)
    yield "agama-opensuse-16.0-aarch64-lvm", lvm, SETTINGS


@pytest.mark.parametrize(
    ("name", "tdl", "settings"), list(golden_samples()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_plan_is_the_one_that_was_read_and_kept(
    name: str, tdl: Tdl, settings: Settings, request: pytest.FixtureRequest
) -> None:
    compare(GOLDEN / name, plan_texts(sample_plan(tdl, settings)), regenerate=request.config.getoption("regenerate"))


@pytest.mark.parametrize("distro", DISTROS)
def test_goldens_stand_only_where_the_output_changes(distro: str) -> None:
    versions = [row.version for row in RELEASES if row.planner is Agama and row.distro == distro]
    points = change_points(versions, lambda version: plan_texts(sample_plan(agama_tdl(version, distro=distro))))
    assert points == POINTS[distro]
    kept = {path.name for path in GOLDEN.iterdir() if path.name.startswith("agama-")}
    assert kept == {name for name, _, _ in golden_samples()}


@pytest.mark.parametrize(
    ("distro", "version", "found"),
    [
        ("openSUSE", "16.0", "openSUSE 16.0"),
        ("Leap", "16", "openSUSE 16.1"),
        ("openSUSE", "Tumbleweed", "openSUSE Tumbleweed"),
        ("SLES-16", "GA", "SLES 16.0"),
        ("SLES", "16-SP1", "SLES 16.1"),
        # Newer than all that are known: not measured against 42.3.
        ("openSUSE", "16.2", "openSUSE 16.2"),
        ("SLES", "17", "SLES 17"),
    ],
)
def test_releases_are_found_by_the_names_people_write(distro: str, version: str, found: str) -> None:
    guest = guest_for(agama_tdl(version, distro=distro))
    assert guest.title == found and isinstance(guest, Agama)


def test_there_is_no_32_bit_one() -> None:
    with pytest.raises(UnsupportedError, match=r"openSUSE 16\.0 cannot be installed on i386\n.*x86_64, aarch64"):
        guest_for(agama_tdl("16.0", "i386"))


# ------------------------------------------------------------------ media


def medium(volume_id: str, *paths: str) -> Medium:
    loader = ("/boot/x86_64/loader/linux", "/boot/x86_64/loader/initrd")
    return Medium(path=Path("/media/x.iso"), volume_id=volume_id, paths=frozenset((*loader, *paths)))


LIVE = ("/LiveOS/squashfs.img", "/boot/grub2/grub.cfg")


@pytest.mark.parametrize("distro", DISTROS)
def test_documented_media_are_accepted_and_planned(distro: str) -> None:
    planned = samples(distro, Agama)
    assert len(planned) >= 6
    for version, arch, _, firmware in planned:
        tdl = agama_tdl(version, arch, distro=distro)
        guest_for(tdl).check_medium(tdl, guest_for(tdl).documented_medium(tdl))
        plan = sample_plan(tdl, Settings(firmware=firmware))
        assert plan.hardware.firmware == firmware and [edit.path for edit in plan.edits] == [
            "/autoinst.json", "/boot/grub2/grub.cfg",
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("distro", "version", "volume_id"),
    [
        # As people who installed from it found it.
        ("openSUSE", "16.0", "Install-Leap-16.0-x86_64"),
        ("openSUSE", "Tumbleweed", "Install-openSUSE-x86_64"),
        ("SLES", "16.0", "Install-SUSE-SLE-16-x86_64"),
        ("SLES", "16.1", "Install-SUSE-SLE-16.1-x86_64"),
    ],
)
def test_media_are_recognized_by_their_volume_id(distro: str, version: str, volume_id: str) -> None:
    tdl = agama_tdl(version, distro=distro)
    guest_for(tdl).check_medium(tdl, medium(volume_id, *LIVE))
    (identity,) = identify(medium(volume_id, *LIVE))
    assert (identity.distro, identity.arches) == (distro, ("x86_64",))


@pytest.mark.parametrize(
    ("version", "found", "complaint"),
    [
        ("16.0", medium("Install-Leap-16.1-x86_64", *LIVE), "is another medium"),
        ("16.0", medium("Install-SUSE-SLE-16-x86_64", *LIVE), "is another medium"),
        ("16.0", medium("Debian 13.1.0 amd64 n"), "does not look like a openSUSE medium"),
        # YaST's, of the same release.
        ("Tumbleweed", medium("openSUSE-Tumbleweed-DVD-x86_64"), r"expected /LiveOS/squashfs\.img\n.*a DVD has YaST"),
        ("15.6", medium("Install-Leap-16.0-x86_64", *LIVE), "is another medium"),
    ],
)
def test_another_medium_is_refused(version: str, found: Medium, complaint: str) -> None:
    tdl = agama_tdl(version)
    with pytest.raises(MediumError, match=f"/media/x.iso .*{complaint}"):
        guest_for(tdl).check_medium(tdl, found)


def test_a_medium_without_its_menu_is_refused() -> None:
    tdl = agama_tdl("16.0")
    guest = guest_for(tdl)
    with pytest.raises(MediumError, match=r"it has no /boot/grub2/grub\.cfg"):
        guest.plan_install(tdl, medium("Install-Leap-16.0-x86_64"), sample_access(guest), Settings())


# ------------------------------------------------------------------ the profile


def storage(tdl: Tdl, settings: Settings = SETTINGS) -> dict[str, Any]:
    found = json.loads(sample_plan(tdl, settings).answer)["storage"]
    assert isinstance(found, dict)
    return found


def test_what_the_firmware_needs_is_left_to_agama() -> None:
    """It makes it, whatever the firmware and the size of the disk."""
    plain = storage(agama_tdl("16.0"))
    for tdl, settings in (
        (agama_tdl("16.0"), replace(SETTINGS, firmware="efi")),
        (agama_tdl("16.0", disk_bytes=3 * TIB), SETTINGS),
    ):
        assert storage(tdl, settings) == plain
    (drive,) = plain["drives"]
    assert plain["boot"] == {"configure": True} and drive["search"] == "/dev/vda"
    assert [one.get("filesystem") for one in drive["partitions"]] == [None, {"path": "/", "type": "ext4"}]


def test_the_disk_is_named_by_its_bus() -> None:
    (drive,) = storage(agama_tdl("16.0"), replace(SETTINGS, disk_bus="sata"))["drives"]
    assert drive["search"] == "/dev/sda"


def test_a_users_profile_replaces_ours_and_must_report_the_end() -> None:
    answer = '{"product": {"id": "SLES"}, "scripts": {"post": [{"name": "x", "content": {{ finish | json }}}]}}'
    ours, theirs = (sample_plan(agama_tdl("16.0"), replace(SETTINGS, answer=text)) for text in (None, answer))
    assert json.loads(theirs.answer)["scripts"]["post"][0]["content"].startswith("#!/bin/sh")
    assert theirs == replace(ours, answer=theirs.answer, edits=theirs.edits) and theirs.edits[1] == ours.edits[1]
    with pytest.raises(UsageError, match=r"never report the end.*\n.*finish \| json"):
        sample_plan(agama_tdl("16.0"), replace(SETTINGS, answer="{}"))


def test_limits_stretch_but_an_explicit_one_is_literal() -> None:
    plan = sample_plan(agama_tdl("16.0"), Settings(limit_factor=10, install_limit_s=60))
    assert (plan.limit_s, plan.inactivity_s) == (60, 6000)


def test_the_last_script_ends_with_the_marker(tmp_path: Path) -> None:
    """Run as Agama does, with this host's shell: our key, the host's keys, the nonce."""
    (post,) = json.loads(sample_plan(agama_tdl("16.0")).answer)["scripts"]["post"]
    marker, programs = tmp_path / "marker", tmp_path / "bin"
    for directory in ("root", "usr/sbin", "etc/ssh", "bin"):
        (tmp_path / directory).mkdir(parents=True)
    (tmp_path / "usr/sbin/sshd").touch(mode=0o755)
    (tmp_path / "etc/ssh/ssh_host_rsa_key.pub").write_text("ssh-rsa AAAA here\n")
    for name in ("systemctl", "ssh-keygen", "mknod"):
        (programs / name).write_text(f'#!/bin/sh\necho "{name} $*" >>{tmp_path}/log\n')
        (programs / name).chmod(0o755)
    script = post["content"].replace("/dev/ttyS1", str(marker))
    for place in ("/root", "/usr/sbin", "/etc/"):
        script = script.replace(place, f"{tmp_path}{place}")
    script = script.replace(f">{marker}", f">>{marker}")
    subprocess.run(["sh", "-c", script], check=True, env={"PATH": f"{programs}:/usr/bin:/bin"})
    assert post["chroot"] is True
    assert marker.read_text() == f"\noz-hostkey ssh-rsa AAAA\noz-done {'0' * 32}\n"
    assert "ssh-rsa AAAA" in (tmp_path / "root/.ssh/authorized_keys").read_text()
    assert "systemctl enable sshd.service" in (tmp_path / "log").read_text()
