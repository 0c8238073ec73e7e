"""Windows from Vista on: what is planned, what is refused, which system of a medium is taken."""

import re
import string
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from goldens import GOLDEN, change_points, compare
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from plans import action_text, plan_texts, sample_access, sample_plan, sample_tdl, samples
from programs import run, write_config
from scripted import FakeClock, ScriptedDomain

from oz import install
from oz.build import Options, open_build, settle
from oz.config import load as load_config
from oz.dryrun import dry_machine
from oz.errors import GuestError, HostError, MediumError, OzError, TdlError, UnsupportedError, UsageError
from oz.failures import Listener
from oz.guests import guest_for, identify
from oz.host.access import placeholder_access
from oz.manifest import to_record
from oz.marks import read_marks
from oz.media import check_beside, remaster
from oz.model import (
    Command,
    Content,
    Edition,
    Extra,
    GuestFile,
    Hardware,
    Machine,
    Manifest,
    Medium,
    Package,
    Partition,
    Repository,
    Settings,
    Tdl,
    Virtual,
)
from oz.protocols import DomainEvent
from oz.units import GIB, TIB

VERSIONS = (
    "Vista", "2008", "7", "2008R2", "8", "2012", "8.1", "2012R2", "10", "2016", "2019", "11", "2022", "2025",
)  # fmt: skip
KEY = "AAAAA-BBBBB-CCCCC-DDDDD-EEEEE"
NS = {"u": "urn:schemas-microsoft-com:unattend"}


def later(version: str, arch: str = "x86_64", **changes: Any) -> Tdl:
    return sample_tdl(version, arch, **{"distro": "Windows", "disk_bytes": 64 * GIB, **changes})


def guest_file(path: str) -> GuestFile:
    return GuestFile(path=path, content=Content(data=b"x"))


def answer_of(tdl: Tdl, settings: Settings = Settings()) -> etree._Element:  # noqa: B008
    return etree.fromstring(sample_plan(tdl, settings).answer.encode())


def settings_of(root: etree._Element) -> list[tuple[str, str, str, str]]:
    """Pass, component, path of a setting, and its value, of everything that has one."""
    found = []
    for component in root.iterfind("u:settings/u:component", NS):
        for element in component.iter("{*}*"):
            if len(element) == 0 and element is not component:
                above = [each for each in element.iterancestors() if each in set(component.iter())][:-1]
                names = [etree.QName(each).localname for each in (*reversed(above), element)]
                place = (component.getparent().get("pass"), component.get("name"))  # type: ignore[union-attr]
                found.append((*map(str, place), "/".join(names), element.text or ""))
    return found


def values(root: etree._Element, path: str) -> list[str]:
    return [value for _, _, name, value in settings_of(root) if name.endswith(path)]


def texts_of(version: str, arch: str = "x86_64", **settings: Any) -> dict[str, str]:
    texts = plan_texts(sample_plan(later(version, arch), Settings(memory_bytes=64 * 1024**2, **settings)))
    return {name: text.replace("\r\n", "\n") for name, text in texts.items()}


# ------------------------------------------------------------------ plans


def plan_changes() -> list[str]:
    """The key is each release's own."""

    def plain(version: str) -> dict[str, str]:
        return {name: re.sub(r"<Key>\w{5}-.*</Key>", "", text) for name, text in texts_of(version).items()}

    return change_points(VERSIONS, plain)


@pytest.mark.parametrize("version", plan_changes())
def test_a_plan_is_the_one_that_was_read_and_kept(version: str, request: pytest.FixtureRequest) -> None:
    regenerate = request.config.getoption("regenerate")
    compare(GOLDEN / f"windows-{version}-x86_64-iso", texts_of(version), regenerate=regenerate)


def test_a_plan_with_drivers_is_the_one_that_was_read_and_kept(request: pytest.FixtureRequest) -> None:
    texts = texts_of("10", "i386", virtio_win=Path("/srv/virtio-win.iso"))
    compare(GOLDEN / "windows-10-i386-virtio", texts, regenerate=request.config.getoption("regenerate"))


def test_output_changes_where_a_fact_does() -> None:
    assert plan_changes() == ["Vista", "7", "8", "10", "2016", "2019", "11", "2022", "2025"]


