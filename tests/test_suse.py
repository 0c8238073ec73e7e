"""What YaST's guests plan, release by release, and what they make of media."""

import csv
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from goldens import GOLDEN, change_points, compare
from lxml import etree
from plans import SETTINGS, plan_texts, sample_access, sample_plan, sample_tdl, samples

from oz.errors import MediumError, TdlError, UnsupportedError, UsageError
from oz.guests import RELEASES, all_releases, guest_for
from oz.guests.suse import Suse
from oz.model import BootImage, InstallPlan, Medium, Partition, Settings, Tdl
from oz.units import GIB, TIB

MEDIA = Path(__file__).parents[1] / "../shared/research/osinfo-media.tsv"
DISTROS = ("openSUSE", "SLES")
LVM = (
    Partition(mount="/"),
    Partition(mount="swap", size_bytes=GIB),
    Partition(mount="/srv/data", size_bytes=2 * GIB, filesystem="xfs"),
)
POINTS = {
    ("openSUSE", "iso"): ["10.3", "11.0", "11.2", "12.1", "12.2", "13.1", "13.2", "42.1", "42.2", "15.0"],
    ("openSUSE", "url"): ["10.3", "11.0", "11.2", "12.1", "12.2", "13.1", "13.2", "42.1", "42.2", "15.0"],
    ("SLES", "iso"): ["11.0", "12.0", "12.1", "12.2", "15.0"],
    ("SLES", "url"): ["11.0", "12.0", "12.1", "12.2", "15.0"],
}
"""The releases whose plan for x86_64 is not that of the release before."""


def suse_tdl(version: str, arch: str = "x86_64", install_type: str = "iso", **changes: Any) -> Tdl:
    distro = changes.pop("distro", "openSUSE")
    url = {"iso": "file:///media/install.iso", "url": "http://mirror.example/tree"}[install_type]
    return sample_tdl(version, arch, install_type, **{"distro": distro, "install_url": url, **changes})


def versions_of(distro: str) -> list[str]:
    return [release.version for release in RELEASES if release.distro == distro and release.planner is Suse]


def golden_samples() -> Iterator[tuple[str, Tdl, Settings]]:
    """Name, template and settings of each plan that is kept."""
    for (distro, install_type), points in POINTS.items():
        for version in points:
            tdl = suse_tdl(version, "x86_64", install_type, distro=distro)
            yield f"{distro.lower()}-{version}-x86_64-{install_type}", tdl, SETTINGS
    efi = replace(SETTINGS, firmware="efi")
    yield "opensuse-11.3-i386-iso", suse_tdl("11.3", "i386"), SETTINGS
    yield "opensuse-12.3-x86_64-iso-efi", suse_tdl("12.3"), efi
    yield "opensuse-15.6-aarch64-iso", suse_tdl("15.6", "aarch64"), SETTINGS
    lvm = suse_tdl("15.6", distro="SLES", partition_layout="lvm", partitions=LVM)
    yield "sles-15.6-x86_64-iso-efi-lvm", lvm, efi


