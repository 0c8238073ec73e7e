"""Windows by text-mode setup: what is planned, what is refused, and the old Oz's faults with it."""

import configparser
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from goldens import GOLDEN, change_points, compare
from hypothesis import given, settings
from hypothesis import strategies as st
from plans import SETTINGS, plan_texts, sample_plan, sample_tdl, samples
from programs import run, write_config

from oz.dryrun import plan_dry, plan_json
from oz.errors import MediumError, OzError, TdlError, UnsupportedError, UsageError
from oz.guests import all_releases, guest_for
from oz.guests.windows import computer_name
from oz.host.access import placeholder_access
from oz.model import Command, Content, GuestFile, InstallPlan, Medium, Package, Partition, Repository, Settings, Tdl
from oz.units import GIB, TIB

VERSIONS = ("2000", "XP", "2003", "2003R2")
KEY = "AAAAA-BBBBB-CCCCC-DDDDD-EEEEE"
CONTENT = Content(data=b"x")
SAMPLES = [sample for sample in samples("Windows") if sample[0] in VERSIONS]


def windows(version: str = "XP", arch: str = "i386", **changes: Any) -> Tdl:
    return sample_tdl(version, arch, **{"distro": "Windows", "key": KEY, **changes})


def texts_of(tdl: Tdl, settings: Settings = SETTINGS) -> dict[str, str]:
    """A plan as files with the line ends of this host."""
    return {name: text.replace("\r\n", "\n") for name, text in plan_texts(sample_plan(tdl, settings)).items()}


def media_of(tdl: Tdl) -> Any:
    return guest_for(tdl).plan_media(tdl)


# ------------------------------------------------------------------ plans


def plan_changes() -> list[str]:
    return change_points(VERSIONS, lambda version: texts_of(windows(version)))


@pytest.mark.parametrize("version", plan_changes())
def test_a_plan_is_the_one_that_was_read_and_kept(version: str, request: pytest.FixtureRequest) -> None:
    regenerate = request.config.getoption("regenerate")
    compare(GOLDEN / f"windows-{version}-i386-iso", texts_of(windows(version)), regenerate=regenerate)


def test_goldens_stand_only_where_the_output_changes() -> None:
    kept = {path.name for path in GOLDEN.iterdir() if path.name.startswith("windows-")}
    kept -= {name for name in kept if name.split("-")[1] not in VERSIONS}
    assert kept == {f"windows-{version}-i386-iso" for version in plan_changes()}
    assert plan_changes() == ["2000", "XP", "2003"]


@pytest.mark.parametrize("version", VERSIONS[1:])
def test_64_bits_differ_in_the_machine_alone(version: str) -> None:
    narrow, wide = (texts_of(windows(version, arch)) for arch in ("i386", "x86_64"))
    assert wide == {**narrow, "plan": narrow["plan"].replace("arch: i386", "arch: x86_64")}


@pytest.mark.parametrize(("version", "arch", "install_type", "firmware"), SAMPLES)
def test_a_documented_medium_is_accepted_and_planned(version: str, arch: str, install_type: str, firmware: str) -> None:
    tdl = windows(version, arch)
    guest = guest_for(tdl)
    guest.check_medium(tdl, guest.documented_medium(tdl))
    assert (install_type, firmware) == ("iso", "bios")
    assert sample_plan(tdl, Settings(firmware="bios")).floppy


def test_limits_are_the_releases_own_or_the_users() -> None:
    slow = sample_plan(windows(), Settings(limit_factor=10.0))
    assert (slow.limit_s, slow.inactivity_s) == (36000.0, 6000.0)
    assert sample_plan(windows(), Settings(limit_factor=10.0, install_limit_s=60)).limit_s == 60


def test_hardware_that_the_cd_has_no_driver_for_is_refused() -> None:
    for wanted, complaint in (
        (Settings(disk_bus="virtio"), r"Windows XP for i386 takes no disk on 'virtio'(.|\n)*it takes ide$"),
        (Settings(nic_model="virtio"), r"takes no network card 'virtio'(.|\n)*rtl8139, pcnet"),
        (Settings(firmware="efi"), r"does not boot under efi firmware(.|\n)*it takes bios"),
    ):
        with pytest.raises(UnsupportedError, match=complaint):
            sample_plan(windows(), wanted)
    with pytest.raises(UnsupportedError, match="Windows 2000 for i386 takes no network card 'e1000'"):
        sample_plan(windows("2000"), Settings(nic_model="e1000"))