@pytest.mark.parametrize(("version", "arch", "install_type", "firmware"), list(samples("Windows")))
def test_a_documented_medium_is_accepted_and_planned(version: str, arch: str, install_type: str, firmware: str) -> None:
    if version not in VERSIONS:
        return
    tdl = later(version, arch)
    guest = guest_for(tdl)
    guest.check_medium(tdl, guest.documented_medium(tdl))
    plan = sample_plan(tdl, Settings(firmware=firmware))  # type: ignore[arg-type]
    assert not plan.edits and plan.floppy is None and plan.drivers is None
    assert plan.seed and plan.seed.files["autounattend.xml"].decode() == plan.answer
    (boot,) = plan.boots
    assert (boot.device, boot.ends, boot.enter_s) == ("cdrom", "power-off", 20.0 if firmware == "efi" else 0.0)


def test_every_release_boots_as_its_firmware_can() -> None:
    found = {(version, firmware) for version, _, _, firmware in samples("Windows") if version in VERSIONS}
    old = {"Vista", "2008", "7", "2008R2"}
    assert found == {(version, "bios") for version in set(VERSIONS) - {"11", "2025"}} | {
        (version, "efi") for version in set(VERSIONS) - old
    }


def test_uefi_gets_a_gpt_disk_and_a_bios_one_active_partition() -> None:
    bios, efi = (answer_of(later("10"), Settings(firmware=firmware)) for firmware in ("bios", "efi"))  # type: ignore[arg-type]
    assert values(bios, "CreatePartition/Type") == ["Primary"] and values(bios, "/Active") == ["true"]
    assert values(efi, "CreatePartition/Type") == ["EFI", "MSR", "Primary"] and values(efi, "/Active") == []
    for answer, system in ((bios, "1"), (efi, "3")):
        assert values(answer, "InstallTo/PartitionID") == [system] == values(answer, "ModifyPartition/PartitionID")[-1:]
        assert values(answer, "CreatePartition/Extend") == ["true"]


def test_only_windows_11_is_told_to_pass_over_what_the_machine_lacks() -> None:
    for version in VERSIONS:
        *commands, _ = values(answer_of(later(version)), "RunSynchronousCommand/Path")
        assert bool(commands) == (version == "11")
        assert all(rf"HKLM\SYSTEM\Setup\LabConfig /v Bypass{word}Check /t REG_DWORD /d 1" in command
                   for word, command in zip(("TPM", "SecureBoot", "CPU"), commands, strict=False))  # fmt: skip


def test_the_administrator_is_called_as_the_mediums_language_has_it() -> None:
    tdl = later("10")
    guest = guest_for(tdl)
    medium = guest.documented_medium(tdl)
    for language, name in (("fr-FR", "Administrateur"), ("ru-RU", "Администратор"), ("de-DE", "Administrator")):
        there = replace(medium, editions=(replace(medium.editions[0], language=language),))
        plan = guest.plan_install(tdl, there, sample_access(guest), Settings())
        assert f"<Username>{name}</Username>" in plan.answer
        assert plan.seed and b"Rename-LocalUser" in plan.seed.files["OZSSH.PS1"]


def test_setups_log_is_sent_from_its_start() -> None:
    """The command ends at once and never fails; the script reads a copy, and writes to the port by cmd."""
    for version in VERSIONS:
        plan = sample_plan(later(version))
        assert plan.seed
        command = values(answer_of(later(version)), "RunSynchronousCommand/Path")[-1]
        assert "start /MIN cscript.exe //E:vbscript %d:\\OZLOG.VBS) & exit 0" in command and len(command) <= 259
        script = plan.seed.files["OZLOG.VBS"].decode("ascii")
        assert "\r\n" in script and '"oz-log "' in script and ">COM2" in script
    given = "{{ done_command }} {{ send_log }}"
    assert "OZLOG.VBS" in sample_plan(later("10"), Settings(answer=given)).answer


def test_limits_grow_under_emulation_and_so_does_the_time_that_enter_is_pressed() -> None:
    plan = sample_plan(later("11"), Settings(limit_factor=10.0))
    assert (plan.limit_s, plan.inactivity_s, plan.boots[0].enter_s) == (85000.0, 9000.0, 200.0)
    assert sample_plan(later("11"), Settings(limit_factor=10.0, install_limit_s=60)).limit_s == 60


# ------------------------------------------------------------------ drivers


