"""What is planned for Red Hat's family. Goldens stand only where the output changes; the faults of the old Oz that
concern this installer each have a test that names them."""

import functools
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
from goldens import GOLDEN, change_points, compare
from plans import SETTINGS, plan_texts, sample_access, sample_plan, sample_tdl, samples

from oz.errors import MediumError, TdlError, UnsupportedError
from oz.guests import all_releases, guest_for
from oz.guests.redhat import RedHat
from oz.guests.releases import RELEASES
from oz.host import iso
from oz.model import Medium, Partition, Settings, Tdl

FAMILY = sorted({release.distro for release in RELEASES if release.planner is RedHat})
REBUILDS = sorted(set(FAMILY) - {"RedHatLinux", "RHEL", "FedoraCore", "Fedora"})
LINES = {"RedHatLinux": "i386", "RHEL": "x86_64", "FedoraCore": "x86_64", "Fedora": "x86_64"}
"""The distributions whose goldens are kept, and the architecture of most of them."""
INSTALL_TYPES = ("iso", "url")
Firmware = Literal["bios", "efi"]
TREE = "http://mirror.example/tree"


def tdl_of(distro: str, version: str, arch: str = "x86_64", install_type: str = "iso", **changes: Any) -> Tdl:
    changes = {"install_url": TREE, **changes} if install_type == "url" else changes
    lines = {"os/name": 3, "os/version": 4, "os/arch": 5, "os/install": 6, "os/install/url": 7, "disk/size": 8}
    return sample_tdl(version, arch, install_type, **{"distro": distro, "lines": lines, **changes})


def texts_of(tdl: Tdl, settings: Settings = SETTINGS) -> dict[str, str]:
    return plan_texts(sample_plan(tdl, settings))


def neutral(distro: str, version: str, arch: str, install_type: str, firmware: Firmware = "bios") -> dict[str, str]:
    """A plan without the names of the release and its disc."""
    tdl = tdl_of(distro, version, arch, install_type)
    name = guest_for(tdl).documented_medium(tdl).volume_id
    texts = texts_of(tdl, replace(SETTINGS, firmware=firmware))
    for written in (name, name.replace(" ", r"\x20").replace("/", r"\x2f")) if name else ():
        texts = {path: text.replace(written, "DISC") for path, text in texts.items()}
    return {path: text.replace("'", "") for path, text in texts.items()}


def versions(distro: str) -> list[str]:
    arch = LINES[distro]
    # Red Hat Enterprise Linux 2.1 is for i386 alone.
    return [row.version for row in all_releases() if row.distro == distro and (arch in row.arches or row.version < "3")]


def arch_of(distro: str, version: str) -> str:
    return "i386" if version.startswith("2.1.") else LINES[distro]


def points(distro: str, install_type: str) -> list[str]:
    return change_points(
        versions(distro), lambda version: neutral(distro, version, arch_of(distro, version), install_type)
    )


def golden_samples() -> Iterator[tuple[str, Tdl, Settings]]:
    for distro in LINES:
        for install_type in INSTALL_TYPES:
            for version in points(distro, install_type):
                arch = arch_of(distro, version)
                name = f"{distro}-{version}-{arch}-{install_type}".lower()
                yield name, tdl_of(distro, version, arch, install_type), SETTINGS
    efi = replace(SETTINGS, firmware="efi")
    for distro, version in (("Fedora", "18"), ("RHEL", "7.9"), ("RHEL", "9.4")):
        yield f"{distro}-{version}-x86_64-iso-efi".lower(), tdl_of(distro, version), efi
    for distro, version in (("Fedora", "44"), ("AlmaLinux", "9.8")):
        yield f"{distro}-{version}-aarch64-iso".lower(), tdl_of(distro, version, "aarch64"), SETTINGS
    sizes = {"/": None, "swap": 1024**3, "/var/log": 1024**3}
    partitions = tuple(Partition(mount=mount, size_bytes=size) for mount, size in sizes.items())
    lvm = tdl_of("RHEL", "6.10", partition_layout="lvm", partitions=partitions)
    yield "rhel-6.10-x86_64-iso-lvm", lvm, SETTINGS