# ------------------------------------------------------------------ dispatch


def test_every_release_says_what_it_can_do() -> None:
    rows = {row.version: row for row in all_releases() if row.distro == "Windows"}
    assert tuple(rows)[: len(VERSIONS)] == VERSIONS
    assert all(row.install_types == ("iso",) for row in rows.values())
    with_ssh = {"10", "2019", "11", "2022", "2025"}
    everything = ("install", "customize", "manifest")
    assert all(row.phases == (everything if version in with_ssh else ("install",)) for version, row in rows.items())
    assert rows["2000"].arches == ("i386",) and rows["2003"].arches == ("i386", "x86_64")


@pytest.mark.parametrize("version", ["NT", "1998", "12", "2030"])
def test_another_windows_is_not_planned_like_one_of_these(version: str) -> None:
    with pytest.raises(
        UnsupportedError,
        match=rf"sample\.tdl:4: there is no guest Windows '{re.escape(version)}'(.|\n)*"
        r"a later Windows takes is not known; the nearest names are Windows ",
    ):
        guest_for(windows(version))


def test_what_never_was_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="Windows 2000 cannot be installed on x86_64"):
        guest_for(windows("2000", "x86_64"))
    with pytest.raises(UnsupportedError, match=r"Windows XP on i386 cannot be installed by url(.|\n)*it can be by iso"):
        guest_for(windows(install_type="url"))
    tdl = windows()
    with pytest.raises(MediumError, match="Windows XP is installed from its CD"):
        guest_for(tdl).plan_install(tdl, None, placeholder_access(()), SETTINGS)


# ------------------------------------------------------------------ what a template may ask for


@pytest.mark.parametrize(
    ("changes", "error", "complaint"),
    [
        ({"key": None}, TdlError, r"Windows XP asks for a product key, which the template lacks(.|\n)*add <key>XXXXX-"),
        ({"key": "12345"}, TdlError, r"not the form of a product key(.|\n)*XXXXX-XXXXX-"),
        ({"key": KEY + '"'}, TdlError, r"not the form of a product key"),
        ({"kernelparam": "x"}, TdlError, r"the kernel of Windows XP takes no arguments"),
        ({"rootpw": 'a"b'}, TdlError, r"a double quote or a percent sign cannot be put into a \.sif file"),
        ({"rootpw": "*"}, TdlError, r"a password of Windows XP has at most 127 characters and is not \*"),
        ({"rootpw": "x" * 128}, TdlError, r"at most 127 characters"),
        ({"disk_bytes": GIB}, TdlError, r"Windows XP does not fit on a disk of 1 GiB(.|\n)*give it 2 GiB"),
        ({"disk_bytes": 2 * TIB}, UnsupportedError, r"Windows XP cannot boot from 2 TiB"),
        ({"partition_layout": "lvm"}, UnsupportedError, r"cannot be installed on logical volumes"),
        ({"partitions": (Partition(mount="/", filesystem="ext4"),)}, UnsupportedError, r"makes no file system 'ext4'"),
        ({"partitions": (Partition(mount="/", size_bytes=GIB),)}, UnsupportedError, r"on one partition, all of the"),
        ({"partitions": (Partition(mount="/"), Partition(mount="/d"))}, UnsupportedError, r"on one partition, all of"),
        ({"packages": (Package(name="x"),)}, UnsupportedError, r"cannot be customized: it has no ssh(.|\n)*packages"),
        ({"files": (GuestFile(path="/x", content=CONTENT),)}, UnsupportedError, r"has no ssh(.|\n)*remove files"),
        ({"commands": (Command(name="x", content=CONTENT),)}, UnsupportedError, r"has no ssh(.|\n)*remove commands"),
        ({"precommands": (Command(name="x", content=CONTENT),)}, UnsupportedError, r"no ssh(.|\n)*remove commands"),
        ({"repositories": (Repository(name="x", url="http://h/"),)}, UnsupportedError, r"no ssh(.|\n)*repositories"),
    ],
)
def test_what_the_installer_cannot_do_is_refused_before_anything_is_fetched(
    changes: dict[str, Any], error: type[OzError], complaint: str
) -> None:
    with pytest.raises(error, match=rf"sample\.tdl:\d+: (.|\n)*{complaint}"):
        media_of(windows(**changes))