def test_with_a_cd_of_drivers_disk_and_card_are_virtio() -> None:
    for version in VERSIONS:
        plan = sample_plan(later(version), Settings(virtio_win=Path("/v.iso")))
        assert (plan.hardware.disk_bus, plan.hardware.nic_model) == ("virtio", "virtio")
        assert plan.drivers == Path("/v.iso") and plan.seed
        paths = values(etree.fromstring(plan.answer.encode()), "PathAndCredentials/Path")
        directory = guest_for(later(version)).facts.virtio_directory
        for letter in "DEFGHI":
            assert {rf"{letter}:\{name}\{directory}\amd64" for name in ("viostor", "NetKVM")} <= set(paths)
        assert rb"guest-agent\qemu-ga-x86_64.msi" in plan.seed.files["OZDONE.VBS"]


def test_without_one_they_are_not() -> None:
    with pytest.raises(UnsupportedError, match=r"Windows 10 for x86_64 takes no disk on 'virtio'(.|\n)*sata, ide"):
        sample_plan(later("10"), Settings(disk_bus="virtio"))
    plan = sample_plan(later("10"))
    assert not values(etree.fromstring(plan.answer.encode()), "PathAndCredentials/Path")
    assert plan.seed and b"qemu-ga" not in plan.seed.files["OZDONE.VBS"]


# ------------------------------------------------------------------ what a template may ask for


@pytest.mark.parametrize(
    ("version", "changes", "error", "complaint"),
    [
        ("10", {"key": "12345"}, TdlError, r"not the form of a product key"),
        ("10", {"kernelparam": "x"}, TdlError, r"takes no arguments"),
        ("10", {"rootpw": "x" * 128}, TdlError, r"at most 127 characters"),
        ("10", {"rootpw": "a\ufffe"}, TdlError, r"all of XML"),
        ("2019", {"rootpw": "alllowercase1"}, TdlError, r"takes no password that is so simple(.|\n)*three of"),
        ("2019", {"rootpw": "Administrator-1"}, TdlError, r"so simple"),
        ("11", {"disk_bytes": 32 * GIB}, TdlError, r"Windows 11 does not fit on a disk of 32 GiB(.|\n)*64 GiB"),
        ("10", {"disk_bytes": 2 * TIB}, UnsupportedError, r"cannot boot from 2 TiB under a BIOS"),
        ("10", {"partitions": (Partition(mount="/d"), Partition(mount="/"))}, UnsupportedError, r"on one partition"),
        ("2016", {"packages": (Package(name="x"),)}, UnsupportedError, r"cannot be customized: it has no ssh"),
        (
            "10",
            {"repositories": (Repository(name="r", url="http://h.example/"),)},
            TdlError,
            r"repository r: Windows has none: features come with it(.|\n)*fetch programs in a <command>",
        ),
        ("10", {"packages": (Package(name="x", arguments="-y"),)}, TdlError, r"features take no arguments"),
        ("10", {"files": (guest_file("/etc/motd"),)}, TdlError, r"can have no file /etc/motd(.|\n)*C:/DIRECTORY/FILE"),
        ("10", {"files": (guest_file("C:/a:b"),)}, TdlError, r"can have no file C:/a:b"),
        ("10", {"files": (guest_file("C:/a./b"),)}, TdlError, r"can have no file C:/a\./b"),
        ("10", {"files": (guest_file("C:/a\\b"),)}, TdlError, r"can have no file"),
        ("10", {"extras": (Extra(kind="file", source="x", destination="y"),)}, TdlError, r"cannot be added to"),
        ("11", {"virtual": Virtual(memory_bytes=GIB)}, UnsupportedError, r"Windows 11 needs 4 GiB"),
    ],
)
def test_what_the_installer_cannot_do_is_refused_before_anything_is_fetched(
    version: str, changes: dict[str, Any], error: type[OzError], complaint: str
) -> None:
    tdl = later(version, **changes)
    with pytest.raises(error, match=rf"sample\.tdl:\d+: (.|\n)*{complaint}"):
        guest_for(tdl).check_template(tdl, Settings())


def test_what_it_can_do_is_not_refused() -> None:
    tdl = later("10", rootpw="a", disk_bytes=3 * TIB)
    guest_for(tdl).check_template(tdl, Settings(firmware="efi"))
    assert guest_for(tdl).plan_media(tdl).fetches
    with pytest.raises(MediumError, match="Windows 10 is installed from its DVD"):
        guest_for(tdl).plan_install(tdl, None, placeholder_access(()), Settings())