@pytest.mark.parametrize(
    ("name", "tdl", "settings"), list(golden_samples()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_plan_is_the_one_that_was_read_and_kept(
    name: str, tdl: Tdl, settings: Settings, request: pytest.FixtureRequest
) -> None:
    compare(GOLDEN / name, texts_of(tdl, settings), regenerate=request.config.getoption("regenerate"))


def test_goldens_stand_only_where_the_output_changes() -> None:
    names = {name for name, _, _ in golden_samples()}
    kept = {path.name for path in GOLDEN.iterdir() if re.match("redhatlinux|rhel|fedora|almalinux", path.name)}
    assert {name for name in kept if "customize" not in name} == names
    assert points("RedHatLinux", "iso") == ["7.0", "7.1", "7.2", "7.3", "9"]
    assert points("RHEL", "iso") == [
        "2.1.0", "3.0", "4.0", "4.8", "5.0", "5.2", "5.4", "6.0", "7.0", "8.0", "9.0", "10.0"
    ]  # fmt: skip
    assert points("FedoraCore", "url") == ["1", "3", "4", "6"]


@pytest.mark.parametrize("distro", REBUILDS)
def test_a_rebuild_is_planned_like_its_original(distro: str) -> None:
    for version, arch, install_type, firmware in samples(distro):
        major = {"8": "8.10", "9": "9.8", "10": "10.2"}.get(version, version)
        if arch not in guest_for(tdl_of("RHEL", major)).release.install_types:
            continue
        rebuilt = neutral(distro, version, arch, install_type, firmware)
        assert rebuilt == neutral("RHEL", major, arch, install_type, firmware), (version, arch)


# ------------------------------------------------------------------ names


@pytest.mark.parametrize(
    ("name", "version", "found"),
    [
        ("RHL", "7.3", "RedHatLinux 7.3"),
        ("RHL", "8.0", "RedHatLinux 8"),
        ("RHEL-2.1", "GOLD", "RHEL 2.1.0"),
        ("RedHatEnterpriseLinux-2.1", "U6", "RHEL 2.1.6"),
        ("RHEL-3", "U9", "RHEL 3.9"),
        ("RHEL-5", "GOLD", "RHEL 5.0"),
        ("RedHatEnterpriseLinux-5", "U11", "RHEL 5.11"),
        ("RHEL-6", "4", "RHEL 6.4"),
        ("CentOS-5", "U3", "CentOS 5.3"),
        ("CentOS-9", "0", "CentOSStream 9"),
        ("ScientificLinux-6", "6.4", "ScientificLinux 6.4"),
        ("SL-5", "U3", "ScientificLinux 5.3"),
        ("ScientificLinuxCern-5", "U4", "ScientificLinuxCern 5.4"),
        ("SLC-6", "4", "ScientificLinuxCern 6.4"),
        ("OEL-6", "4", "OracleLinux 6.4"),
        ("OracleEnterpriseLinux-6", "4", "OracleLinux 6.4"),
        ("OL-5", "U8", "OracleLinux 5.8"),
        ("AlmaLinux", "9", "AlmaLinux 9.8"),
        ("RockyLinux", "8", "Rocky 8.10"),
        ("FC", "4", "FedoraCore 4"),
        ("Fedora", "44", "Fedora 44"),
        ("Fedora", "rawhide", "Fedora rawhide"),
    ],
)
def test_old_names_and_updates_keep_working(name: str, version: str, found: str) -> None:
    arch = "i386" if version[0] in "G7" or found[-5:-1] == "2.1." or name == "RHL" else "x86_64"
    assert guest_for(tdl_of(name, version, arch)).title == found


@pytest.mark.parametrize(
    ("distro", "version", "arch", "complaint"),
    [
        ("RedHatLinux", "9", "x86_64", "RedHatLinux 9 cannot be installed on x86_64"),
        ("RHEL-2.1", "U2", "x86_64", r"RHEL 2\.1\.2 cannot be installed on x86_64"),
        ("RHEL-7", "0", "i386", r"RHEL 7\.0 cannot be installed on i386"),
        ("RHEL-7", "1", "aarch64", r"RHEL 7\.1 cannot be installed on aarch64"),
        ("Fedora", "26", "i386", "Fedora 26 cannot be installed on i386"),
        ("RedHatLinux", "6.2", "i386", r"there is no guest RedHatLinux '6\.2'\n.*RedHatLinux 7\.2"),
    ],
)
def test_what_a_release_never_had_is_refused_by_name(distro: str, version: str, arch: str, complaint: str) -> None:
    with pytest.raises(UnsupportedError, match=complaint):
        guest_for(tdl_of(distro, version, arch))


# ------------------------------------------------------------------ media


@pytest.mark.parametrize("distro", FAMILY)
def test_a_documented_medium_is_accepted_and_planned(distro: str) -> None:
    for version, arch, install_type, firmware in samples(distro):
        tdl = tdl_of(distro, version, arch, install_type)
        guest = guest_for(tdl)
        guest.plan_media(tdl)
        if install_type == "iso":
            guest.check_medium(tdl, guest.documented_medium(tdl))
        plan = sample_plan(tdl, Settings(firmware=firmware))
        assert len(plan.boots) == 1 and plan.hardware.firmware == firmware


def disc(volume_id: str, *paths: str, size_bytes: int = 4 * 1024**3, **contents: str) -> Medium:
    return Medium(
        path=Path("/media/x.iso"),
        volume_id=volume_id,
        volume_size_bytes=size_bytes,
        paths=frozenset({"/isolinux/isolinux.cfg", "/isolinux/vmlinuz", "/isolinux/initrd.img", *paths}),
        contents={f"/.{name}": text.encode() for name, text in contents.items()},
    )


RPM = "/Packages/x.rpm"
OLD_TREEINFO = "[general]\nfamily = Fedora\ntimestamp = 1\nvariant = Fedora\nversion = 12\narch = x86_64\n"
NEW_TREEINFO = (
    "[general]\n; comment\narch = x86_64\nfamily = Rocky Linux\nname = Rocky Linux 8.10\nversion = 8.10\n"
    "[header]\nversion = 1.2\n[checksums]\nimages/install.img = sha256:1%2\n"
)


@pytest.mark.parametrize(
    ("medium", "found"),
    [
        # A volume id alone.
        (disc("RHEL/4-U8 i386 Disc 1", RPM), ("RHEL", "4.8", "i386", "dvd")),
        (disc("RHEL/5 x86_64 DVD", RPM), ("RHEL", "5.0", "x86_64", "dvd")),
        (disc("RHEL-7.9 Server.x86_64", RPM), ("RHEL", "7.9", "x86_64", "dvd")),
        (disc("CentOS 7 x86_64", RPM), ("CentOS", "7", "x86_64", "dvd")),
        (disc("CentOS_5.11_Final", RPM), ("CentOS", "5.11", "", "dvd")),
        (disc("FC/3 i386", RPM, size_bytes=667498496), ("FedoraCore", "3", "i386", "cd")),
        (disc("FC/3 i386", RPM, size_bytes=2466410496), ("FedoraCore", "3", "i386", "dvd")),
        (disc("Fedora-S-dvd-x86_64-rawh", RPM), ("Fedora", "rawhide", "x86_64", "dvd")),
        (disc("Fedora-S-dvd-aarch64-42"), ("Fedora", "42", "aarch64", "netinst")),
        (disc("Fedora-WS-Live-40-1-14"), ("Fedora", "40", "", "live")),
        (disc("Fedora 12 x86_64 Disc 3", RPM), ("Fedora", "12", "x86_64", "later-disc")),
        # More of it in files.
        (disc("Custom", RPM, treeinfo=OLD_TREEINFO), ("Fedora", "12", "x86_64", "dvd")),
        (disc("Rocky-8-10-x86_64-dvd", treeinfo=NEW_TREEINFO), ("Rocky", "8.10", "x86_64", "netinst")),
        (disc("CentOS", RPM, treeinfo="[general]\nfamily = CentOS\nversion = 6.6\n"), ("CentOS", "6.6", "", "dvd")),
        (disc("x", RPM, discinfo="1.5\nFedora Core 4\ni386\nALL\n"), ("FedoraCore", "4", "i386", "dvd")),
        (disc("x", RPM, discinfo="1.5\nRed Hat Linux 7.3\ni386\n1\n"), ("RedHatLinux", "7.3", "i386", "dvd")),
        (disc("x", RPM, discinfo="1.5\nRed Hat Enterprise Linux 4 Update 3\ni386\n"), ("RHEL", "4.3", "i386", "dvd")),
        (disc("x", "/RedHat/RPMS/redhat-release-7.0-1.noarch.rpm"), ("RedHatLinux", "7.0", "", "dvd")),
        (disc("x", "/RedHat/RPMS/redhat-release-as-2.1AS-3.noarch.rpm"), ("RHEL", "2.1", "", "dvd")),
        (disc("SL-64-x86_64", treeinfo="[general]\nfamily = Scientific Linux\nversion = 6.4\n"),
         ("ScientificLinux", "6.4", "", "netinst")),
        (disc("Fedora 9 i386 DVD", RPM, treeinfo="no section\n"), ("Fedora", "9", "i386", "dvd")),
    ],
)  # fmt: skip
def test_a_medium_tells_what_it_holds(medium: Medium, found: tuple[str, str, str, str]) -> None:
    (identity,) = RedHat.identify(medium)
    told = (identity.distro, identity.version, "".join(identity.arches), identity.variant)
    assert told == found and identity.is_sure


def test_a_medium_that_others_share_the_name_with_is_not_sure() -> None:
    for volume_id in ("CentOS", "Red Hat Enterprise Linux Server", "CentOS-Stream-BaseOS-x86_64"):
        (identity,) = RedHat.identify(disc(volume_id, RPM))
        assert not identity.is_sure and identity.version == ""
    assert RedHat.identify(disc("Debian 12.5.0 amd64 n")) == ()


@pytest.mark.parametrize(
    ("distro", "version", "medium", "complaint"),
    [
        ("RHEL", "8.4", disc("RHEL-8-5-0-BaseOS-x86_64", RPM), r"is another medium: .* expected RHEL 8\.4 for x86_64"),
        ("CentOS", "7", disc("RHEL-7.9 Server.x86_64", RPM), "is another medium"),
        ("CentOS", "8", disc("CentOS-Stream-8-x86_64-dvd", RPM), "is another medium"),
        ("Fedora", "19", disc("Fedora 19 i386", RPM), "is another medium"),
        ("Fedora", "20", disc("Fedora-Live-Desktop-x86_64-20-1"), "is a live medium"),
        ("Fedora", "9", disc("Debian 12.5.0 amd64 n"), "does not look like a Fedora medium"),
        ("FedoraCore", "5", disc("FC/5 x86_64", RPM, size_bytes=668962816), "is one CD of a set"),
        ("Fedora", "37", disc("Fedora-S-dvd-x86_64-37", RPM), r"expected /images/pxeboot/vmlinuz"),
    ],
)
def test_a_wrong_disc_is_refused(distro: str, version: str, medium: Medium, complaint: str) -> None:
    tdl = tdl_of(distro, version)
    with pytest.raises(MediumError, match=complaint):
        guest_for(tdl).check_medium(tdl, medium)


def test_a_disc_for_installing_from_the_network_needs_an_answer_file_that_knows_where_from() -> None:
    tdl = tdl_of("AlmaLinux", "9.4")
    guest, medium = guest_for(tdl), disc("AlmaLinux-9-4-x86_64-dvd")
    guest.check_medium(tdl, medium)
    with pytest.raises(MediumError, match=r"it has no packages\n.*install from a tree"):
        guest.plan_install(tdl, medium, sample_access(guest), Settings())
    assert guest.plan_install(tdl, medium, sample_access(guest), Settings(answer="url --url=http://h/\n")).edits


def test_a_trees_boot_disc_that_says_nothing_of_itself_is_taken() -> None:
    tdl = tdl_of("RHEL", "3.9", install_type="url")
    guest = guest_for(tdl)
    assert [fetch.url for fetch in guest.plan_media(tdl).fetches] == [f"{TREE}/images/boot.iso"]
    for volume_id in ("", "CDROM", "Red Hat Enterprise Linux"):
        guest.check_medium(tdl, disc(volume_id))
    with pytest.raises(MediumError, match="is another medium"):
        guest.check_medium(tdl, disc("RHEL/5.4 x86_64 DVD"))
    with pytest.raises(MediumError, match="does not look like a RHEL medium"):
        guest.check_medium(tdl, Medium(path=Path("/media/x.iso")))


@pytest.mark.parametrize(
    ("version", "url", "complaint"),
    [
        ("9.4", "file:///srv/tree", "the installer of RHEL 9.4 reads no tree by file\n.*by http, https, ftp"),
        ("6.4", "https://h/tree", "the installer of RHEL 6.4 reads no tree by https"),
        ("9.4", "http://me:secret@h/tree", "a tree's URL cannot have a user or password"),
        ("9.4", "http://h/tree#x", "a tree's URL cannot have blanks, quotes, # or"),
    ],
)
def test_a_tree_that_the_installer_cannot_read_is_refused(version: str, url: str, complaint: str) -> None:
    tdl = tdl_of("RHEL", version, install_type="url", install_url=url)
    with pytest.raises(TdlError, match=rf"sample\.tdl:7: {complaint}") as caught:
        guest_for(tdl).plan_media(tdl)
    assert "secret" not in str(caught.value)


# ------------------------------------------------------------------ the faults of the old Oz


@functools.cache
def all_plans() -> list[tuple[str, str, str, dict[str, str]]]:
    """Distribution, version, install type and texts of every release, on its first architecture."""
    return [
        (row.distro, row.version, install_type, texts_of(tdl_of(row.distro, row.version, row.arches[0], install_type)))
        for row in all_releases()
        if row.distro in FAMILY
        for install_type in row.install_types
    ]


def is_dracut(distro: str, version: str) -> bool:
    major = version.split(".")[0]
    if distro in ("RedHatLinux", "FedoraCore"):
        return False
    return version == "rawhide" or int(major) >= (17 if distro == "Fedora" else 7)


def test_options_have_the_prefix_where_the_installer_knows_it_and_only_there() -> None:
    """Fedora 7 to 16 were given inst.ks, which they do not know, and Enterprise Linux 9 ks, which it no longer does."""
    for distro, version, install_type, texts in all_plans():
        words = {word for text in texts.values() for word in re.findall(r"[^\s']+", text)}
        options = {word.split("=")[0] for word in words if re.match(r"(inst\.)?(ks|repo|method|stage2)=", word)}
        expected = {"inst.ks", "inst.stage2", "inst.repo"} if is_dracut(distro, version) else {"ks", "repo", "method"}
        assert options and options <= expected, (distro, version, install_type, options)


def test_discs_of_fedora_10_to_18_are_given_no_method() -> None:
    """Their installer takes one for a CD amiss."""
    for distro, version, install_type, texts in all_plans():
        if install_type == "iso" and distro == "Fedora" and version.isdigit() and 10 <= int(version) <= 18:
            assert not re.search(r"method=|repo=", "".join(texts.values())), version
    assert " method=cdrom:/dev/cdrom" in texts_of(tdl_of("Fedora", "9"))["isolinux_isolinux.cfg"]


def test_what_the_installer_was_told_is_not_left_for_initial_setup() -> None:
    """Enterprise Linux 9 lost inst.nosave on the way."""
    for version in ("9.0", "9.8", "10.0"):
        for install_type in INSTALL_TYPES:
            texts = texts_of(tdl_of("RHEL", version, install_type=install_type))
            assert "inst.nosave=output_ks" in "".join(texts.values())


def test_a_disc_keeps_its_volume_id_and_its_entries_for_uefi(tmp_path: Path) -> None:
    """Discs were made anew, named "Custom", which inst.stage2 did not find, and for PCs with a BIOS alone."""
    root = tmp_path / "root"
    for name in ("isolinux", "images/pxeboot", "EFI/BOOT", "Packages"):
        (root / name).mkdir(parents=True)
    for name in ("isolinux/vmlinuz", "isolinux/initrd.img", "images/pxeboot/vmlinuz", "images/pxeboot/initrd.img"):
        (root / name).write_text(name)
    (root / "isolinux/isolinux.bin").write_bytes(bytes(4096))
    (root / "isolinux/isolinux.cfg").write_text("timeout 600\n")
    (root / "EFI/BOOT/grub.cfg").write_text("linuxefi /images/pxeboot/vmlinuz\n")
    (root / "Packages/x.rpm").write_text("")
    fat = root / "images/efiboot.img"
    for command in (["mformat", "-C", "-f", "1440", "-i", fat, "::"], ["mmd", "-i", fat, "::/EFI", "::/EFI/BOOT"]):
        subprocess.run(command, check=True)
    image = tmp_path / "x.iso"
    boot = "-b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot -boot-load-size 4 -boot-info-table"
    efi = "-eltorito-alt-boot -e images/efiboot.img -no-emul-boot"
    words = f"xorriso -as mkisofs -quiet -R {boot} {efi} -V".split()
    subprocess.run([*words, "Fedora 20 x86_64", "-o", image, root], check=True)
    tdl = tdl_of("Fedora", "20")
    guest = guest_for(tdl)
    medium = iso.inspect(image, read=guest.plan_media(tdl).read)
    guest.check_medium(tdl, medium)
    plan = guest.plan_install(tdl, medium, sample_access(guest), Settings(firmware="efi"))
    made = bytearray(image.read_bytes())
    changes = iso.remaster(medium, plan.edits)
    made.extend(bytes(max(0, changes.size_bytes - len(made))))
    for patch in changes.patches:
        made[patch.offset : patch.offset + len(patch.data)] = patch.data
    edited = tmp_path / "edited.iso"
    edited.write_bytes(made)
    after = iso.inspect(edited, read=("/EFI/BOOT/grub.cfg", "/isolinux/isolinux.cfg", "/ks.cfg"))
    assert after.volume_id == "Fedora 20 x86_64"
    assert [boot.platform for boot in after.boot_images] == ["bios", "efi"]
    where = next(boot for boot in after.boot_images if boot.platform == "efi")
    inside = tmp_path / "inside"
    inside.write_bytes(made[where.lba * 2048 :][: where.size_bytes])
    shown = subprocess.run(["mtype", "-i", inside, "::/EFI/BOOT/grub.cfg"], capture_output=True, check=True)
    assert shown.stdout == after.contents["/EFI/BOOT/grub.cfg"]
    assert rb"linuxefi /images/pxeboot/vmlinuz inst.text" in shown.stdout
    assert rb"inst.stage2=hd:LABEL=Fedora\x2020\x20x86_64" in shown.stdout
    assert after.contents["/ks.cfg"].decode() == plan.answer


def test_discs_without_isolinux_are_installed_from() -> None:
    """Fedora 37 and Enterprise Linux 10 start by GRUB; whatever had no isolinux directory was refused."""
    for distro, version in (("Fedora", "37"), ("Fedora", "44"), ("RHEL", "10.0"), ("CentOSStream", "10")):
        plan = sample_plan(tdl_of(distro, version))
        assert [edit.path for edit in plan.edits if not edit.in_efi_image] == [
            "/ks.cfg", "/boot/grub2/grub.cfg", "/EFI/BOOT/grub.cfg"
        ]  # fmt: skip
        assert [edit.path for edit in plan.edits if edit.in_efi_image] == ["/EFI/BOOT/grub.cfg"]


def test_every_release_has_an_answer_file_of_its_own_installer() -> None:
    """Enterprise Linux 8 and 9 had none, and what was reused for Fedora 31 and later has commands that are gone."""
    for distro, version, _, texts in all_plans():
        answer = texts["ks.cfg"]
        assert "%packages" in answer and "%post" in answer
        if distro == "Fedora" and (version == "rawhide" or int(version) >= 34):
            assert not re.search(r"^(install|auth\w*)\b", answer, re.MULTILINE), version


def test_firmware_is_a_choice() -> None:
    """Fedora 30 and later were given UEFI always, and a disc that only starts under a BIOS."""
    for version in ("30", "36", "44"):
        assert sample_plan(tdl_of("Fedora", version)).hardware.firmware == "bios"
        assert "EFI_BOOT_grub.cfg" in texts_of(tdl_of("Fedora", version), Settings(firmware="efi"))


def test_initrds_that_are_file_systems_are_written_into() -> None:
    """Those of Fedora Core 1 to 3 never got their answer file."""
    for version, kind in (("1", "ext2"), ("3", "ext2"), ("4", "cpio"), ("6", "cpio")):
        plan = sample_plan(tdl_of("FedoraCore", version, install_type="url"))
        assert plan.initrd_format == kind and set(plan.initrd_files) == {"/ks.cfg"}
        assert plan.command_line and "ks=file:/ks.cfg" in plan.command_line


def test_other_names_of_a_system_are_planned_alike() -> None:
    """RedHatEnterpriseLinux-3 was taken for CentOS 3, as only one of its names was looked at."""
    first, second = (texts_of(tdl_of(name, "U9")) for name in ("RHEL-3", "RedHatEnterpriseLinux-3"))
    assert first == second


def test_no_card_is_named_that_only_one_machine_has() -> None:
    """ens3 stood in the answer files of Fedora 23 to 30."""
    for distro, version, _, texts in all_plans():
        devices = re.findall(r"^network .*--device[ =](\S+)", texts["ks.cfg"], re.MULTILINE)
        assert devices == ([] if is_dracut(distro, version) else ["eth0"])


def test_the_answer_holds_hashes_only() -> None:
    """The root password stood in it as it is."""
    for version, scheme in (("5.1", "md5"), ("5.2", "sha512"), ("9.4", "sha512")):
        tdl = tdl_of("RHEL", version, rootpw="clear text")
        guest = guest_for(tdl)
        access = replace(sample_access(guest), root_password="clear text", private_key="PRIVATE")
        plan = guest.plan_install(tdl, guest.documented_medium(tdl), access, Settings())
        everything = "".join(plan_texts(plan).values())
        assert f"rootpw --iscrypted {access.password_hashes[scheme]}\n" in plan.answer
        assert "clear text" not in everything and "PRIVATE" not in everything


# ------------------------------------------------------------------ installing


@pytest.mark.parametrize("install_type", INSTALL_TYPES)
@pytest.mark.parametrize("version", ["7.0", "7.1", "7.2", "7.3", "8"])
def test_the_oldest_start_from_a_floppy(version: str, install_type: str) -> None:
    tdl = tdl_of("RedHatLinux", version, "i386", install_type)
    guest, plan = guest_for(tdl), sample_plan(tdl)
    assert plan.floppy and plan.floppy.base == ("boot-image" if install_type == "iso" else "fetched")
    assert set(plan.floppy.files) == {"KS.CFG", "SYSLINUX.CFG"} and not plan.edits
    assert (plan.boots[0].device, plan.boots[0].ends) == ("fd", "reset")
    # What is left on the real floppies is little, and SYSLINUX takes no more than 255 characters.
    assert len(plan.floppy.files["KS.CFG"]) < 3072
    # Their installer takes each line of the file apart into words, those of scripts too.
    assert all(shlex.split(line) for line in plan.answer.splitlines() if line)
    (append,) = re.findall(r"append (.*)", plan.floppy.files["SYSLINUX.CFG"].decode())
    assert append == "initrd=initrd.img lang= devfs=nomount ramdisk_size=9126 ks=floppy"
    roles = [(fetch.role, fetch.url) for fetch in guest.plan_media(tdl).fetches]
    expected = ("floppy", f"{TREE}/images/bootnet.img") if install_type == "url" else ("iso", tdl.install_url)
    assert roles == [expected]


def test_a_cds_own_floppy_image_takes_the_answer_file(tmp_path: Path) -> None:
    """CDs of Red Hat Linux 7 could not be installed from; on them SYSLINUX.CFG is read-only."""
    root = tmp_path / "root"
    for name in ("images", "RedHat/RPMS"):
        (root / name).mkdir(parents=True)
    (root / "RedHat/RPMS/redhat-release-7.2-1.noarch.rpm").write_text("")
    floppy = root / "images/boot.img"
    menu = tmp_path / "menu"
    menu.write_text("prompt 1\ntimeout 600\n")
    for command in (
        ["mformat", "-C", "-f", "1440", "-i", floppy, "::"],
        ["mcopy", "-i", floppy, menu, "::SYSLINUX.CFG"],
        ["mattrib", "+r", "-i", floppy, "::SYSLINUX.CFG"],
    ):
        subprocess.run(command, check=True)
    image = tmp_path / "x.iso"
    words = ["genisoimage", "-quiet", "-R", "-V", "x", "-b", "images/boot.img", "-c", "boot.cat", "-o"]
    subprocess.run([*words, image, root], check=True)
    tdl = tdl_of("RedHatLinux", "7.2", "i386")
    guest, medium = guest_for(tdl), iso.inspect(image)
    guest.check_medium(tdl, medium)
    plan = guest.plan_install(tdl, medium, sample_access(guest), SETTINGS)
    assert plan.floppy
    made = iso.floppy(plan.floppy.files, tmp_path / "floppy", base=iso.read_floppy_boot_image(medium))
    for name, content in plan.floppy.files.items():
        assert subprocess.run(["mtype", "-i", made, f"::{name}"], capture_output=True, check=True).stdout == content


def test_a_disc_of_red_hat_linux_8_that_has_isolinux_needs_no_floppy() -> None:
    tdl = tdl_of("RedHatLinux", "8", "i386")
    guest = guest_for(tdl)
    plan = guest.plan_install(
        tdl, disc("x", "/RedHat/RPMS/redhat-release-8.0-8.noarch.rpm"), sample_access(guest), SETTINGS
    )
    assert plan.floppy is None and [edit.path for edit in plan.edits] == ["/ks.cfg", "/isolinux/isolinux.cfg"]


@pytest.mark.parametrize(
    ("distro", "version", "device"),
    [
        ("RedHatLinux", "9", "cdrom"), ("RHEL", "3.0", "cdrom"), ("RHEL", "4.9", "cdrom"), ("RHEL", "5.0", "kernel"),
        ("FedoraCore", "1", "kernel"), ("Fedora", "15", "kernel"), ("Fedora", "16", "cdrom"),
        ("Fedora", "17", "cdrom"), ("Fedora", "18", "kernel"), ("Rocky", "9.4", "kernel"),
    ],
)  # fmt: skip
def test_a_tree_starts_by_what_works(distro: str, version: str, device: str) -> None:
    arch = "i386" if distro == "RedHatLinux" else "x86_64"
    plan = sample_plan(tdl_of(distro, version, arch, "url"))
    assert plan.boots[0].device == device and (plan.command_line is None) == (device == "cdrom")
    assert f"url --url={TREE}\n" in plan.answer and "cdrom\n" not in plan.answer.split("%packages")[0]


def test_only_installers_that_know_how_switch_the_machine_off() -> None:
    for distro, version, _, texts in all_plans():
        is_old = distro == "RedHatLinux" or (distro == "FedoraCore" and version < "3")
        is_old |= distro in ("RHEL", "CentOS") and version[:2] in ("2.", "3.")
        assert ("\npoweroff\n" in texts["ks.cfg"]) != is_old, (distro, version)
        assert ("ends with reset" in texts["plan"]) == is_old


def test_the_templates_kernel_parameters_reach_the_installer() -> None:
    tdl = tdl_of("RHEL", "8.10", kernelparam="nomodeset")
    for text in (texts_of(tdl)["isolinux_isolinux.cfg"], texts_of(tdl)["efi_EFI_BOOT_grub.cfg"]):
        assert re.search(r" nomodeset console=tty0 console=ttyS0,115200n8$", text, re.MULTILINE)


def test_firmware_that_a_release_or_its_disc_does_not_have_is_refused() -> None:
    with pytest.raises(UnsupportedError, match=r"RHEL 6\.10 for x86_64 does not boot under efi firmware"):
        sample_plan(tdl_of("RHEL", "6.10"), Settings(firmware="efi"))
    tdl = tdl_of("RHEL", "7.9")
    guest = guest_for(tdl)
    with pytest.raises(MediumError, match=r"does not boot under efi firmware: it has no /EFI/BOOT/grub\.cfg"):
        guest.plan_install(tdl, disc("RHEL-7.9 Server.x86_64", RPM), sample_access(guest), Settings(firmware="efi"))


# ------------------------------------------------------------------ the disk


def disk_lines(
    distro: str, version: str, arch: str = "x86_64", firmware: Firmware = "bios", **changes: Any
) -> list[str]:
    answer = sample_plan(tdl_of(distro, version, arch, **changes), Settings(firmware=firmware)).answer
    return re.findall(r"^(?:part|volgroup|logvol|reqpart).*", answer.split("%packages")[0], re.MULTILINE)


def test_boot_loaders_get_what_they_need() -> None:
    assert disk_lines("RedHatLinux", "7.1", "i386") == ["part /boot --size=512", "part / --size=1024 --grow"]
    boot = "part /boot --fstype=ext3 --size=512"
    assert disk_lines("Fedora", "11") == [boot, "part / --fstype=ext4 --size=1024 --grow"]
    own = (Partition(mount="/"), Partition(mount="/boot", size_bytes=1024**3))
    assert disk_lines("Fedora", "11", partitions=own)[0] == "part /boot --fstype=ext3 --size=1024"
    bios_boot = "part biosboot --fstype=biosboot --size=1"
    assert bios_boot in disk_lines("Fedora", "16") and bios_boot not in disk_lines("Fedora", "18")
    assert disk_lines("Fedora", "18", disk_bytes=3 * 1024**4)[0] == bios_boot
    assert disk_lines("RHEL", "7.0", firmware="efi")[0] == "part /boot/efi --fstype=efi --size=512"
    assert disk_lines("RHEL", "9.0", firmware="efi") == ["reqpart", "part / --fstype=xfs --size=1024 --grow"]


def test_disks_that_an_installer_asks_about_get_their_table_first() -> None:
    plans = {version: sample_plan(tdl_of("Fedora", version)) for version in versions("Fedora")}
    assert [version for version, plan in plans.items() if plan.has_partition_table] == ["11", "12"]
    assert "clearpart" not in plans["11"].answer and "clearpart" in plans["12"].answer


@pytest.mark.parametrize(
    ("distro", "version", "changes", "complaint"),
    [
        ("RHEL-2.1", "U6", {"partition_layout": "lvm"}, r"RHEL 2\.1\.6 cannot be installed on logical volumes"),
        ("RHEL", "6.0", {"disk_bytes": 2 * 1024**4}, r"RHEL 6\.0 cannot boot from 2 TiB under a BIOS"),
        ("RHEL", "8.0", {"partitions": (Partition(mount="/", filesystem="btrfs"),)}, "makes no file system 'btrfs'"),
        ("Fedora", "40", {"disk_bytes": 1024**3}, r"tdl:8: Fedora 40 does not fit on a disk of 1 GiB\n.*4 GiB at"),
    ],
)
def test_a_disk_that_an_installer_cannot_make_is_refused(
    distro: str, version: str, changes: dict[str, Any], complaint: str
) -> None:
    arch = "i386" if distro == "RHEL-2.1" else "x86_64"
    with pytest.raises((UnsupportedError, TdlError), match=complaint):
        sample_plan(tdl_of(distro, version, arch, **changes))


# ------------------------------------------------------------------ the user's own answer file


def test_a_users_answer_replaces_ours_and_still_reports_the_end() -> None:
    tdl = tdl_of("RHEL", "9.4")
    plan = sample_plan(tdl, Settings(answer="rootpw --iscrypted {{ root_password_hash }}\n"))
    head, _, tail = plan.answer.partition("\n%post\n")
    assert head.startswith("rootpw --iscrypted $6$") and "part" not in head
    assert tail.endswith(f"'oz-done {'0' * 32}' >/dev/ttyS1\n%end\n")
    ours, theirs = texts_of(tdl), plan_texts(plan)
    assert {**theirs, "ks.cfg": ""} == {**ours, "ks.cfg": ""}
    old = sample_plan(tdl_of("RHEL", "5.4"), Settings(answer="text\n"))
    assert old.answer.endswith(">/dev/ttyS1\n") and old.answer.count("%post") == 1


def test_a_users_own_section_may_hold_ours() -> None:
    text = "%post\n{{ post }}echo more\n%end\n"
    answer = sample_plan(tdl_of("Fedora", "44"), Settings(answer=text)).answer
    assert answer.count("%post") == 1 and answer.endswith("echo more\n%end\n")


# ------------------------------------------------------------------ the last act


@pytest.mark.parametrize(("distro", "version"), [("RedHatLinux", "7.0"), ("RHEL", "5.4"), ("Fedora", "44")])
def test_the_last_section_says_what_the_protocol_wants(distro: str, version: str, tmp_path: Path) -> None:
    """It runs for real on a make-believe system, with a file as the marker port."""
    arch = "i386" if distro == "RedHatLinux" else "x86_64"
    tdl = tdl_of(distro, version, arch)
    text = sample_plan(tdl).answer.partition("%post\n")[2].removesuffix("%end\n")
    for directory in ("root", "etc/ssh", "usr/sbin", "bin", "sbin"):
        (tmp_path / directory).mkdir(parents=True)
    keygen = tmp_path / "bin/ssh-keygen"
    keygen.write_text(
        f'#!/bin/sh\necho "$@" >>{tmp_path}/said\n'
        f"echo ssh-type AAAAkey root@host >{tmp_path}/etc/ssh/ssh_host_x_key.pub\n"
    )
    keygen.chmod(0o755)
    port = tmp_path / "port"
    text = re.sub(r"^\[ -c /dev/ttyS1 \].*$", "", text, flags=re.MULTILINE).replace(">/dev/ttyS1", f">>{port}")
    text = re.sub(r"(?<![\w/.])/(root|etc|usr|sbin)/", rf"{tmp_path}/\1/", text)

    def run() -> int:
        command = ["sh", "-c", f"PATH={tmp_path}/bin:$PATH\n{text}"]
        return subprocess.run(command, text=True, capture_output=True).returncode

    assert run() != 0 and not port.exists(), "no sshd, no success"
    sshd = tmp_path / "usr/sbin/sshd"
    sshd.write_text("")
    sshd.chmod(0o755)
    assert run() == 0
    assert port.read_text().splitlines() == ["", "oz-hostkey ssh-type AAAAkey", "oz-done " + "0" * 32]
    said = (tmp_path / "said").read_text().split("\n")[0]
    assert said.startswith({"7.0": "-q -d -N ", "5.4": "-q -t rsa -N ", "44": "-A"}[version])
    keys = tmp_path / "root/.ssh/authorized_keys"
    assert sample_access(guest_for(tdl)).public_key in keys.read_text() and keys.stat().st_mode & 0o77 == 0
    assert (tmp_path / "root/.ssh/authorized_keys2").exists() == (version == "7.0")


def test_keys_are_of_kinds_that_the_release_knows() -> None:
    for distro, version, _, texts in all_plans():
        answer = texts["ks.cfg"]
        is_new = is_dracut(distro, version)
        assert ("ssh-keygen -A" in answer) == is_new, (distro, version)
        assert guest_for(tdl_of(distro, version, "i386" if not is_new else "x86_64")).is_legacy_ssh or is_new
