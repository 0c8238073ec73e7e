"""What DrakX's guests plan, release by release, and what they make of media."""

import csv
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from goldens import GOLDEN, change_points, compare
from plans import SETTINGS, plan_texts, sample_access, sample_plan, sample_tdl, samples

from oz.errors import MediumError, TdlError, UnsupportedError, UsageError
from oz.guests import RELEASES, all_releases, guest_for
from oz.guests.mandriva import Mandriva
from oz.host import iso
from oz.model import BootImage, Medium, Partition, Settings, Tdl
from oz.units import GIB, TIB

MEDIA = Path(__file__).parents[1] / "../shared/research/osinfo-media.tsv"
DISTROS = ("Mandrake", "Mandriva", "Mageia")
PARTITIONS = (
    Partition(mount="/"),
    Partition(mount="swap", size_bytes=GIB),
    Partition(mount="/home", size_bytes=2 * GIB, filesystem="xfs"),
)
POINTS = ["8.2", "9.0", "2005", "2007.0", "2009.1", "2010.0", "2", "4", "7"]
"""The releases whose plan for i386 is not that of the release before."""


def mandriva_tdl(version: str, arch: str = "i386", **changes: Any) -> Tdl:
    distro = next((one.distro for one in RELEASES if one.planner is Mandriva and one.version == version), "Mageia")
    return sample_tdl(version, arch, "iso", **{"distro": distro, **changes})


def golden_samples() -> Iterator[tuple[str, Tdl]]:
    """Name and template of each plan that is kept."""
    for version in POINTS:
        yield f"drakx-{version}-i386", mandriva_tdl(version)
    yield "drakx-8.2-i386-partitions", mandriva_tdl("8.2", partition_layout="plain", partitions=PARTITIONS)
    yield "drakx-9-x86_64-partitions", mandriva_tdl("9", "x86_64", partition_layout="plain", partitions=PARTITIONS)