@pytest.mark.parametrize(("version", "arch"), [("11", "i386"), ("2012", "i386"), ("11", "aarch64"), ("8", "aarch64")])
def test_an_architecture_without_media_or_a_way_is_refused(version: str, arch: str) -> None:
    with pytest.raises(UnsupportedError, match=f"Windows {version} cannot be installed on {arch}"):
        guest_for(later(version, arch))


@given(st.text(st.characters(blacklist_categories=("Cs",)), min_size=1, max_size=100))
@settings(max_examples=100, deadline=None)
def test_a_password_is_rendered_right_or_refused(password: str) -> None:
    tdl = later("10", rootpw=password)
    guest = guest_for(tdl)
    try:
        guest.plan_media(tdl)
    except TdlError:
        assert re.search("[\x00-\x1f\ufffe\uffff]", password)
        return
    access = placeholder_access((), root_password=password)
    answer = guest.plan_install(tdl, guest.documented_medium(tdl), access, Settings()).answer
    # A reader of XML makes a line feed of a carriage return; templates can have neither.
    found = values(etree.fromstring(answer.encode()), "Password/Value")
    assert found == [password] * 2 or "\r" in password


@given(st.text(string.printable, min_size=1, max_size=60))
@settings(max_examples=50, deadline=None)
def test_names_in_the_answer_are_the_mediums_and_cannot_break_it(name: str) -> None:
    tdl = later("10", key=KEY)
    language = re.sub("[^\t\x20-\x7e]", "", name)
    medium = Medium(path=None, editions=(edition(1, name, "Professional", language=language),))
    plan = guest_for(tdl).plan_install(tdl, medium, placeholder_access(()), Settings())
    expected = [language or "en-US"] * 9
    assert values(etree.fromstring(plan.answer.encode()), ("Language"))[:3] == expected[:3]


# ------------------------------------------------------------------ editions


def edition(index: int, name: str, edition_id: str, *, version: str = "10.0.19041", **rest: Any) -> Edition:
    return Edition(
        **{"index": index, "name": name, "edition_id": edition_id, "version": version, "arch": "x86_64", **rest}
    )


CLIENTS = Medium(
    path=Path("/w.iso"),
    paths=frozenset({"/sources/install.wim"}),
    editions=(
        edition(1, "Windows 10 Home", "Core"),
        edition(2, "Windows 10 Pro", "Professional"),
        edition(3, "Windows 10 Enterprise Evaluation", "EnterpriseEval"),
    ),
)


def chosen(tdl: Tdl, medium: Medium = CLIENTS) -> tuple[str, list[str]]:
    """The number of the image that is installed, and the key."""
    plan = guest_for(tdl).plan_install(tdl, medium, placeholder_access(()), Settings(firmware="efi"))
    answer = etree.fromstring(plan.answer.encode())
    return values(answer, "MetaData/Value")[0], values(answer, "ProductKey/Key")


def test_an_edition_is_named_by_name_number_or_identifier() -> None:
    generic = "W269N-WFGWX-YVC9B-4J6C9-T83GX"
    assert chosen(later("10")) == ("2", [generic])
    assert chosen(later("10", edition="windows 10 pro", key=KEY)) == ("2", [KEY])
    assert chosen(later("10", edition="1", key=KEY)) == ("1", [KEY])
    assert chosen(later("10", edition="Core", key=KEY)) == ("1", [KEY])
    # A medium for evaluation takes none.
    assert chosen(later("10", edition="EnterpriseEval")) == ("3", [])


def test_an_edition_that_is_not_there_is_refused_with_those_that_are() -> None:
    there = r"there are 1 Windows 10 Home \(Core\); 2 Windows 10 Pro \(Professional\); 3 "
    with pytest.raises(TdlError, match=rf"the medium has no 'Ultimate'(.|\n)*{there}"):
        chosen(later("10", edition="Ultimate"))
    two = Medium(path=None, editions=(CLIENTS.editions[0], CLIENTS.editions[2]))
    with pytest.raises(MediumError, match=r"the medium has no Windows 10 Pro(.|\n)*name another in <edition>"):
        chosen(later("10"), two)
    with pytest.raises(TdlError, match=r"Windows 10 Home asks for a product key(.|\n)*add <key>"):
        chosen(later("10", edition="1"))