def test_what_the_installer_can_do_is_not_refused() -> None:
    assert media_of(windows(partitions=(Partition(mount="/", filesystem="ntfs"),), partition_layout="plain"))
    assert media_of(windows(rootpw="x" * 127, key=KEY.lower(), disk_bytes=2 * GIB))
    assert media_of(windows(disk_bytes=500 * GIB))


def test_windows_2000_has_no_48_bit_addresses() -> None:
    assert media_of(windows("2000", disk_bytes=128 * GIB))
    with pytest.raises(TdlError, match=r"Windows 2000 cannot address a disk of (.|\n)*it can 128 GiB"):
        media_of(windows("2000", disk_bytes=128 * GIB + 512))


def test_64_bits_need_a_larger_disk() -> None:
    assert media_of(windows("2003", disk_bytes=3 * GIB))
    with pytest.raises(TdlError, match="Windows 2003 does not fit on a disk of 3 GiB"):
        media_of(windows("2003", "x86_64", disk_bytes=3 * GIB))


# ------------------------------------------------------------------ values


def read_sif(text: str) -> configparser.ConfigParser:
    """Read as Windows' profile functions do: the first "=" divides, ";" begins a line of comment. Strict: a section or
    key that is there twice is an error."""
    reader = configparser.ConfigParser(
        interpolation=None, strict=True, delimiters=("=",), comment_prefixes=(";",), empty_lines_in_values=False
    )
    reader.optionxform = str  # type: ignore[assignment,method-assign]
    reader.read_string(text)
    return reader


@given(st.text(st.characters(blacklist_categories=("Cs",)), min_size=1, max_size=100))
@settings(max_examples=100, deadline=None)
def test_a_password_is_rendered_right_or_refused(password: str) -> None:
    tdl = windows(rootpw=password)
    try:
        media_of(tdl)
    except TdlError:
        assert password == "*" or not (password.isascii() and password.isprintable()) or set(password) & set('"%')
        return
    guest = guest_for(tdl)
    access = placeholder_access(guest.password_schemes, root_password=password)
    plan = guest.plan_install(tdl, guest.documented_medium(tdl), access, SETTINGS)
    assert read_sif(plan.answer)["GuiUnattended"]["AdminPassword"] == f'"{password}"'


@pytest.mark.parametrize("password", ["a b", "$HOME", "back\\", "#;=,[x]", "'", "x" * 100, " led and trailed "])
def test_the_old_oz_put_a_password_into_its_line_unquoted(password: str) -> None:
    """So a blank, a comma or a semicolon ended it. Its key was held as it came, too."""
    tdl = windows(rootpw=password)
    guest = guest_for(tdl)
    media_of(tdl)
    access = placeholder_access((), root_password=password)
    sif = read_sif(guest.plan_install(tdl, guest.documented_medium(tdl), access, SETTINGS).answer)
    assert sif["GuiUnattended"]["AdminPassword"] == f'"{password}"'
    assert sif["UserData"]["ProductKey"] == f'"{KEY}"'


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("windows-xp", "WINDOWS-XP"),
        ("a.b_c", "A-B-C"),
        ("a-rather-long-name-of-a-template", "A-RATHER-LONG-N"),
        ("sixteen-letters-and", "SIXTEEN-LETTERS"),
        ("fourteen-chars-x", "FOURTEEN-CHARS"),
        ("12345", "*"),
        ("\u00e9", "*"),
    ],
)
def test_a_computers_name_comes_from_the_templates(name: str, expected: str) -> None:
    assert computer_name(name) == expected


@given(st.text(min_size=1, max_size=60))
@settings(max_examples=50, deadline=None)
def test_a_computers_name_is_one_that_netbios_takes(name: str) -> None:
    assert re.fullmatch(r"\*|(?=.*[A-Z])[A-Z0-9][A-Z0-9-]{0,13}[A-Z0-9]|[A-Z]", computer_name(name))


# ------------------------------------------------------------------ media


def medium(volume_id: str, *paths: str) -> Medium:
    return Medium(path=Path("/media/x.iso"), volume_id=volume_id, paths=frozenset({"/i386/txtsetup.sif", *paths}))