@pytest.mark.parametrize(
    ("name", "tdl"), list(golden_samples()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_plan_is_the_one_that_was_read_and_kept(name: str, tdl: Tdl, request: pytest.FixtureRequest) -> None:
    compare(GOLDEN / name, plan_texts(sample_plan(tdl, SETTINGS)), regenerate=request.config.getoption("regenerate"))


def test_goldens_stand_only_where_the_output_changes() -> None:
    versions = [row.version for row in RELEASES if row.planner is Mandriva]
    assert change_points(versions, lambda version: plan_texts(sample_plan(mandriva_tdl(version)))) == POINTS
    kept = {path.name for path in GOLDEN.iterdir() if path.name.startswith("drakx-")}
    assert kept == {name for name, _ in golden_samples()}


# ------------------------------------------------------------------ dispatch


def test_every_release_is_there_with_its_architectures() -> None:
    versions = {distro: [row.version for row in all_releases() if row.distro == distro] for distro in DISTROS}
    assert versions["Mandrake"] == ["8.2", "9.0", "9.1", "9.2", "10.0", "10.1"]
    assert (versions["Mandriva"][0], versions["Mandriva"][-1], len(versions["Mandriva"])) == ("2005", "2010.2", 11)
    assert versions["Mageia"] == [str(number) for number in range(2, 10)]
    arches = {row.version: row.arches for row in all_releases() if row.distro in DISTROS}
    assert arches["10.1"] == arches["2006.0"] == ("i386",)
    assert arches["2007.0"] == arches["2010.2"] == arches["9"] == ("i386", "x86_64")


@pytest.mark.parametrize(
    ("distro", "version", "found"),
    [
        ("Mandrake", "9", "Mandrake 9.2"),
        ("MandrakeLinux", "10.1", "Mandrake 10.1"),
        ("Mandriva", "2006", "Mandriva 2006.0"),
        ("MandrivaLinux", "2010", "Mandriva 2010.2"),
        ("Mageia", "4.1", "Mageia 4"),
        ("Mageia", "10", "Mageia 10"),
    ],
)
def test_releases_are_found_by_the_names_people_write(distro: str, version: str, found: str) -> None:
    assert guest_for(sample_tdl(version, "i386", distro=distro)).title == found


@pytest.mark.parametrize(("distro", "version"), [("Mandrake", "8.1"), ("Mandriva", "2004"), ("Mageia", "1")])
def test_a_release_that_is_not_planned_is_refused_by_name(distro: str, version: str) -> None:
    with pytest.raises(UnsupportedError, match=rf"there is no guest {distro} '{version}'\n.*the nearest names"):
        guest_for(sample_tdl(version, "i386", distro=distro))


@pytest.mark.parametrize(
    ("changes", "settings", "complaint"),
    [
        ({"install_type": "url"}, {}, "cannot be installed by url"),
        ({}, {"firmware": "efi"}, "does not boot under efi firmware"),
        ({}, {"machine_type": "q35"}, "takes no machine of type 'q35'"),
        ({"disk_bytes": 3 * TIB}, {}, "cannot boot from 3 TiB under a BIOS"),
        ({"partition_layout": "lvm", "partitions": PARTITIONS}, {}, "cannot be installed on logical volumes"),
        (
            {"partition_layout": "plain", "partitions": (Partition(mount="/", filesystem="btrfs"),)},
            {},
            "makes no file system 'btrfs'",
        ),
    ],
)
def test_what_drakx_cannot_do_is_refused(changes: dict[str, Any], settings: dict[str, Any], complaint: str) -> None:
    values = {"install_type": "iso", "distro": "Mageia", "install_url": "file:///media/install.iso", **changes}
    tdl = sample_tdl("9", "x86_64", **values)
    # Before anything is downloaded.
    with pytest.raises((UnsupportedError, TdlError), match=complaint):
        guest_for(tdl).check_template(tdl, Settings(**settings))


# ------------------------------------------------------------------ media


@pytest.mark.parametrize("distro", DISTROS)
def test_documented_media_are_accepted_and_planned(distro: str) -> None:
    for version, arch, install_type, firmware in samples(distro):
        tdl = mandriva_tdl(version, arch)
        guest_for(tdl).check_medium(tdl, guest_for(tdl).documented_medium(tdl))
        plan = sample_plan(tdl)
        assert (plan.answer_name, install_type, firmware) == ("auto_inst.cfg", "iso", "bios")
        # The first stage of the installer unmounts, and resets: a power off of our script's would come before that.
        assert [boot.ends for boot in plan.boots] == ["reset"] and "poweroff" not in plan.answer


def test_every_medium_that_osinfo_knows_is_named_as_osinfo_names_it() -> None:
    if not MEDIA.exists():
        pytest.skip("the table of media is not here: ../shared/research")
    named, others = 0, 0
    with MEDIA.open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    for row in rows:
        text = re.sub(r"\(([\w.+-]+)\|[^()]*\)", r"\1", row["volume_id_regex"]).replace("(.1)?", "")
        text = re.sub(r"\(([\w-]*)\)\?", r"\1", text)
        if not text or re.search(r"[\[\]()|*+?\\]", text) or not re.match(row["volume_id_regex"], text):
            continue
        found = Mandriva.identify(Medium(path=None, volume_id=text))
        if release := re.fullmatch(r"mageia([2-9])", row["short_id"]):
            (identity,) = found
            assert (identity.distro, identity.version) == ("Mageia", release[1]), row
            assert (identity.variant == "live") == (row["live"] == "true"), row
            assert identity.arches in ((), ({"i686": "i386"}.get(row["arch"], row["arch"]),)), row
            named += 1
        else:
            assert not found, row
            others += 1
    assert named > 30 and others > 500, (named, others)


def medium(volume_id: str = "", *paths: str, **files: str) -> Medium:
    lists = "/i586/media/media_info/media.cfg"
    return Medium(
        path=Path("/media/x.iso"),
        volume_id=volume_id,
        paths=frozenset((lists, *paths)),
        contents={path: text.encode() for path, text in files.items()},
    )


MENU = ("/isolinux/isolinux.cfg", "/isolinux/alt0/vmlinuz")
PRODUCT = "vendor={},distribution=x,type=basic,version={},branch=Official,release=1,arch={},product=Free\n"


@pytest.mark.parametrize(
    ("version", "found"),
    [
        ("9.1", medium("x", *MENU, **{"/VERSION": "Mandrake Linux 9.1 (Bamboo) Download i586"})),
        ("2005", medium("x", *MENU, **{"/VERSION": "Mandrakelinux 10.2 Limited Edition 2005 i586"})),
        ("2008.0", medium("x", *MENU, **{"/i586/product.id": PRODUCT.format("Mandriva", "2008.0", "i586")})),
        ("2010.1", medium("Mandriva-Linux-Free-2010.1-i586", *MENU)),
        ("5", medium("Mageia-5-i586", "/isolinux/isolinux.cfg", "/isolinux/i586/vmlinuz")),
        ("8", medium("Mageia-8-i586", "/boot/grub2/grub.cfg", "/boot/vmlinuz")),
        # One for both architectures: each directory has its own.
        (
            "3",
            medium(
                "Mageia-3",
                "/i586/isolinux/isolinux.cfg",
                "/i586/isolinux/alt0/vmlinuz",
                **{
                    "/i586/product.id": PRODUCT.format("Mageia.Org", "3", "i586"),
                    "/x86_64/product.id": PRODUCT.format("Mageia.Org", "3", "x86_64"),
                },
            ),
        ),
    ],
)
def test_real_media_are_recognized(version: str, found: Medium) -> None:
    tdl = mandriva_tdl(version)
    guest_for(tdl).check_medium(tdl, found)
    menus = [
        edit.path for edit in guest_for(tdl).plan_install(tdl, found, sample_access(guest_for(tdl)), SETTINGS).edits
    ]
    assert set(menus) - found.paths <= {"/i586/auto_inst.cfg"}


@pytest.mark.parametrize(
    ("version", "found", "complaint"),
    [
        ("8", medium("Mageia-9-i586", *MENU), "is another medium: volume id 'Mageia-9-i586'"),
        ("8", medium("Mageia-8-x86_64", *MENU), "is another medium"),
        ("8", medium("Mageia-8-Live-Xfce-i586", *MENU), "is a live medium"),
        ("8", medium("Debian 13.1.0 amd64 n"), "does not look like a Mageia medium"),
        ("8", medium("Mageia-8-i586"), r"has no installer: .*expected /boot/vmlinuz\n.*the first CD of the set"),
        ("10.1", medium("x", **{"/VERSION": "Mandrake Linux 10.1"}), r"expected /isolinux/alt0/vmlinuz"),
    ],
)
def test_another_medium_is_refused(version: str, found: Medium, complaint: str) -> None:
    tdl = mandriva_tdl(version)
    with pytest.raises(MediumError, match=f"/media/x.iso .*{complaint}"):
        guest_for(tdl).check_medium(tdl, found)


def test_a_medium_for_the_network_has_no_packages() -> None:
    tdl = mandriva_tdl("9", "x86_64")
    paths = frozenset({"/isolinux/isolinux.cfg", "/isolinux/x86_64/vmlinuz"})
    netinst = Medium(path=None, volume_id="Mageia-9-x86_64-netinstall", paths=paths)
    assert guest_for(tdl).identify(netinst)[0].variant == "netinst"
    with pytest.raises(MediumError, match=r"expected /x86_64/media/media_info/media\.cfg"):
        guest_for(tdl).check_medium(tdl, netinst)


def test_a_menu_that_is_not_known_is_refused() -> None:
    tdl = mandriva_tdl("9", "x86_64")
    with pytest.raises(MediumError, match="has no boot menu that is known"):
        guest_for(tdl).plan_install(tdl, medium("Mageia-9-x86_64"), sample_access(guest_for(tdl)), SETTINGS)


# ------------------------------------------------------------------ the way onto the machine


def test_8_2_starts_from_its_own_floppys_image() -> None:
    plan = sample_plan(mandriva_tdl("8.2"))
    assert plan.floppy is not None and plan.floppy.base == "boot-image" and plan.boots[0].device == "fd"
    assert list(plan.floppy.files) == ["SYSLINUX.CFG"]
    assert b"initrd=cdrom.rdz" in plan.floppy.files["SYSLINUX.CFG"]
    assert [edit.path for edit in plan.edits] == ["/auto_inst.cfg"]
    images = guest_for(mandriva_tdl("8.2")).documented_medium(mandriva_tdl("8.2")).boot_images
    assert [image.emulation for image in images if isinstance(image, BootImage)] == ["floppy"]


@pytest.mark.parametrize(
    ("version", "path", "words"),
    [
        ("10.1", "/auto_inst.cfg", "kickstart=auto_inst.cfg"),
        ("2006.0", "/auto_inst.cfg", "kickstart=auto_inst.cfg"),
        ("2008.0", "/i586/auto_inst.cfg", "kickstart=auto_inst.cfg"),
        ("5", None, "kickstart=floppy"),
        ("9", None, "kickstart=floppy"),
    ],
)
def test_the_answer_lies_where_drakx_is_told_to_look(version: str, path: str | None, words: str) -> None:
    plan = sample_plan(mandriva_tdl(version))
    edits = {edit.path: edit.content for edit in plan.edits}
    menu = next(content for name, content in edits.items() if name.endswith(("isolinux.cfg", "grub.cfg")))
    assert isinstance(menu, bytes) and words in menu.decode()
    if path:
        assert edits[path] == plan.answer.encode() and plan.floppy is None
    else:
        assert plan.floppy is not None and plan.floppy.files == {"auto_inst.cfg": plan.answer.encode()}
        assert len(edits) == 1


def test_the_floppy_keeps_a_name_that_is_longer_than_8_3(tmp_path: Path) -> None:
    plan = sample_plan(mandriva_tdl("9"))
    assert plan.floppy is not None
    image = iso.floppy(plan.floppy.files, tmp_path / "floppy.img", base=None)
    listed = subprocess.run(["mdir", "-b", "-i", image, "::"], capture_output=True, text=True, check=True)
    assert listed.stdout.split() == ["::/auto_inst.cfg"]
    read = subprocess.run(["mtype", "-i", image, "::/auto_inst.cfg"], capture_output=True, text=True, check=True)
    assert read.stdout == plan.answer


def test_a_users_answer_replaces_ours_and_must_report_the_end() -> None:
    answer = "$o = { 'postInstall' => {{ finish | perl }} };\n"
    ours, theirs = (sample_plan(mandriva_tdl("9"), replace(SETTINGS, answer=text)) for text in (None, answer))
    assert theirs == replace(ours, answer=theirs.answer, floppy=theirs.floppy) and theirs.edits == ours.edits
    assert theirs.answer.startswith("$o = { 'postInstall' => '# Run by")
    with pytest.raises(UsageError, match=r"never report the end.*\n.*finish \| perl"):
        sample_plan(mandriva_tdl("9"), replace(SETTINGS, answer="$o = {};"))


def test_limits_stretch_but_an_explicit_one_is_literal() -> None:
    plan = sample_plan(mandriva_tdl("9"), Settings(limit_factor=10, install_limit_s=60))
    assert (plan.limit_s, plan.inactivity_s) == (60, 6000)


# ------------------------------------------------------------------ the script in it


def run_finish(version: str, root: Path) -> subprocess.CompletedProcess[str]:
    """postInstall, as perl reads it, run for real on a make-believe system with a file as the marker port."""
    for directory in ("root", "etc/ssh", "etc/udev/rules.d", "usr/sbin", "bin"):
        (root / directory).mkdir(parents=True, exist_ok=True)
    for name in ("chkconfig", "systemctl", "ssh-keygen", "mknod"):
        (root / "bin" / name).write_text(f'#!/bin/sh\necho "{name} $*" >>{root}/log\n')
        (root / "bin" / name).chmod(0o755)
    (root / "etc/ssh/sshd_config").write_text("Port 22\n#PermitRootLogin no\nPermitRootLogin no\n")
    (root / "etc/ssh/ssh_host_rsa_key.pub").write_text("ssh-rsa AAAA here\n")
    program = 'undef $/; eval <STDIN>; die $@ if $@; print $o->{"postInstall"}'
    answer = sample_plan(mandriva_tdl(version)).answer
    script = subprocess.run(["perl", "-e", program], input=answer, text=True, capture_output=True, check=True).stdout
    script = script.replace(">/dev/ttyS1", f">>{root}/port")
    script = re.sub(r"(?<=[ ='>])/(root|etc|usr)/", rf"{root}/\1/", script)
    return subprocess.run(
        ["bash", "-c", script], env={"PATH": f"{root}/bin:/usr/bin:/bin"}, capture_output=True, text=True
    )


@pytest.mark.parametrize(("version", "enables"), [("8.2", "chkconfig sshd on"), ("9", "systemctl enable sshd.service")])
def test_the_last_script_ends_with_the_marker(version: str, enables: str, tmp_path: Path) -> None:
    (tmp_path / "usr/sbin").mkdir(parents=True)
    (tmp_path / "usr/sbin/sshd").touch(mode=0o755)
    done = run_finish(version, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "port").read_text() == f"\noz-hostkey ssh-rsa AAAA\noz-done {'0' * 32}\n"
    assert enables in (tmp_path / "log").read_text()
    config = (tmp_path / "etc/ssh/sshd_config").read_text()
    assert config == "Port 22\nPermitRootLogin without-password\nPermitRootLogin without-password\n"
    assert "ssh-rsa AAAA" in (tmp_path / "root/.ssh/authorized_keys").read_text()


def test_a_system_without_sshd_is_no_success(tmp_path: Path) -> None:
    assert run_finish("9", tmp_path).returncode != 0
    assert not (tmp_path / "port").exists()


def test_the_facts_of_the_installed_system() -> None:
    systems = {version: guest_for(mandriva_tdl(version)).system for version in POINTS}
    assert [systems[version].package_manager for version in ("8.2", "2005", "2007.0", "7")] == [
        "rpm", "urpmi-old", "urpmi", "urpmi",
    ]  # fmt: skip
    assert [systems[version].init for version in ("2010.0", "2")] == ["sysv", "systemd"]
    assert [guest_for(mandriva_tdl(version)).is_legacy_ssh for version in ("8.2", "5", "6")] == [True, True, False]
    # No init script of Debian's is needed after sealing.
    assert all(system.makes_host_keys_at_boot for system in systems.values())