def test_an_only_edition_is_taken_and_a_servers_first_of_the_kind() -> None:
    assert chosen(later("10", key=KEY), Medium(path=None, editions=CLIENTS.editions[:1])) == ("1", [KEY])
    server: dict[str, Any] = {"version": "10.0.17763", "is_server": True}
    medium = Medium(
        path=None,
        editions=(
            edition(1, "Windows Server 2019 Standard Evaluation", "ServerStandardEval", **server),
            edition(2, "Windows Server 2019 Standard Evaluation (Desktop Experience)", "ServerStandardEval", **server),
        ),
    )
    assert chosen(later("2019"), medium) == ("1", [])
    assert chosen(later("2019", edition=medium.editions[1].name), medium) == ("2", [])


def test_a_system_with_one_edition_has_none_to_name() -> None:
    with pytest.raises(UnsupportedError, match="a medium of Debian 13 holds one system, with no <edition>"):
        guest_for(sample_tdl(edition="x"))


@pytest.mark.parametrize(
    ("version", "kernel", "is_server"),
    [
        ("Vista", "6.0.6002", False), ("2008", "6.0.6001", True), ("7", "6.1.7601", False),
        ("2008R2", "6.1.7601", True),
        ("8", "6.2.9200", False), ("2012", "6.2.9200", True), ("8.1", "6.3.9600", False), ("2012R2", "6.3.9600", True),
        ("10", "10.0.10240", False), ("10", "10.0.19045", False), ("2016", "10.0.14393", True),
        ("2019", "10.0.17763", True), ("2022", "10.0.20348", True), ("11", "10.0.22000", False),
        ("11", "10.0.26100", False), ("2025", "10.0.26100", True),
    ],
)  # fmt: skip
def test_the_kernel_tells_the_release_and_volume_ids_need_not(version: str, kernel: str, is_server: bool) -> None:
    medium = Medium(
        path=None, volume_id="MY_DVD", editions=(edition(1, "x", "y", version=kernel, is_server=is_server),)
    )
    (found,) = identify(medium)
    assert (found.distro, found.version, found.arches, found.is_sure) == ("Windows", version, ("x86_64",), True)
    guest = guest_for(later(version))
    assert [one for one in VERSIONS if guest.is_version(one)] == [version]


def test_a_medium_without_a_list_is_known_by_its_volume_id_and_not_for_sure() -> None:
    found = identify(Medium(path=None, volume_id="SSS_X64FREE_EN-US_DV9"))
    assert [one.version for one in found] == ["2016", "2019", "2022", "2025"] and not any(one.is_sure for one in found)
    assert [one.version for one in identify(Medium(path=None, volume_id="GSP1RMCPRXVOL_EN_DVD"))] == ["7"]


@pytest.mark.parametrize(
    ("found", "complaint"),
    [
        (Medium(path=Path("/x"), editions=(edition(1, "x", "y", version="6.1.7601"),)), "is another medium"),
        (Medium(path=Path("/x"), editions=(edition(1, "x", "y", arch="i386"),)), "is another medium"),
        (
            Medium(path=Path("/x"), editions=(edition(1, "x", "y"),)),
            r"has no installer.*expected /sources/install\.wim",
        ),
        (Medium(path=Path("/x"), editions=(edition(1, "x", "y", version="5.2.3790"),)), "does not look like a Windows"),
    ],
)
def test_another_medium_is_refused(found: Medium, complaint: str) -> None:
    tdl = later("10")
    with pytest.raises(MediumError, match=complaint):
        guest_for(tdl).check_medium(tdl, found)


# ------------------------------------------------------------------ a user's own answer file, and secrets


def test_a_users_answer_file_replaces_ours_and_reports_the_end() -> None:
    own = "<unattend><c>{{ done_command }}</c><n>{{ computer_name }}</n><i>{{ edition.index }}</i></unattend>"
    ours, theirs = sample_plan(later("10")), sample_plan(later("10"), Settings(answer=own))
    assert ours.seed and theirs.seed and "<n>SAMPLE</n><i>1</i>" in theirs.answer
    assert theirs.seed.files == {**ours.seed.files, "autounattend.xml": theirs.answer.encode()}
    with pytest.raises(UsageError, match=r"does not run Oz's script at the first logon(.|\n)*\{\{ done_command \}\}"):
        sample_plan(later("10"), Settings(answer="<unattend/>"))


