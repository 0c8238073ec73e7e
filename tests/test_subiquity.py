"""What is planned for Ubuntu by subiquity, release by release. Goldens stand only where the output changes."""

import functools
import logging
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from goldens import GOLDEN, change_points, compare
from plans import SETTINGS, action_text, plan_texts, sample_access, sample_tdl

from oz.errors import MediumError, TdlError, UnsupportedError, UsageError
from oz.guests import all_releases, guest_for
from oz.guests.base import Guest
from oz.guests.subiquity import Subiquity
from oz.model import BootImage, Content, InstallPlan, Medium, Package, Partition, Repository, Settings, Tdl

GIB = 1024**3
ROWS = {row.version: row for row in all_releases() if row.distro == "Ubuntu"}
VERSIONS = tuple(version for version in ROWS if float(version) >= 20.04)
KEY = Content(data=b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n")
MENU = 'menuentry "Try or Install Ubuntu" {\n\tlinux\t/casper/vmlinuz %s --- quiet splash\n}\n'
LIVE = ("/casper/vmlinuz", "/casper/initrd", "/boot/grub/grub.cfg")
SOURCES = "/casper/install-sources.yaml"


def ubuntu(version: str, arch: str = "x86_64", **changes: Any) -> Tdl:
    return sample_tdl(version, arch, distro="Ubuntu", **changes)


def guest(version: str, arch: str = "x86_64") -> Guest:
    return guest_for(ubuntu(version, arch))


def medium(volume_id: str, *paths: str, menu: str = "") -> Medium:
    contents = {"/boot/grub/grub.cfg": (MENU % menu).encode()} if menu else {}
    return Medium(path=Path("/media/x.iso"), volume_id=volume_id, paths=frozenset(paths), contents=contents)


def live_plan(
    version: str, arch: str = "x86_64", settings: Settings = SETTINGS, on: Medium | None = None, **changes: Any
) -> InstallPlan:
    """From the live server medium; that of 20.04 is not the one that is documented of it."""
    tdl = ubuntu(version, arch, **changes)
    planned = guest_for(tdl)
    if version == "20.04":
        on = on or medium("Ubuntu-Server 20.04 LTS amd64", *LIVE, "/isolinux/isolinux.cfg")
    on = on or planned.documented_medium(tdl)
    return planned.plan_install(tdl, on, sample_access(planned), settings)


# ------------------------------------------------------------------ goldens


@functools.cache
def plan_changes() -> list[str]:
    def neutral(version: str) -> dict[str, str]:
        names = r"old-releases\.ubuntu\.com|mirrors\.kernel\.org"
        return {name: re.sub(names, "ARCHIVE", text) for name, text in plan_texts(live_plan(version)).items()}

    return change_points(VERSIONS, neutral)


def customizing(version: str) -> dict[str, str]:
    planned = guest(version)
    own = Repository(name="own", url="http://h.example/ubuntu")
    keyed = Repository(name="keyed", url="deb http://h.example/other ./", key=KEY, persisted=False)
    tdl = ubuntu(version, packages=(Package(name="vim"),), repositories=(own, keyed))
    return {
        "customize": action_text(planned.plan_customize(tdl)),
        "seal": action_text(planned.plan_seal()),
        "renewal": action_text(planned.plan_renewal(sample_access(planned))),
    }


@functools.cache
def customize_changes() -> list[str]:
    def neutral(version: str) -> dict[str, str]:
        codename = guest(version).release.codename
        return {name: text.replace(codename, "CODENAME") for name, text in customizing(version).items()}

    return change_points(VERSIONS, neutral)[1:]  # test_ubuntu.py keeps the first


SWAP = Partition(mount="swap", size_bytes=GIB)
HOME = Partition(mount="/home", size_bytes=GIB, filesystem="xfs")
DIVIDED: dict[str, Any] = dict(partition_layout="lvm", partitions=(Partition(mount="/"), SWAP, HOME))


def golden_samples() -> Iterator[tuple[str, InstallPlan]]:
    for version in plan_changes():
        yield f"subiquity-{version}-x86_64-iso", live_plan(version)
    yield (
        "subiquity-26.04-x86_64-iso-efi-lvm",
        live_plan("26.04", settings=replace(SETTINGS, firmware="efi"), **DIVIDED),
    )
    yield "subiquity-22.10-aarch64-iso", live_plan("22.10", "aarch64")


def test_plans_are_the_ones_that_were_read_and_kept(request: pytest.FixtureRequest) -> None:
    for name, plan in golden_samples():
        compare(GOLDEN / name, plan_texts(plan), regenerate=request.config.getoption("regenerate"))
    for version in customize_changes():
        regenerate = request.config.getoption("regenerate")
        compare(GOLDEN / f"subiquity-{version}-customize", customizing(version), regenerate=regenerate)


def test_goldens_stand_only_where_the_output_changes() -> None:
    names = {name for name, _ in golden_samples()} | {f"subiquity-{one}-customize" for one in customize_changes()}
    assert {path.name for path in GOLDEN.iterdir() if path.name.startswith("subiquity-")} == names
    # Releases between two of these render the same: 20.04 starts by ISOLINUX.
    assert plan_changes() == ["20.04", "20.10", "21.10", "22.10", "23.04"]
    assert customize_changes() == ["24.04"]


# ------------------------------------------------------------------ the list


def test_every_release_and_point_release_of_the_list_is_planned() -> None:
    months = [f"{year}.{month}" for year in range(20, 27) for month in ("04", "10")]
    assert list(VERSIONS) == months[:-1]
    for version in VERSIONS[1:]:
        row = ROWS[version]
        assert row.phases == ("install", "customize", "manifest") and row.arches == ("x86_64", "aarch64")
        for name in (version, *row.point_releases, *row.aliases):
            assert isinstance(guest(name), Subiquity) and guest(name).release.version == version
    assert guest("24.04.3").version == "24.04.3" and guest("noble").release.version == "24.04"


def test_what_it_does_not_install_is_refused_by_name() -> None:
    for version, arch, kind, complaint in (
        ("22.04", "x86_64", "url", r"Ubuntu 22\.04 on x86_64 cannot be installed by url\n.*by iso"),
        ("24.04", "i386", "iso", r"Ubuntu 24\.04 cannot be installed on i386\n.*x86_64, aarch64"),
        ("22.05", "x86_64", "iso", r"there is no guest Ubuntu '22\.05'\n.*Ubuntu 22\.04"),
    ):
        with pytest.raises(UnsupportedError, match=complaint):
            guest_for(sample_tdl(version, arch, kind, distro="Ubuntu"))


def test_a_newer_release_is_planned_like_the_newest(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "oz"):
        planned = guest("26.10")
    assert "Ubuntu 26.10 is newer than this Oz, which knows 26.04 at most" in caplog.text
    assert isinstance(planned, Subiquity) and live_plan("26.10").answer == live_plan("26.04").answer


# ------------------------------------------------------------------ media


@pytest.mark.parametrize(
    ("version", "volume_id", "paths"),
    [
        ("20.04", "Ubuntu-Server 20.04.6 LTS amd64", LIVE),
        ("20.10", "Ubuntu-Server 20.10 amd64", LIVE),
        ("24.04", "Ubuntu-Server 24.04.2 LTS amd64", (*LIVE, SOURCES)),
        ("24.04.2", "Ubuntu-Server 24.04.2 LTS amd64", (*LIVE, SOURCES)),
        ("noble", "Ubuntu 24.04.2 LTS amd64", (*LIVE, SOURCES)),
        ("23.04", "Ubuntu 23.04 amd64", (*LIVE, SOURCES)),
    ],
)
def test_real_media_are_recognized(version: str, volume_id: str, paths: tuple[str, ...]) -> None:
    guest(version).check_medium(ubuntu(version), medium(volume_id, *paths))


@pytest.mark.parametrize(
    ("version", "volume_id", "paths", "complaint"),
    [
        ("24.04", "Ubuntu-Server 24.10 amd64", LIVE, "is another medium"),
        ("24.04", "Ubuntu-Server 24.04 LTS arm64", LIVE, "is another medium"),
        ("24.04.1", "Ubuntu-Server 24.04 LTS amd64", LIVE, "is another medium"),
        ("24.04", "Ubuntu-Server 24.04 LTS amd64", ("/pool/x",), "has no installer"),
        ("24.04", "Xubuntu 24.04 LTS amd64", (*LIVE, SOURCES), "does not look like a Ubuntu medium"),
        # The desktop before it had this installer, and the one of 23.04 that came with the old one as well.
        ("20.04", "Ubuntu 20.04.6 LTS amd64", LIVE, "has no installer that reads an answer file"),
        (
            "22.04",
            "Ubuntu 22.04 LTS amd64",
            LIVE,
            "has no installer that reads(.|\n)*live server medium, or from 23.04",
        ),
        ("23.04", "Ubuntu 23.04 amd64", LIVE, "has no installer that reads an answer file: volume id 'Ubuntu 23"),
    ],
)
def test_another_medium_is_refused(version: str, volume_id: str, paths: tuple[str, ...], complaint: str) -> None:
    with pytest.raises(MediumError, match=f"/media/x.iso {complaint}"):
        guest(version).check_medium(ubuntu(version), medium(volume_id, *paths))


def test_the_medium_of_focal_says_which_installer_it_is() -> None:
    legacy = ("/install/vmlinuz", "/install/initrd.gz", "/isolinux/isolinux.cfg", "/.disk/base_installable")
    cd = medium("Ubuntu-Server 20.04.1 LTS amd64", *legacy)
    guest("20.04").check_medium(ubuntu("20.04"), cd)
    assert live_plan("20.04", on=cd).answer_name == "preseed.cfg" and live_plan("20.04").answer_name == "user-data"
    assert live_plan("20.04").hardware.memory_bytes == 2 * GIB
    read = guest("20.04").plan_media(ubuntu("20.04")).read
    assert set(guest("24.04").plan_media(ubuntu("24.04")).read) < set(read) and "/.disk/cd_type" in read
    with pytest.raises(MediumError, match="has no installer"):
        guest("20.04").check_medium(ubuntu("20.04"), medium("Ubuntu-Server 20.04.1 LTS amd64", "/casper/vmlinuz"))


def test_documented_media_are_accepted() -> None:
    for version in VERSIONS[1:]:
        for arch in ROWS[version].arches:
            tdl = ubuntu(version, arch)
            guest_for(tdl).check_medium(tdl, guest_for(tdl).documented_medium(tdl))


def kernel_line(plan: InstallPlan) -> str:
    (line,) = re.findall(r"^ *linux (.*)$", plan_texts(plan)["boot_grub_grub.cfg"], re.MULTILINE)
    return str(line)


def test_the_layer_that_the_mediums_own_menu_names_is_kept() -> None:
    words = "file=/cdrom/preseed/ubuntu.seed layerfs-path=minimal.standard.live.squashfs"
    on = medium("Ubuntu 24.04 LTS amd64", *LIVE, SOURCES, menu=words)
    line = kernel_line(live_plan("24.04", on=on))
    assert line.startswith("/casper/vmlinuz autoinstall layerfs-path=minimal.standard.live.squashfs noprompt ")
    assert "preseed" not in line and "quiet" not in line
    assert "layerfs" not in kernel_line(live_plan("24.04", on=replace(on, contents={})))


def test_both_menus_start_the_installer_at_once() -> None:
    texts = plan_texts(live_plan("20.04", kernelparam="debug=1 x"))
    assert "timeout 1\n" in texts["isolinux_isolinux.cfg"] and "set timeout=0\n" in texts["boot_grub_grub.cfg"]
    arguments = "autoinstall {} noprompt fsck.mode=skip debug=1 x --- console=tty0 console=ttyS0,115200n8 net.ifnames=0"
    seed = "ds=nocloud;s=/cdrom/nocloud/"
    # A semicolon ends a command of GRUB's.
    assert f"  append initrd=/casper/initrd {arguments.format(seed)}\n" in texts["isolinux_isolinux.cfg"]
    quoted = arguments.format(f"'{seed}'")
    assert f"  linux /casper/vmlinuz {quoted}\n" in texts["boot_grub_grub.cfg"]
    with pytest.raises(MediumError, match=r"does not boot under bios firmware: it has no /boot/grub/grub.cfg"):
        live_plan("24.04", on=medium("Ubuntu-Server 24.04 LTS amd64", *LIVE[:2]))
    # GRUB of the EFI boot image reads the menu of the ISO.
    image = BootImage(platform="efi", emulation="none", lba=1, size_bytes=1)
    on = replace(medium("Ubuntu-Server 24.04 LTS amd64", *LIVE), boot_images=(image,))
    assert not any(edit.in_efi_image for edit in live_plan("24.04", on=on).edits)


# ------------------------------------------------------------------ the answer file


def test_a_users_answer_replaces_ours_and_still_reports_the_end() -> None:
    text = "version: 1\nlate-commands:\n- {{ late_command }}\n# {{ storage | length }} {{ mirror }}\n"
    plan = live_plan("24.04", settings=Settings(answer=text))
    assert plan.answer.startswith("version: 1\nlate-commands:\n- sh /cdrom/oz/late.sh\n# 5 http://mirrors.kernel.org/")
    own, ours = plan_texts(plan), plan_texts(live_plan("24.04"))
    assert own["boot_grub_grub.cfg"] == ours["boot_grub_grub.cfg"]
    assert ours["oz_late.sh"].replace("[ -x /target/usr/sbin/sshd ]\n", "") == own["oz_late.sh"]
    with pytest.raises(UsageError, match=r"never report the end(.|\n)*\{\{ late_command \}\}"):
        live_plan("24.04", settings=Settings(answer="version: 1\n"))


def test_the_place_of_the_answer_file() -> None:
    paths = {version: sorted(edit.path for edit in live_plan(version).edits) for version in ("22.04", "22.10")}
    assert paths["22.04"] == ["/boot/grub/grub.cfg", "/nocloud/meta-data", "/nocloud/user-data", "/oz/late.sh"]
    assert paths["22.10"] == ["/autoinstall.yaml", "/boot/grub/grub.cfg", "/oz/late.sh"]
    assert live_plan("22.04").answer.startswith("#cloud-config\nautoinstall:\n  version: 1\n")


def test_packages_come_from_where_the_release_is() -> None:
    for version, arch, host in (
        ("25.10", "x86_64", "old-releases.ubuntu.com/ubuntu"),
        ("25.10", "aarch64", "old-releases.ubuntu.com/ubuntu"),
        ("22.04", "aarch64", "ports.ubuntu.com/ubuntu-ports"),
        ("26.04", "x86_64", "mirrors.kernel.org/ubuntu"),
    ):
        assert set(re.findall(r"uri: \"http://(.*)\"", live_plan(version, arch).answer)) == {host}


def test_the_scheme_of_the_password_and_the_limits() -> None:
    plan = live_plan("26.04", settings=Settings(limit_factor=10))
    assert (plan.limit_s, plan.hardware.memory_bytes, plan.hardware.machine_type) == (36000, 3 * GIB, "q35")
    assert live_plan("26.04", settings=Settings(install_limit_s=60)).limit_s == 60
    access = sample_access(guest("26.04"))
    assert access.password_hashes["sha512"] in plan_texts(plan)["oz_late.sh"]


# ------------------------------------------------------------------ the disk


def storage(plan: InstallPlan) -> list[dict[str, Any]]:
    read = yaml.safe_load(plan.answer)
    return list(read.get("autoinstall", read)["storage"]["config"])


def summary(
    *partitions: Partition, layout: Literal["plain", "lvm"] = "plain", firmware: Literal["bios", "efi"] = "bios"
) -> list[str]:
    settings = Settings(firmware=firmware, disk_bus="sata")
    plan = live_plan("24.04", settings=settings, partition_layout=layout, partitions=partitions, disk_bytes=20 * GIB)
    keys = ("type", "name", "path", "size", "flag", "fstype", "volume", "device", "grub_device")
    return [" ".join(str(one[key]) for key in keys if key in one) for one in storage(plan)]


def test_the_rest_of_the_disk_is_the_last_partition() -> None:
    root, var = Partition(mount="/"), Partition(mount="/var", size_bytes=GIB + 1)
    assert summary(root, var) == [
        "disk /dev/sda True", "partition 1M bios_grub disk",
        "partition 1025M disk", "format ext4 partition2",
        "partition -1 disk", "format ext4 partition3",
        "mount / partition3-format", "mount /var partition2-format",
    ]  # fmt: skip


def test_volumes_are_of_whole_extents() -> None:
    root, sized = Partition(mount="/", filesystem="btrfs"), Partition(mount="/srv/a", size_bytes=GIB + 1)
    assert summary(root, sized, SWAP, layout="lvm", firmware="efi") == [
        "disk /dev/sda False", "partition 512M boot disk True", "format fat32 partition1",
        "partition 512M disk", "format ext4 partition2", "partition -1 disk", "lvm_volgroup system",
        "lvm_partition srv_a 1028M", "format ext4 volume-srv_a",
        "lvm_partition swap 1024M", "format swap volume-swap", "mount  volume-swap-format",
        "lvm_partition root -1", "format btrfs volume-root",
        "mount / volume-root-format", "mount /boot partition2-format", "mount /boot/efi partition1-format",
        "mount /srv/a volume-srv_a-format",
    ]  # fmt: skip


def test_what_does_not_fit_or_cannot_be_made_is_refused_before_anything_is_fetched() -> None:
    lines = {"disk/size": 9, "partitions": 10, "partitions/partition[1]": 11}
    small = ubuntu("24.04", disk_bytes=4 * GIB, lines=lines)
    with pytest.raises(TdlError, match=r":9: Ubuntu 24.04 does not fit on a disk of 4 GiB(.|\n)*5 GiB at the least"):
        guest("24.04").check_template(small, SETTINGS)
    assert live_plan("24.04", settings=Settings(answer="{{ late_command }}\n"), disk_bytes=4 * GIB)
    home = (Partition(mount="/"), Partition(mount="/home", size_bytes=6 * GIB))
    with pytest.raises(TdlError, match=r":10: Ubuntu 24.04 does not fit on the 4 GiB of /, /boot, /usr, /var"):
        guest("24.04").check_template(
            ubuntu("24.04", partition_layout="plain", partitions=home, disk_bytes=10 * GIB, lines=lines), SETTINGS
        )
    reiser = (Partition(mount="/", filesystem="reiserfs"),)
    with pytest.raises(UnsupportedError, match=r":11: Ubuntu 24.04 makes no file system 'reiserfs'"):
        guest("24.04").check_template(
            ubuntu("24.04", partition_layout="plain", partitions=reiser, lines=lines), SETTINGS
        )


# ------------------------------------------------------------------ the last command


@pytest.mark.parametrize(("version", "has_desktop"), [("20.10", False), ("24.04", False), ("24.04", True)])
def test_the_last_command_does_what_the_protocol_wants(tmp_path: Path, version: str, has_desktop: bool) -> None:
    """It runs for real on a make-believe target, with programs that keep their input in the place of chroot's and
    systemd's, and a file as the marker port."""
    target = tmp_path / "target"
    for directory in ("root", "etc/ssh", "etc/netplan", "usr/sbin", "usr/bin"):
        (target / directory).mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    said = f'echo ${{0##*/}} "$@" >>{tmp_path}/said\n'
    programs = {
        "bin/chroot": f'#!/bin/sh\n{said}[ "$2" != chpasswd ] || cat >>{tmp_path}/said\n'
        f'[ "$2" != ssh-keygen ] || echo "ssh-rsa AAAA root@x" >"$1/etc/ssh/ssh_host_rsa_key.pub"\n',
        "bin/systemctl": f"#!/bin/sh\n{said}",
        "bin/sleep": f"#!/bin/sh\n{said}",
        "target/usr/bin/ssh-keygen": "",
        **({"target/usr/sbin/NetworkManager": ""} if has_desktop else {}),
    }
    for name, text in programs.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    for name in ("00-installer-config.yaml", "50-cloud-init.yaml", "01-network-manager-all.yaml"):
        (target / "etc/netplan" / name).write_text("")
    text = plan_texts(live_plan(version))["oz_late.sh"].replace("/target", str(target))
    text = re.sub(r"^\[ -c /dev/ttyS1 \].*$", "", text, flags=re.MULTILINE)
    text = text.replace(">/dev/ttyS1", f">>{tmp_path}/port")

    def run() -> subprocess.CompletedProcess[str]:
        environment = {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
        return subprocess.run(["sh", "-c", text], text=True, capture_output=True, env=environment)

    assert run().returncode != 0 and not (tmp_path / "port").exists(), "no sshd, no success"
    (target / "usr/sbin/sshd").write_text("")
    (target / "usr/sbin/sshd").chmod(0o755)
    (tmp_path / "said").unlink()
    (target / "root/.ssh/authorized_keys").unlink()
    done = run()
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "port").read_text() == f"\noz-hostkey ssh-rsa AAAA\noz-done {'0' * 32}\n"
    access = sample_access(guest(version))
    keys = target / "root/.ssh/authorized_keys"
    assert keys.read_text() == f"# oz build key\n{access.public_key}\n" and keys.stat().st_mode & 0o77 == 0
    commands = [f"chroot {target} chpasswd -e", f"root:{access.password_hashes['sha512']}"]
    commands += [f"chroot {target} ssh-keygen -A"]
    commands += ["systemctl --no-block poweroff", "sleep infinity"] if version == "20.10" else []
    assert (tmp_path / "said").read_text().splitlines() == commands
    assert (target / "etc/hostname").read_text() == "ubuntu\n" and "127.0.1.1 ubuntu\n" in (
        target / "etc/hosts"
    ).read_text()
    assert (target / "etc/cloud/cloud-init.disabled").exists()
    names = sorted(path.name for path in (target / "etc/netplan").iterdir())
    theirs = ["00-installer-config.yaml", "01-network-manager-all.yaml", "50-cloud-init.yaml"]
    assert names == (theirs if has_desktop else ["01-network-manager-all.yaml", "60-oz.yaml"])
    if not has_desktop:
        (network,) = yaml.safe_load((target / "etc/netplan/60-oz.yaml").read_text())["network"]["ethernets"].values()
        assert network == {"match": {"name": "e*"}, "dhcp4": True}