@pytest.mark.parametrize(
    ("version", "arch", "volume_id", "paths"),
    [
        ("2000", "i386", "W2SFPP_DE", ()),
        ("2000", "i386", "ZRMPOEM_EN", ()),
        ("XP", "i386", "WXPVOL_EN", ()),
        ("XP", "i386", "GRTMHOEM_FR", ()),
        ("XP", "i386", "VX2PRMFPP_EN", ()),
        ("XP", "x86_64", "AX2PXVOL_EN", ("/amd64/txtsetup.sif",)),
        ("2003", "i386", "ARMEEVL_EN", ()),
        ("2003", "x86_64", "ARMEXFPP_EN", ("/amd64/txtsetup.sif",)),
        ("2003", "i386", "BX2SFPP_EN", ()),
        ("2003R2", "i386", "CRMEFPP_EN", ()),
        # Made anew with a service pack, under a name of somebody's own; by some programs with Joliet names.
        ("2000", "i386", "MY_CD", ("/CDROM_NT.5", "/CDROM_IS.5")),
        ("XP", "i386", "MY_CD", ("/win51", "/win51ic", "/win51ic.sp2")),
        ("XP", "x86_64", "MY_CD", ("/WIN51", "/WIN51AP", "/AMD64/TXTSETUP.SIF")),
        ("2003", "i386", "", ("/win51", "/win51ib", "/win51ib.sp1")),
        ("2003", "x86_64", "", ("/win51", "/win51aa", "/amd64/txtsetup.sif")),
    ],
)
def test_real_media_are_recognized(version: str, arch: str, volume_id: str, paths: tuple[str, ...]) -> None:
    tdl = windows(version, arch)
    guest_for(tdl).check_medium(tdl, medium(volume_id, *paths))


@pytest.mark.parametrize(
    ("version", "arch", "found", "complaint"),
    [
        ("XP", "i386", medium("W2PFPP_EN"), r"another medium: volume id 'W2PFPP_EN'; expected Windows XP for i386"),
        ("XP", "x86_64", medium("WXPVOL_EN"), r"another medium.*expected Windows XP for x86_64"),
        ("2003", "x86_64", medium("ARMEIFPP_EN"), r"another medium: volume id 'ARMEIFPP_EN'"),
        ("2003R2", "i386", medium("NRMSFPP_EN"), r"another medium.*expected Windows 2003R2"),
        ("XP", "i386", medium("GRMCPRXFRER_EN_DVD"), r"does not look like a Windows medium"),
        ("XP", "i386", medium("Debian 12.5.0 i386 n"), r"does not look like a Windows medium"),
        (
            "2003R2",
            "i386",
            Medium(path=Path("/x.iso"), volume_id="CR0SCD2_EN"),
            r"no installer.*expected /i386/txtsetup\.sif(.|\n)*the CD that boots, the first of the set",
        ),
        ("2003", "i386", Medium(path=Path("/x.iso"), volume_id="CR0SP2_EN"), r"has no installer"),
        ("XP", "x86_64", medium("ARMPXVOL_EN"), r"has no installer.*expected /amd64/txtsetup\.sif"),
    ],
)
def test_another_medium_is_refused(version: str, arch: str, found: Medium, complaint: str) -> None:
    tdl = windows(version, arch)
    with pytest.raises(MediumError, match=complaint):
        guest_for(tdl).check_medium(tdl, found)


# ------------------------------------------------------------------ the way onto the machine


def every_plan() -> Iterator[InstallPlan]:
    for version in VERSIONS:
        for arch in guest_for(windows(version)).release.install_types:
            yield sample_plan(windows(version, arch))


def test_the_old_oz_made_the_cd_anew() -> None:
    """Its volume id was "Custom" then, and its boot image had to be copied out, which failed under Python 3."""
    for plan in every_plan():
        assert not plan.edits and plan.seed is None and plan.command_line is None and not plan.initrd_files
        assert plan.floppy and set(plan.floppy.files) == {"WINNT.SIF", "OZDONE.VBS"}
        assert plan.floppy.files["WINNT.SIF"].decode() == plan.answer
        assert [boot.device for boot in plan.boots] == ["cdrom"]


def test_the_old_oz_took_the_end_of_graphical_setup_for_the_end() -> None:
    """It counted one reset and took the second, before the first logon, for a power-off: whatever Windows did at it was
    done in the user's hands. The end is the script's message now, sent after both."""
    for plan in every_plan():
        (boot,) = plan.boots
        assert boot.reboots >= 2 and boot.ends == "power-off"
        assert read_sif(plan.answer)["GuiRunOnce"]["Command0"] == r'"wscript.exe A:\OZDONE.VBS"'


def test_the_old_oz_opened_telnet_and_took_the_firewall_down() -> None:
    for plan in every_plan():
        sif = read_sif(plan.answer)
        assert not {"SetupParams", "WindowsFirewall"} & set(sif.sections())
        assert "tlntsvr" not in plan.answer.lower()