def test_the_script_takes_out_setups_copies_of_the_answer_and_sends_its_message_last() -> None:
    plan = sample_plan(later("10"), Settings(virtio_win=Path("/v.iso")))
    assert plan.seed
    text = plan.seed.files["OZDONE.VBS"].decode("ascii")
    assert r'"Panther\unattend.xml"' in text and "\r\n" in text and not re.search("(?<!\r)\n", text)
    order = [text.index(word) for word in ("DeleteFile", "RegDelete", "msiexec", ">COM2 echo oz-done", "Win32Shutdown")]
    assert order == sorted(order)


# ------------------------------------------------------------------ ssh


@pytest.mark.parametrize("version", VERSIONS)
def test_sshd_is_brought_up_where_microsoft_has_it_and_before_the_end_is_told(version: str) -> None:
    guest, plan = guest_for(later(version)), sample_plan(later(version))
    assert plan.seed
    done = plan.seed.files["OZDONE.VBS"].decode()
    has_ssh = version in ("10", "2019", "11", "2022", "2025")
    assert (guest.supports_customize, guest.supports_manifest, "OZSSH.PS1" in plan.seed.files) == (has_ssh,) * 3
    assert (0 < done.find('"OZSSH.PS1"') < done.find("echo oz-done")) == has_ssh
    if not has_ssh:
        with pytest.raises(UnsupportedError, match=f"Windows {version}: nothing but sysprep"):
            guest.plan_seal()
        return
    assert (guest.user, guest.language, guest.is_legacy_ssh) == ("Administrator", "powershell", False)
    script = plan.seed.files["OZSSH.PS1"].decode()
    assert "Add-WindowsCapability -Online -Name OpenSSH.Server~~~~0.0.1.0" in script
    kind, key, *_ = placeholder_access(()).public_key.split()
    assert f"-Value '{kind} {key}'" in script
    # What the script sends is what is listened for.
    sent = re.findall(r'Send-Line "(oz-[^"]*)"', script)[0].replace("$type $key", "ssh-ed25519 " + "A" * 68)
    assert read_marks([sent]).host_keys == ("ssh-ed25519 " + "A" * 68,)


def test_a_failure_of_openssh_ends_the_installation_at_once() -> None:
    script = (sample_plan(later("11")).seed or Any).files["OZSSH.PS1"].decode()
    said = re.findall(r'Send-Line "oz-log ([^"]*)"', script)[0].replace("$($_.Exception.Message)", "Error 0x800f0954.")
    cause, hint = Listener("windows-setup", "autounattend.xml", "").hear("log", said) or ("", "")
    assert "could not get or start OpenSSH" in cause and "0x800f0954" in cause and "win32_openssh" in hint


def test_openssh_may_come_from_a_package_of_this_host(tmp_path: Path) -> None:
    package = tmp_path / "OpenSSH-Win64.msi"
    plan = sample_plan(later("11"), Settings(win32_openssh=package))
    assert plan.seed and plan.seed.copies == {"OPENSSH.MSI": package}
    script = plan.seed.files["OZSSH.PS1"].decode()
    assert "msiexec.exe" in script and "'OPENSSH.MSI'" in script and "Add-WindowsCapability" not in script
    with pytest.raises(HostError, match=r"OpenSSH-Win64\.msi: No such file"):
        check_beside(plan)
    package.write_bytes(b"the package")
    check_beside(plan)
    config = load_config(write_config(tmp_path), is_root=False, home=tmp_path)
    tdl = later("11")
    with open_build(tdl, guest_for(tdl), config, Settings(), Options(), image=tmp_path / "w.dsk") as build:
        made = remaster(plan, Medium(path=tmp_path / "w.iso"), {}, build, as_iso=False).seed
        assert made
        command = ["isoinfo", "-J", "-x", "/OPENSSH.MSI", "-i", made.path]
        assert subprocess.run(command, capture_output=True, check=True).stdout == b"the package"


def test_a_medium_from_before_openssh_wants_that_package() -> None:
    medium = Medium(path=None, editions=(edition(1, "Windows 10 Pro", "Professional", version="10.0.17134"),))
    guest, access = guest_for(later("10")), placeholder_access(())
    with pytest.raises(MediumError, match=r"holds build 17134 of Windows 10(.|\n)*build 17763 or later, or name"):
        guest.plan_install(later("10"), medium, access, Settings())
    assert guest.plan_install(later("10"), medium, access, Settings(win32_openssh=Path("/o.msi"))).seed