@pytest.mark.parametrize(
    ("name", "tdl", "settings"), list(golden_samples()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_plan_is_the_one_that_was_read_and_kept(
    name: str, tdl: Tdl, settings: Settings, request: pytest.FixtureRequest
) -> None:
    compare(GOLDEN / name, plan_texts(sample_plan(tdl, settings)), regenerate=request.config.getoption("regenerate"))


@pytest.mark.parametrize(("distro", "install_type"), POINTS)
def test_the_releases_between_the_goldens_are_planned_alike(distro: str, install_type: str) -> None:
    def texts_of(version: str) -> dict[str, str]:
        return plan_texts(sample_plan(suse_tdl(version, "x86_64", install_type, distro=distro)))

    assert change_points(versions_of(distro), texts_of) == POINTS[distro, install_type]


def test_goldens_stand_only_where_the_output_changes() -> None:
    kept = {path.name for path in GOLDEN.iterdir() if path.name.startswith(("opensuse-", "sles-"))}
    assert kept == {name for name, _, _ in golden_samples()}


# ------------------------------------------------------------------ dispatch


def test_every_release_is_there_with_its_architectures() -> None:
    assert versions_of("openSUSE")[:2] == ["10.3", "11.0"] and versions_of("openSUSE")[-1] == "15.6"
    assert len(versions_of("openSUSE")) == 21 and len(versions_of("SLES")) == 19
    arches = {(row.distro, row.version): row.arches for row in all_releases()}
    assert arches["openSUSE", "11.3"] == arches["openSUSE", "13.2"] == arches["SLES", "11.4"] == ("i386", "x86_64")
    assert arches["openSUSE", "42.1"] == arches["SLES", "12.1"] == ("x86_64",)
    assert arches["openSUSE", "42.2"] == arches["SLES", "12.2"] == arches["SLES", "15.7"] == ("x86_64", "aarch64")


@pytest.mark.parametrize(
    ("distro", "version", "found"),
    [
        ("SLES-11", "SP4", "SLES 11.4"),
        ("SLES-11", "GA", "SLES 11.0"),
        ("SLES-11", "GOLD", "SLES 11.0"),
        ("SLES-12", "sp5", "SLES 12.5"),
        ("SLES-15", "3", "SLES 15.3"),
        ("SLES", "15-SP3", "SLES 15.3"),
        ("SLES", "12SP1", "SLES 12.1"),
        ("SLES", "12", "SLES 12.5"),
        ("OpenSUSE", "11.1", "openSUSE 11.1"),
        ("Leap", "15", "openSUSE 15.6"),
        ("openSUSELeap", "42.3", "openSUSE 42.3"),
        ("openSUSE", "13", "openSUSE 13.2"),
    ],
)
def test_releases_are_found_by_the_names_people_write(distro: str, version: str, found: str) -> None:
    assert guest_for(suse_tdl(version, distro=distro)).title == found


@pytest.mark.parametrize("version", ["15.7", "42.4", "14.0", "10.2"])
def test_a_release_that_never_was_is_refused_by_name(version: str) -> None:
    with pytest.raises(UnsupportedError, match=rf"there is no guest openSUSE '{version}'\n.*the nearest names"):
        guest_for(suse_tdl(version))


# ------------------------------------------------------------------ media


@pytest.mark.parametrize("distro", DISTROS)
def test_documented_media_are_accepted_and_planned(distro: str) -> None:
    planned = 0
    for version, arch, install_type, firmware in samples(distro, Suse):
        tdl = suse_tdl(version, arch, install_type, distro=distro)
        guest = guest_for(tdl)
        if install_type == "iso":
            guest.check_medium(tdl, guest.documented_medium(tdl))
        plan = sample_plan(tdl, Settings(firmware=firmware))
        assert plan.hardware.firmware == firmware and plan.answer_name == "autoinst.xml"
        planned += 1
    assert planned > 80


def osinfo_rows() -> list[dict[str, str]]:
    if not MEDIA.exists():
        pytest.skip("the table of media is not here: ../shared/research")
    with MEDIA.open() as file:
        return list(csv.DictReader(file, delimiter="\t"))


def an_example_of(pattern: str) -> str | None:
    """A volume id that the expression matches; None for those that are too much for so simple a way."""
    text = re.sub(r"\((\w+)\|.*?\)", r"\1", pattern.replace(r"(-\d+)?", "-2").replace(".*-", "-Full-"))
    text = text.replace(r"\.*", "").replace(".*", " ")
    text = re.sub(r"(\w)\*", r"\1", text).replace("..", "00")
    return text if not re.search(r"[\[\]()|*+?\\]", text) and re.match(pattern, text) else None


def test_every_medium_that_osinfo_knows_is_named_as_osinfo_names_it() -> None:
    counts = {"named": 0, "other": 0}
    for row in osinfo_rows():
        name = row["short_id"]
        volume_id = an_example_of(row["volume_id_regex"])
        if not volume_id:
            continue
        release = re.fullmatch(r"opensuse(\d+\.\d)|sles(\d+)(?:sp(\d))?|sle(\d+)(?:sp(\d))?", name)
        found = Suse.identify(Medium(path=None, volume_id=volume_id))
        if not release:
            known = {"opensusetumbleweed": "Tumbleweed"}.get(name)
            is_known = bool(found) and found[0].version == known if known else not found
            assert is_known or name.endswith("-unknown") or "Kubic" in volume_id or "LegacyX86" in volume_id, row
            counts["other"] += 1
            continue
        assert found, row
        identity = found[0]
        version = release[1] or f"{release[2] or release[4]}.{release[3] or release[5] or 0}"
        is_live_only = "Live CD" in volume_id
        assert identity.version == ("" if is_live_only else version), row
        assert identity.distro == ("openSUSE" if release[1] else "SLES"), row
        assert (identity.variant == "live") == (row["live"] == "true"), row
        arch = {"i686": "i386"}.get(row["arch"], row["arch"])
        assert identity.arches in ((), (arch,)), row
        counts["named"] += 1
    assert counts["named"] > 100 and counts["other"] > 1000, counts


def medium(volume_id: str, arch: str = "x86_64", **files: str) -> Medium:
    place = {"aarch64": "/boot/aarch64"}.get(arch, f"/boot/{arch}/loader")
    return Medium(
        path=Path("/media/x.iso"),
        volume_id=volume_id,
        paths=frozenset({f"{place}/linux", f"{place}/initrd", f"{place}/isolinux.cfg", "/EFI/BOOT/grub.cfg"}),
        contents={path: text.encode() for path, text in files.items()},
    )


CONTENT, BUILD = "/content", "/media.1/build"


# The lines of "content" as the tests of virt-install have them.
@pytest.mark.parametrize(
    ("distro", "version", "found"),
    [
        ("openSUSE", "10.3", medium("", **{CONTENT: "PRODUCT openSUSE\nVERSION 10.3\nLABEL openSUSE 10.3\n"})),
        ("openSUSE", "11.1", medium("SU1110.001")),
        ("openSUSE", "11.2", medium("x", **{CONTENT: "DISTRIBUTION openSUSE\nVERSION 11.2\nLABEL openSUSE 11.2\n"})),
        ("openSUSE", "11.3", medium("openSUSE-DVD-x86_64.0702..001")),
        ("openSUSE", "12.1", medium("openSUSE-DVD-x86_640039", **{CONTENT: "VERSION 12.1\nLABEL openSUSE\n"})),
        ("openSUSE", "13.2", medium("x", **{CONTENT: "DISTRO cpe:/o:opensuse:opensuse:13.2,openSUSE\n"})),
        ("openSUSE", "42.1", medium("x", **{CONTENT: "DISTRO cpe:/o:opensuse:leap:42.1,openSUSE Leap\n"})),
        ("openSUSE", "15.6", medium("x", **{BUILD: "openSUSE-Leap-15.6-DVD-x86_64-Build710.3\n"})),
        ("SLES", "11.4", medium("x", **{CONTENT: "VERSION 11.4-0\nLABEL SUSE Linux Enterprise Server 11 SP4\n"})),
        ("SLES", "11", medium("x", **{CONTENT: "LABEL SUSE Linux Enterprise Server 11\n"})),
        ("SLES", "12.3", medium("", **{CONTENT: "DISTRO cpe:/o:suse:sles:12:sp3,SUSE Linux Enterprise Server 12 SP3"})),
        ("SLES", "12.5", medium("SLE-12-SP5-Server-DVD-x86_640421")),
    ],
)
def test_real_media_are_recognized(distro: str, version: str, found: Medium) -> None:
    tdl = suse_tdl(version, distro=distro)
    guest_for(tdl).check_medium(tdl, found)


@pytest.mark.parametrize(
    ("distro", "version", "found", "complaint"),
    [
        ("openSUSE", "11.3", medium("openSUSE-DVD-x86_640024"), "is another medium: volume id 'openSUSE-DVD"),
        ("openSUSE", "11.3", medium("openSUSE-DVD-i586-Build0702..001", "i386"), "is another medium"),
        ("openSUSE", "13.2", medium("openSUSE-Tumbleweed-DVD-x86_64"), "is another medium"),
        ("openSUSE", "15.6", medium("openSUSE_Leap_15.6_KDE_Live"), "is a live medium"),
        ("openSUSE", "11.4", medium("openSUSE Live CD"), "is a live medium"),
        ("openSUSE", "15.6", medium("Debian 13.1.0 amd64 n"), "does not look like a openSUSE medium"),
        ("SLES", "12.3", medium("", **{CONTENT: "DISTRO cpe:/o:suse:sled:12:sp3,SLED"}), "does not look like a SLES"),
        ("SLES", "15.6", medium("SLE-15-SP6-Online-x86_6412"), "expected /Module-Basesystem(.|\n)*called Full"),
    ],
)  # fmt: skip
def test_another_medium_is_refused(distro: str, version: str, found: Medium, complaint: str) -> None:
    tdl = suse_tdl(version, distro=distro)
    with pytest.raises(MediumError, match=f"/media/x.iso .*{complaint}"):
        guest_for(tdl).check_medium(tdl, found)


def test_a_tree_is_fetched_where_the_architecture_has_it() -> None:
    def urls(*words: str, **changes: Any) -> list[str]:
        tdl = suse_tdl(*words, "url", **changes)
        return [fetch.url for fetch in guest_for(tdl).plan_media(tdl).fetches]

    assert urls("11.3", "i386", install_url="http://h/11.3/repo/oss/") == [
        "http://h/11.3/repo/oss/boot/i386/loader/linux",
        "http://h/11.3/repo/oss/boot/i386/loader/initrd",
    ]
    assert urls("15.6", "aarch64") == [
        "http://mirror.example/tree/boot/aarch64/linux",
        "http://mirror.example/tree/boot/aarch64/initrd",
    ]


@pytest.mark.parametrize(
    ("version", "url", "complaint"),
    [
        ("11.3", "https://h/tree", r"openSUSE 11\.3 reads no tree by https\n.*by http, ftp"),
        ("15.6", "file:///srv/tree", r"openSUSE 15\.6 reads no tree by file"),
        ("15.6", "http://me:secret@h/tree", r"would be in the image's list of repositories"),
    ],
)
def test_a_tree_that_cannot_serve_is_refused(version: str, url: str, complaint: str) -> None:
    tdl = suse_tdl(version, install_type="url", install_url=url)
    with pytest.raises(TdlError, match=rf"tdl:7: .*{complaint}") as caught:
        guest_for(tdl).plan_media(tdl)
    assert "secret" not in str(caught.value)


# ------------------------------------------------------------------ what the old Oz did wrong


@cache
def all_plans() -> list[tuple[str, str, InstallPlan]]:
    return [
        (
            distro,
            version,
            sample_plan(suse_tdl(version, arch, install_type, distro=distro), Settings(firmware=firmware)),
        )
        for distro in DISTROS
        for version, arch, install_type, firmware in samples(distro, Suse)
    ]


def test_a_reboot_never_starts_the_medium_again() -> None:
    """The medium's own menu starts the hard disk; ours the installer. So the first stage ends with the power off, which
    YaST prefers to kexec but not to "forceboot", and the second one is a boot of its own."""
    for distro, version, plan in all_plans():
        assert all(boot.reboots == 0 and boot.ends == "power-off" for boot in plan.boots)
        assert plan.boots[0].device in ("cdrom", "kernel")
        assert '<halt config:type="boolean">true</halt>' in plan.answer and "forceboot" not in plan.answer
        has_second_stage = '<second_stage config:type="boolean">true<' in plan.answer
        assert [boot.device for boot in plan.boots[1:]] == (["hd"] if has_second_stage else []), (distro, version)


def test_10_3_is_not_taken_for_done_before_its_second_stage() -> None:
    """The old Oz kept what the first stage left: "final_halt" is younger than 10.3 (autoyast2, 2007-11-26)."""
    plan = sample_plan(suse_tdl("10.3"))
    assert [boot.device for boot in plan.boots] == ["cdrom", "hd"]
    assert "final_halt" not in plan.answer and "<post-scripts" in plan.answer


def test_no_profile_takes_unsigned_files_or_unknown_keys() -> None:
    """As those of the old Oz did from 12.1 on."""
    for _, _, plan in all_plans():
        assert "signature-handling" not in plan.answer and "insecure" not in "".join(plan_texts(plan).values())


def test_no_message_waits_for_a_key_forever() -> None:
    """Those of the old Oz from 12.1 on had no limit: "timeout" was 0."""
    for _, _, plan in all_plans():
        limits = re.findall(r"<timeout[^>]*>(\d+)</timeout>", plan.answer)
        assert len(limits) == 4 and all(0 < int(limit) <= 60 for limit in limits)


@pytest.mark.parametrize("version", ["12.1", "42.1"])
def test_the_disk_is_named_by_its_bus(version: str) -> None:
    """The old Oz wrote /dev/vda into the profiles of these."""
    for bus, device in (("virtio", "/dev/vda"), ("sata", "/dev/sda"), ("ide", "/dev/sda")):
        answer = sample_plan(suse_tdl(version), Settings(disk_bus=bus)).answer
        assert f"<device>{device}</device>" in answer


def test_13_2_reads_its_profile_from_a_floppy() -> None:
    """It cannot from the CD; the floppy of the old Oz was made by tools that its users had to have."""
    plan = sample_plan(suse_tdl("13.2"))
    assert plan.floppy and plan.floppy.base == "blank"
    assert plan.floppy.files == {"AUTOINST.XML": plan.answer.encode()}
    assert not any(edit.path == "/autoinst.xml" for edit in plan.edits)
    assert "autoyast=floppy:///autoinst.xml" in plan_texts(plan)["boot_x86_64_loader_isolinux.cfg"]
    assert sample_plan(suse_tdl("13.2", install_type="url")).floppy is None


def test_uefi_menus_are_edited_where_grub_reads_them() -> None:
    tdl = suse_tdl("15.6")
    guest = guest_for(tdl)
    image = BootImage(platform="efi", emulation="none", lba=100, size_bytes=3870720)
    found = replace(guest.documented_medium(tdl), boot_images=(image,))
    plan = guest.plan_install(tdl, found, sample_access(guest), Settings(firmware="efi"))
    menus = [edit for edit in plan.edits if edit.path == "/EFI/BOOT/grub.cfg"]
    assert [edit.in_efi_image for edit in menus] == [False, True] and menus[0].content == menus[1].content
    with pytest.raises(MediumError, match=r"does not boot under efi firmware: it has no /EFI/BOOT/grub\.cfg"):
        guest.plan_install(
            tdl,
            replace(found, paths=found.paths - {"/EFI/BOOT/grub.cfg"}),
            sample_access(guest),
            Settings(firmware="efi"),
        )


def test_a_tree_installs_what_a_dvd_does() -> None:
    """The old Oz knew DVDs alone."""
    for distro, version in (("openSUSE", "11.3"), ("openSUSE", "15.6"), ("SLES", "12.5")):
        dvd, tree = (sample_plan(suse_tdl(version, install_type=kind, distro=distro)) for kind in ("iso", "url"))
        assert tree.answer == dvd.answer and tree.initrd_files == {"/autoinst.xml": tree.answer.encode()}
        assert tree.command_line and "install=http://mirror.example/tree " in tree.command_line


# ------------------------------------------------------------------ the profile


def profile_of(answer: str) -> etree._Element:
    return etree.fromstring(answer.encode())


def text_of(answer: str, element: str) -> list[str]:
    return [str(found.text) for found in profile_of(answer).iter(f"{{http://www.suse.com/1.0/yast2ns}}{element}")]


@pytest.mark.parametrize(
    ("version", "scheme"), [("10.3", "md5"), ("11.1", "md5"), ("11.2", "sha512"), ("15.6", "sha512")]
)
def test_the_profile_holds_a_hash_that_the_release_can_read(version: str, scheme: str) -> None:
    tdl = suse_tdl(version, rootpw="clear-text-secret")
    guest = guest_for(tdl)
    access = replace(sample_access(guest), root_password="clear-text-secret", private_key="PRIVATE")
    plan = guest.plan_install(tdl, guest.documented_medium(tdl), access, Settings())
    everything = "".join(plan_texts(plan).values())
    assert "clear-text-secret" not in everything and "PRIVATE" not in everything
    assert text_of(plan.answer, "user_password") == [access.password_hashes[scheme]]
    assert text_of(plan.answer, "encrypted") == ["true"]


def test_what_a_key_says_of_itself_reaches_the_script_whole() -> None:
    tdl = suse_tdl("11.3")
    guest = guest_for(tdl)
    key = 'ssh-rsa AAAA <it\'s> & "mine" $HOME ]]> ü'
    plan = guest.plan_install(
        tdl, guest.documented_medium(tdl), replace(sample_access(guest), public_key=key), Settings()
    )
    line = next(line for line in text_of(plan.answer, "source")[-1].splitlines() if "authorized_keys" in line)
    said = subprocess.run(["sh", "-c", line.partition(">>")[0]], capture_output=True, text=True, check=True)
    assert said.stdout == f"# oz build key\n{key}\n"


def test_partitions_are_written_as_they_are_planned() -> None:
    answer = sample_plan(suse_tdl("11.3", partition_layout="lvm", partitions=LVM)).answer
    assert text_of(answer, "mount") == ["/boot", "/", "swap", "/srv/data"]
    assert text_of(answer, "size") == ["512M", "max", "max", "1024M", "2048M"]
    assert text_of(answer, "lv_name") == ["root", "swap", "srv_data"]
    assert text_of(answer, "partition_id") == ["131", "142"] and text_of(answer, "lvm_group") == ["system"]
    assert [name for name in text_of(answer, "device") if name.startswith("/")] == ["/dev/vda", "/dev/system"]
    efi = sample_plan(suse_tdl("12.3"), Settings(firmware="efi")).answer
    assert text_of(efi, "partition_id") == ["259", "131"] and text_of(efi, "filesystem") == ["vfat", "ext4"]
    assert text_of(efi, "loader_type") == ["grub2-efi"]


def test_a_disk_over_2_tib_has_room_for_grub_under_a_bios() -> None:
    answer = sample_plan(suse_tdl("15.6", disk_bytes=2 * TIB)).answer
    assert text_of(answer, "partition_id") == ["263", "131"] and text_of(answer, "disklabel") == ["gpt"]
    assert text_of(answer, "format") == ["false", "true"] and text_of(answer, "mount") == ["/"]
    with pytest.raises(UnsupportedError, match=r"openSUSE 13\.2 cannot boot from 2 TiB under a BIOS"):
        sample_plan(suse_tdl("13.2", disk_bytes=2 * TIB))


@pytest.mark.parametrize("firmware", ["bios", "efi"])
def test_the_templates_kernel_parameters_reach_the_installer(firmware: Any) -> None:
    texts = plan_texts(sample_plan(suse_tdl("15.6", kernelparam="insecure=1 y2debug"), Settings(firmware=firmware)))
    for name in ("boot_x86_64_loader_isolinux.cfg", "EFI_BOOT_grub.cfg"):
        assert "insecure=1 y2debug console=tty0 console=ttyS0,115200n8\n" in texts[name]


def test_limits_stretch_but_an_explicit_one_is_literal() -> None:
    assert sample_plan(suse_tdl("11.3"), Settings(limit_factor=10)).limit_s == 36000
    assert sample_plan(suse_tdl("11.3"), Settings(limit_factor=10, install_limit_s=60)).limit_s == 60


def test_a_users_profile_replaces_ours_and_nothing_else() -> None:
    text = "<profile><p>{{ root_password_hash }}</p><source>{{ finish }}</source></profile>"
    plan, ours = sample_plan(suse_tdl("11.3"), Settings(answer=text)), sample_plan(suse_tdl("11.3"))
    assert plan.answer.startswith("<profile><p>$6$")
    assert etree.fromstring(plan.answer.encode())[1].text == text_of(ours.answer, "source")[-1]
    assert plan_texts(plan)["boot_x86_64_loader_isolinux.cfg"] == plan_texts(ours)["boot_x86_64_loader_isolinux.cfg"]


@pytest.mark.parametrize(("version", "kind"), [("11.3", "post-scripts"), ("15.6", "chroot-scripts, with <chrooted>")])
def test_a_users_profile_must_report_the_end(version: str, kind: str) -> None:
    with pytest.raises(UsageError, match=rf"never report the end(.|\n)*\{{\{{ finish \}}\}}.*{kind}"):
        sample_plan(suse_tdl(version), Settings(answer="<profile/>"))


# ------------------------------------------------------------------ the script in it


def run_finish(version: str, root: Path, *, has_sshd: bool = True) -> subprocess.CompletedProcess[str]:
    """The script of a profile, run for real on a make-believe system with a file as the marker port."""
    programs = {
        "chkconfig": 'echo "chkconfig $*" >>"$ROOT/said"\n[ "$2" = on ]\n',
        "systemctl": 'echo "systemctl $*" >>"$ROOT/said"\n[ "$1" = enable ]\n',
        "ssh-keygen": 'echo "ssh-rsa AAAAB3 root@linux" >"$ROOT/etc/ssh/ssh_host_rsa_key.pub"\n',
        "poweroff": 'echo "poweroff $*" >>"$ROOT/port"\n',
        # That nothing of this host ends, whatever the script says.
        "shutdown": "exit 1\n",
        "halt": "exit 1\n",
        "reboot": "exit 1\n",
    }
    for directory in ("root", "etc/ssh", "etc/udev/rules.d", "usr/sbin", "usr/lib/YaST2", "var/adm/autoinstall", "bin"):
        (root / directory).mkdir(parents=True, exist_ok=True)
    (root / "proc/sys/kernel").mkdir(parents=True)
    (root / "proc/sysrq-trigger").write_text("")
    for name, text in programs.items():
        (root / "bin" / name).write_text(f"#!/bin/sh\n{text}")
        (root / "bin" / name).chmod(0o755)
    (root / "usr/sbin/sshd").write_text("")
    (root / "usr/sbin/sshd").chmod(0o755 if has_sshd else 0o644)
    (root / "proc/mounts").write_text("/dev/vda1 / ext4 ro 0 0\n")
    text = text_of(sample_plan(suse_tdl(version)).answer, "source")[-1]
    text = re.sub(r"^\[ -c /dev/ttyS1 \].*$", "", text, flags=re.MULTILINE).replace(">/dev/ttyS1", f">>{root}/port")
    text = re.sub(r"(?<=[ ='>])/(root|etc|usr|var|proc)/", rf"{root}/\1/", text)
    (root / "finish.sh").write_text(text)
    return run_file(root / "finish.sh", root)


def run_file(file: Path, root: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": f"{root}/bin:{os.environ['PATH']}", "ROOT": str(root)}
    return subprocess.run(["bash", str(file)], env=environment, text=True, capture_output=True)


DONE = ["", "oz-hostkey ssh-rsa AAAAB3", "oz-done " + "0" * 32]


@pytest.mark.parametrize(
    ("version", "words"), [("11.3", "chkconfig sshd on"), ("13.2", "systemctl enable sshd.service")]
)
def test_the_second_stage_ends_with_the_marker_and_the_power_off(version: str, words: str, tmp_path: Path) -> None:
    done = run_finish(version, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert words in (tmp_path / "said").read_text()
    assert not (tmp_path / "port").exists(), "YaST is still at work"
    hook = tmp_path / "usr/lib/YaST2/startup/hooks/postSecondStage/S99oz"
    # What YaST's createStageList takes for a hook, and callStages runs.
    assert re.fullmatch(r"[FS%]\d\d.*", hook.name) and hook.stat().st_mode & 0o100
    done = run_file(hook, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "port").read_text().splitlines() == [*DONE, "poweroff -f"]
    assert (tmp_path / "proc/sysrq-trigger").read_text() == "u\n"
    assert not hook.exists() and not (tmp_path / "var/adm/autoinstall").exists()
    keys = tmp_path / "root/.ssh/authorized_keys"
    assert keys.read_text().startswith("# oz build key\nssh-rsa ") and keys.stat().st_mode & 0o77 == 0


def test_a_single_stage_ends_with_the_marker(tmp_path: Path) -> None:
    done = run_finish("15.6", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "port").read_text().splitlines() == DONE
    assert "systemctl disable firewalld.service" in (tmp_path / "said").read_text()
    assert (tmp_path / "etc/udev/rules.d/80-net-setup-link.rules").readlink() == Path("/dev/null")


@pytest.mark.parametrize("version", ["11.3", "15.6"])
def test_a_system_without_sshd_is_no_success(version: str, tmp_path: Path) -> None:
    assert run_finish(version, tmp_path, has_sshd=False).returncode != 0
    assert not (tmp_path / "port").exists() and not list((tmp_path / "usr/lib/YaST2").iterdir())


# ------------------------------------------------------------------ the installed system


def test_the_facts_of_the_installed_system() -> None:
    facts = {
        version: (guest_for(suse_tdl(version)).system.package_manager, guest_for(suse_tdl(version)).is_legacy_ssh)
        for version in ("11.0", "11.1", "42.1", "42.2", "15.6")
    }
    assert facts == {
        "11.0": ("zypper-old", True),
        "11.1": ("zypper", True),
        "42.1": ("zypper", True),
        "42.2": ("zypper", False),
        "15.6": ("zypper", False),
    }
    assert all(guest_for(suse_tdl(version)).system.makes_host_keys_at_boot for version in versions_of("openSUSE"))