def test_the_script_sends_its_message_last_but_for_the_power_off() -> None:
    for plan in every_plan():
        assert plan.floppy
        text = plan.floppy.files["OZDONE.VBS"].decode("ascii")
        statements = [line for line in text.split("\r\n") if line and not line.startswith("'")]
        marker = statements.index('shell.Run "cmd.exe /c >COM2 echo oz-done ' + "0" * 32 + '", 0, True')
        before, after = statements[:marker], statements[marker + 1 :]
        assert not re.search("Delete|RegWrite", "".join(after)) and after[-2] == "  system.Win32Shutdown 12"
        assert sum("Delete" in line for line in before) == 3
        # Only what may be gone already may fail unseen.
        blind = before[before.index("On Error Resume Next") + 1 : before.index("On Error GoTo 0")]
        assert [line.split()[0] for line in blind] == ["shell.RegDelete", "shell.RegDelete"]


def test_only_windows_2000_stops_at_a_new_disk_and_needs_qemus_help() -> None:
    for version in VERSIONS:
        plan = sample_plan(windows(version))
        assert plan.has_partition_table == (version == "2000")
        assert plan.hardware.qemu_options == (("-win2k-hack",) if version == "2000" else ())
        assert plan.hardware.clock == "localtime" and plan.hardware.asks_for_drivers


# ------------------------------------------------------------------ a user's own answer file

OWN = "[Data]\n[Unattended]\n[GuiRunOnce]\nCommand0={{ done_command|inf }}\n"


def test_a_users_answer_file_replaces_ours_and_nothing_else() -> None:
    ours, theirs = sample_plan(windows()), sample_plan(windows(), Settings(answer=OWN + "; {{ computer_name }}\r\n"))
    expected = (OWN + "; SAMPLE\n").replace("{{ done_command|inf }}", r'"wscript.exe A:\OZDONE.VBS"')
    assert theirs.answer == expected.replace("\n", "\r\n")
    assert ours.floppy and theirs.floppy
    assert theirs.floppy.files == {**ours.floppy.files, "WINNT.SIF": theirs.answer.encode()}


def test_a_users_answer_file_reports_the_end_and_is_ascii() -> None:
    with pytest.raises(UsageError, match=r"does not run Oz's script at the first logon(.|\n)*\{\{ done_command \}\}"):
        sample_plan(windows(), Settings(answer="[Data]\n"))
    with pytest.raises(UsageError, match="letters beyond ASCII, which text-mode setup reads as others"):
        sample_plan(windows(), Settings(answer=OWN + "; \u00e9\n"))


# ------------------------------------------------------------------ no ssh


def test_nothing_can_be_done_in_the_installed_system() -> None:
    tdl = windows()
    guest = guest_for(tdl)
    assert guest.plan_customize(tdl) == ()
    for plan in (guest.plan_seal, lambda: guest.plan_manifest(tdl)):
        with pytest.raises(UnsupportedError, match="Windows XP: it has no ssh"):
            plan()


def test_what_is_shown_of_a_plan_has_neither_password_nor_product_key() -> None:
    tdl = windows(rootpw="S3cret-Word")
    media, plan = plan_dry(tdl, guest_for(tdl), SETTINGS)
    text = plan_json(media, plan, ())
    assert KEY not in text and "S3cret" not in text and 'ProductKey=\\"XXXXX-XXXXX-' in text


TEMPLATE = f"""<template><name>w</name><os><name>Windows</name><version>2003</version><arch>i386</arch>
<install type='iso'><iso>http://127.0.0.1:1/no.iso</iso></install><key>{KEY}</key></os></template>
"""


@pytest.mark.parametrize(
    ("option", "complaint"),
    [
        ("-u", "Windows 2003 cannot be customized: it has no ssh"),
        ("--seal", "Windows 2003 cannot be sealed: it has no ssh"),
        ("-g", "the packages of Windows 2003 cannot be listed"),
    ],
)
def test_phases_that_need_ssh_are_refused_before_anything_is_fetched(
    tmp_path: Path, option: str, complaint: str
) -> None:
    (tmp_path / "w.tdl").write_text(TEMPLATE)
    done = run("oz-install", "-c", write_config(tmp_path), option, tmp_path / "w.tdl")
    assert done.returncode == 4 and complaint in done.stderr
    assert "Fetch" not in done.stderr and not (tmp_path / "images").exists()