def test_it_is_customized_with_powershell(request: pytest.FixtureRequest) -> None:
    tdl = later(
        "2025",
        precommands=(Command(name="first", content=Content(data=b"Write-Output first\n")),),
        packages=(Package(name="Web-Server"), Package(name="NetFx3")),
        files=(GuestFile(path="C:/Oz/a.txt", content=Content(data=b"hello\n")),),
        commands=(Command(name="last", content=Content(data=b"Write-Output last\n")),),
    )
    guest = guest_for(tdl)
    texts = {"customize": action_text(guest.plan_customize(tdl)), "list": guest.plan_manifest(tdl).command}
    compare(GOLDEN / "windows-2025-customize", texts, regenerate=request.config.getoption("regenerate"))
    assert [action_text((one,)).splitlines()[0] for one in guest.plan_customize(tdl)] == [
        "== run precommand first", "== run install features", "== put C:/Oz/a.txt 644", "== run command last",
    ]  # fmt: skip
    assert guest.plan_customize(later("2025")) == ()


def test_a_path_with_a_drive_is_for_no_other_system() -> None:
    tdl = sample_tdl(files=(guest_file("C:/Oz/a.txt"),))
    with pytest.raises(TdlError, match=r"sample\.tdl:\d+: Debian 13 has no drive for C:/Oz/a\.txt"):
        guest_for(tdl).plan_customize(tdl)


@pytest.mark.parametrize(("option", "status"), [("--seal", 4), ("--customize", 8), ("--manifest", 8)])
def test_sealing_is_refused_before_anything_is_fetched(tmp_path: Path, option: str, status: int) -> None:
    (tmp_path / "w.tdl").write_text(
        "<template><name>w</name><os><name>Windows</name><version>11</version><arch>x86_64</arch>"
        "<install type='iso'><iso>http://127.0.0.1:1/w.iso</iso></install></os>"
        "<disk><size>64 GiB</size></disk></template>"
    )
    words = ["-c", write_config(tmp_path, libvirt_type="qemu"), option, *(["/dev/null"] * (option == "--manifest"))]
    done = run("oz-install", *words, tmp_path / "w.tdl")
    if option == "--seal":
        assert done.returncode == 4 and "Windows 11 cannot be sealed: nothing but sysprep" in done.stderr
    else:
        assert "cannot be" not in done.stderr and done.returncode != 4


LISTED = (
    '[{"kind":"feature","name":"Web-Server","version":"","architecture":"","publisher":""},'
    '{"kind":"hotfix","name":"KB5031364","version":"","architecture":"","publisher":""},'
    '{"kind":"program","name":"Fa\\u00e9 \\u0027x\\u0027","version":"1.2","architecture":"i386",'
    '"publisher":"A \\u0026 B"},'
    '{"kind":"system","name":"Windows","version":"10.0.20348.2031","architecture":"x86_64","publisher":"M"}]\r\n'
)


def test_what_is_installed_is_read_from_json() -> None:
    feature, hotfix, program, system = guest_for(later("2022")).parse_packages(LISTED)
    assert (feature.kind, feature.name, hotfix.kind, hotfix.name) == ("feature", "Web-Server", "hotfix", "KB5031364")
    assert (program.name, program.version, program.architecture, program.publisher) == (
        "Fa\u00e9 'x'", "1.2", "i386", "A & B",
    )  # fmt: skip
    assert system.version == "10.0.20348.2031"
    record = to_record(Manifest(packages=(program,)))["packages"][0]
    assert record["kind"] == "program" and record["publisher"] == "A & B" and "extra" not in record
    assert guest_for(later("2022")).parse_packages("[]") == ()


@pytest.mark.parametrize(
    "text", ["", "none", "{}", "[1]", "[[]]", "[" * 100_000, LISTED[:-9], LISTED.replace("hotfix", "other"),
             LISTED.replace('"Windows"', "null"), LISTED.replace('"1.2"', "12"), LISTED.replace('"Web-Server"', '""')],
)  # fmt: skip
def test_a_list_that_is_none_is_an_error_of_the_guest(text: str) -> None:
    with pytest.raises(GuestError, match=r"the list of what is installed (is|has)"):
        guest_for(later("2022")).parse_packages(text)


# ------------------------------------------------------------------ carried out


class OneDomain:
    """protocols.Hypervisor with a domain that follows a script."""

    def __init__(self, domain: ScriptedDomain) -> None:
        self.domain = domain
        self.machines: list[Machine] = []

    def check_name(self, name: str, uuid: str | None = None) -> None:
        pass

    def check_hardware(self, hardware: Hardware, domain_type: str) -> None:
        pass

    def start(
        self, machine: Machine, *, console_log: Path | None = None, installer_log: Path | None = None
    ) -> ScriptedDomain:
        self.machines.append(machine)
        return self.domain


def test_the_installer_gets_three_cds_and_enter(tmp_path: Path) -> None:
    drivers = tmp_path / "virtio-win.iso"
    plan = sample_plan(later("11"), Settings(virtio_win=drivers))
    plan = replace(plan, boots=(replace(plan.boots[0], enter_s=0.1),))
    config = load_config(write_config(tmp_path), is_root=False, home=tmp_path)
    domain = ScriptedDomain(FakeClock(), [(0, DomainEvent(kind="marker", text="oz-done " + "0" * 32)),
                                          (0, DomainEvent(kind="power-off"))])  # fmt: skip
    hypervisor = OneDomain(domain)
    tdl = later("11")
    with open_build(tdl, guest_for(tdl), config, Settings(), Options(), image=tmp_path / "w.dsk") as opened:
        build = replace(opened, hypervisor=lambda: hypervisor)
        medium = Medium(path=tmp_path / "w.iso")
        files = remaster(plan, medium, {}, build, as_iso=False)
        machine = dry_machine(tdl, plan, plan.boots[0], config, Settings())
        install._run_installer(plan, machine, files, placeholder_access(()), build)
    assert domain.pressed_at_s == [0] and domain.is_destroyed
    (started,) = hypervisor.machines
    assert [drive.path.name for drive in started.cdroms] == ["w.iso", "seed.iso", "virtio-win.iso"]
    assert started.boot_device == "cdrom"


def test_a_cd_of_drivers_that_is_not_there_is_missed_before_a_download(tmp_path: Path) -> None:
    (tmp_path / "w.tdl").write_text(
        "<template><name>w</name><os><name>Windows</name><version>10</version><arch>x86_64</arch>"
        "<install type='iso'><iso>http://127.0.0.1:1/w.iso</iso></install></os>"
        "<disk><size>32 GiB</size></disk></template>"
    )
    config = write_config(tmp_path, paths_virtio_win=f"{tmp_path}/none.iso", libvirt_type="qemu")
    done = run("oz-install", "-c", config, tmp_path / "w.tdl")
    assert done.returncode == 5 and "none.iso: No such file or directory\n  hint: name virtio-win.iso" in done.stderr
    assert "Fetch" not in done.stderr


def test_a_cd_of_drivers_has_those_of_the_release(tmp_path: Path) -> None:
    """By genisoimage, as the real one has them: in either case, and not for every release."""
    for name in ("viostor/w10/amd64/viostor.inf", "NetKVM/w10/amd64/netkvm.inf", "NetKVM/w11/amd64/netkvm.inf"):
        (tmp_path / "tree" / name).parent.mkdir(parents=True)
        (tmp_path / "tree" / name).touch()
    cd = tmp_path / "v.iso"
    subprocess.run(["genisoimage", "-quiet", "-J", "-o", cd, tmp_path / "tree"], check=True)
    check_beside(sample_plan(later("10"), Settings(virtio_win=cd)))
    check_beside(sample_plan(later("10")))
    with pytest.raises(MediumError, match=r"v\.iso is no CD of drivers for this release: it has no /viostor/w11/amd64"):
        check_beside(sample_plan(later("11"), Settings(virtio_win=cd)))
    cd.write_bytes(b"nothing")
    with pytest.raises(MediumError, match=r"the CD of drivers .*v\.iso: "):
        check_beside(sample_plan(later("10"), Settings(virtio_win=cd)))


def test_the_templates_cd_of_drivers_goes_before_that_of_oz_cfg(tmp_path: Path) -> None:
    config = load_config(write_config(tmp_path, paths_virtio_win="/c.iso"), is_root=False, home=tmp_path)
    assert settle(config, later("10"), Options(), probe=False).virtio_win == Path("/c.iso")
    assert settle(config, later("10", drivers=Path("/t.iso")), Options(), probe=False).virtio_win == Path("/t.iso")
    with pytest.raises(UnsupportedError, match=r"sample\.tdl:\d+: Debian 13 takes no CD of drivers"):
        guest_for(sample_tdl(drivers=Path("/t.iso")))
