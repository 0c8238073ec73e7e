"""What others wrote judges autounattend.xml and the machine: lxml, Microsoft's reference of settings, libosinfo's own
answer file and list of media, isoinfo, libvirt's grammar.
"""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from plans import sample_plan, samples
from test_unattend import VERSIONS, answer_of, later, settings_of

from oz.domain import domain_xml
from oz.guests import guest_for
from oz.host import iso
from oz.model import Drive, Machine, Medium, Network, Rng, Settings

OSINFO = Path("/usr/share/osinfo/os/microsoft.com")
NS = "{urn:schemas-microsoft-com:unattend}"
ACTION = "{http://schemas.microsoft.com/WMIConfig/2002/State}action"
KEY_VALUE = "{http://schemas.microsoft.com/WMIConfig/2002/State}keyValue"

# Microsoft's Unattended Windows Setup Reference, a page for each component and each setting:
# https://learn.microsoft.com/windows-hardware/customize/desktop/unattend/COMPONENT (lower case), and below it
# ...-LIST-SETTING; of Vista and 2008, https://technet.microsoft.com/library/cc766245(v=ws.10) and its neighbours.
_LOCALE = "[a-z]{2,3}-[A-Z]{2}"
_LOCALES = dict.fromkeys(("InputLocale", "SystemLocale", "UILanguage", "UserLocale"), _LOCALE)
_NUMBER, _TRUE, _PASSWORD = r"\d+", "true", "(?s).{1,127}"
KNOWN: dict[tuple[str, str], dict[str, str]] = {
    # microsoft-windows-international-core-winpe
    ("windowsPE", "Microsoft-Windows-International-Core-WinPE"): {**_LOCALES, "SetupUILanguage/UILanguage": _LOCALE},
    # microsoft-windows-pnpcustomizationswinpe-driverpaths-pathandcredentials-path
    ("windowsPE", "Microsoft-Windows-PnpCustomizationsWinPE"): {
        "DriverPaths/PathAndCredentials/Path": r"[D-I]:\\\w+\\[\w.]+\\(x86|amd64)"
    },
    # microsoft-windows-setup-{runsynchronous,diskconfiguration,imageinstall,userdata}-...
    ("windowsPE", "Microsoft-Windows-Setup"): {
        "RunSynchronous/RunSynchronousCommand/Order": _NUMBER,
        "RunSynchronous/RunSynchronousCommand/Path": ".{1,259}",
        "DiskConfiguration/WillShowUI": "OnError",
        "DiskConfiguration/Disk/DiskID": _NUMBER,
        "DiskConfiguration/Disk/WillWipeDisk": _TRUE,
        "DiskConfiguration/Disk/CreatePartitions/CreatePartition/Order": _NUMBER,
        "DiskConfiguration/Disk/CreatePartitions/CreatePartition/Type": "EFI|MSR|Primary",
        "DiskConfiguration/Disk/CreatePartitions/CreatePartition/Size": _NUMBER,
        "DiskConfiguration/Disk/CreatePartitions/CreatePartition/Extend": _TRUE,
        "DiskConfiguration/Disk/ModifyPartitions/ModifyPartition/Order": _NUMBER,
        "DiskConfiguration/Disk/ModifyPartitions/ModifyPartition/PartitionID": _NUMBER,
        "DiskConfiguration/Disk/ModifyPartitions/ModifyPartition/Active": _TRUE,
        "DiskConfiguration/Disk/ModifyPartitions/ModifyPartition/Format": "NTFS|FAT32",
        "DiskConfiguration/Disk/ModifyPartitions/ModifyPartition/Label": r"\w{1,11}",
        "DiskConfiguration/Disk/ModifyPartitions/ModifyPartition/Letter": "[C-Z]",
        "ImageInstall/OSImage/WillShowUI": "OnError",
        "ImageInstall/OSImage/InstallFrom/MetaData/Key": "/IMAGE/(INDEX|NAME|DESCRIPTION)",
        "ImageInstall/OSImage/InstallFrom/MetaData/Value": ".+",
        "ImageInstall/OSImage/InstallTo/DiskID": _NUMBER,
        "ImageInstall/OSImage/InstallTo/PartitionID": _NUMBER,
        "UserData/AcceptEula": _TRUE,
        "UserData/FullName": ".{1,63}",
        "UserData/Organization": ".{0,63}",
        "UserData/ProductKey/Key": r"\w{5}(-\w{5}){4}",
        "UserData/ProductKey/WillShowUI": "OnError",
    },
    # microsoft-windows-shell-setup-{computername,timezone}
    ("specialize", "Microsoft-Windows-Shell-Setup"): {
        "ComputerName": r"[A-Z0-9-]{1,15}|\*",
        "TimeZone": "UTC",
    },
    # microsoft-windows-international-core
    ("oobeSystem", "Microsoft-Windows-International-Core"): _LOCALES,
    # microsoft-windows-shell-setup-{oobe,useraccounts,autologon,firstlogoncommands}-...
    ("oobeSystem", "Microsoft-Windows-Shell-Setup"): {
        **{
            f"OOBE/{name}": _TRUE
            for name in (
                "HideEULAPage", "HideLocalAccountScreen", "HideOEMRegistrationScreen", "HideOnlineAccountScreens",
                "HideWirelessSetupInOOBE", "SkipMachineOOBE", "SkipUserOOBE",
            )
        },
        "OOBE/NetworkLocation": "Home|Work|Other",
        "OOBE/ProtectYourPC": "[123]",
        "UserAccounts/AdministratorPassword/Value": _PASSWORD,
        "UserAccounts/AdministratorPassword/PlainText": "true|false",
        "AutoLogon/Enabled": _TRUE,
        "AutoLogon/LogonCount": _NUMBER,
        "AutoLogon/Username": ".{1,256}",
        "AutoLogon/Password/Value": _PASSWORD,
        "AutoLogon/Password/PlainText": "true|false",
        "FirstLogonCommands/SynchronousCommand/Order": _NUMBER,
        "FirstLogonCommands/SynchronousCommand/CommandLine": ".{1,1024}",
    },
}  # fmt: skip
"""Pass and component to settings, and a pattern of the values that each may have."""
LISTS = {
    "PathAndCredentials", "RunSynchronousCommand", "Disk", "CreatePartition", "ModifyPartition", "MetaData",
    "SynchronousCommand",
}  # fmt: skip
"""What the reference calls list items: each says that it is added."""
NEW = {
    "Vista": {
        "HideWirelessSetupInOOBE",
        "HideLocalAccountScreen",
        "HideOEMRegistrationScreen",
        "HideOnlineAccountScreens",
    },
    "7": {"HideLocalAccountScreen", "HideOEMRegistrationScreen", "HideOnlineAccountScreens"},
}
"""Settings that a release does not know yet."""


def test_every_component_and_setting_is_one_of_microsofts_reference(proof: Callable[..., None]) -> None:
    for version, arch, install_type, firmware in samples("Windows"):
        if version not in VERSIONS:
            continue
        for drivers in (None, Path("/virtio-win.iso")):
            plan = sample_plan(later(version, arch), Settings(firmware=firmware, virtio_win=drivers))  # type: ignore[arg-type]
            root = etree.fromstring(plan.answer.encode())
            check_envelope(root, "amd64" if arch == "x86_64" else "x86")
            found = settings_of(root)
            unknown = NEW.get({"2008": "Vista", "2008R2": "7"}.get(version, version), set())
            for setting_pass, component, path, value in found:
                assert re.fullmatch(KNOWN[setting_pass, component][path], value), (path, value)
                assert path.rpartition("/")[2] not in unknown
        proof("oracle", "Windows", version, arch, install_type, firmware)


def check_envelope(root: etree._Element, arch: str) -> None:
    """As the schema of answer files has it: unattend, settings with a pass, components with the five attributes that
    name one; each pass, and in it each component, once; lists with their items' action and their order from 1."""
    assert root.tag == f"{NS}unattend" and not root.attrib
    passes = [each.get("pass") for each in root]
    assert [each.tag for each in root] == [f"{NS}settings"] * len(passes) and len(set(passes)) == len(passes)
    for setting_pass in root:
        names = [each.get("name") for each in setting_pass]
        assert len(set(names)) == len(names)
        for component in setting_pass:
            assert component.tag == f"{NS}component"
            assert dict(component.attrib) == {
                "name": component.get("name"),
                "processorArchitecture": arch,
                "publicKeyToken": "31bf3856ad364e35",
                "language": "neutral",
                "versionScope": "nonSxS",
            }
    for element in root.iter(f"{NS}*"):
        name = etree.QName(element).localname
        assert (element.get(ACTION) == "add") == (name in LISTS), name
        items = [each for each in element if each.find(f"{NS}Order") is not None]
        assert [each.findtext(f"{NS}Order") for each in items] == [str(n + 1) for n in range(len(items))]
        keys = [each.get(KEY_VALUE) for each in element if each.get(KEY_VALUE)]
        assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    ("version", "short_id"), [("Vista", "winvista"), ("7", "win7"), ("8", "win8"), ("10", "win10")]
)
def test_libosinfos_own_answer_file_says_the_same(version: str, short_id: str, tmp_path: Path) -> None:
    key = "AAAAA-BBBBB-CCCCC-DDDDD-EEEEE"
    words = ["admin-password=placeholder", f"reg-product-key={key}", "hardware-arch=x86_64", "l10n-language=en-US"]
    options = [word for value in words for word in ("-c", value)]
    subprocess.run(
        ["osinfo-install-script", "-q", "-p", "jeos", f"--output-dir={tmp_path}", *options, short_id],
        check=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=60,
    )  # fmt: skip
    theirs = settings_of(etree.parse(str(next(tmp_path.iterdir()))).getroot())
    ours = {(name, path): value for _, name, path, value in settings_of(answer_of(later(version, key=key)))}
    # Ours to choose, or said in another way: one partition as large as the disk; the key where Setup asks for it.
    own = ("/Label", "/Size", "/Extend", "FirstLogonCommands", "ProductKey", "DriverPaths", "/NetworkLocation")
    for _, name, path, value in theirs:
        if value.strip() and not any(word in path for word in own):
            assert ours[name, path].lower() == value.strip().lower(), path


def volume_ids(name: str) -> st.SearchStrategy[str]:
    """What its patterns stand for, with a language."""
    patterns = [media.findtext("iso/volume-id") for media in etree.parse(str(OSINFO / name)).iter("media")]
    # For Itanium, and with a cluster's software.
    known = [f"^{pattern.lstrip('^')}" for pattern in patterns if pattern and not re.search("GRMSIA|SRVHPCR2", pattern)]
    return st.one_of([st.from_regex(re.compile(each), fullmatch=True) for each in known]).map(
        lambda text: f"{text}EN-US_DV5"
    )


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("win-vista.xml", "Vista"), ("win-2k8.xml", "2008"), ("win-7.xml", "7"), ("win-2k8r2.xml", "2008R2"),
        ("win-8.xml", "8"), ("win-2k12.xml", "2012"), ("win-8.1.xml", "8.1"), ("win-2k12r2.xml", "2012R2"),
        ("win-10.xml", "10"), ("win-2k16.xml", "2016"), ("win-2k19.xml", "2019"), ("win-11.xml", "11"),
        ("win-2k22.xml", "2022"),
    ],
)  # fmt: skip
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_every_medium_that_osinfo_knows_is_recognized(name: str, version: str, data: st.DataObject) -> None:
    if not (OSINFO / name).exists():
        pytest.skip(f"osinfo-db has no {name} here")
    volume_id = data.draw(volume_ids(name))
    found = guest_for(later("10")).identify(Medium(path=None, volume_id=volume_id))
    assert version in {identity.version for identity in found}, volume_id


@pytest.mark.parametrize("name", ["win-2k.xml", "win-xp.xml", "win-2k3.xml", "win-2k3r2.xml"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_medium_of_an_older_one_is_taken_for_ours(name: str, data: st.DataObject) -> None:
    if not (OSINFO / name).exists():
        pytest.skip(f"osinfo-db has no {name} here")
    volume_id = data.draw(volume_ids(name))
    assert not guest_for(later("10")).identify(Medium(path=None, volume_id=volume_id)), volume_id


@pytest.mark.parametrize(("version", "firmware"), [("Vista", "bios"), ("10", "bios"), ("11", "efi")])
def test_libvirts_grammar_accepts_the_machine(version: str, firmware: str, tmp_path: Path) -> None:
    plan = sample_plan(later(version), Settings(firmware=firmware, virtio_win=Path("/v.iso")))  # type: ignore[arg-type]
    assert plan.drivers
    machine = Machine(
        name="w",
        uuid="6a1b1c1e-0000-4000-8000-000000000001",
        mac="52:54:00:00:00:01",
        domain_type="qemu",
        cpus=1,
        hardware=plan.hardware,
        network=Network(),
        rng=Rng(),
        disk=Drive(path=tmp_path / "disk"),
        cdroms=(Drive(path=tmp_path / "cd.iso"), Drive(path=tmp_path / "seed.iso"), Drive(path=plan.drivers)),
        boot_device="cdrom",
    )
    path = tmp_path / "domain.xml"
    path.write_text(domain_xml(machine))
    done = subprocess.run(["virt-xml-validate", path, "domain"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + path.read_text()


def test_setup_finds_the_files_on_the_second_cd(tmp_path: Path) -> None:
    """By the Joliet names that Windows reads, in the root."""
    plan = sample_plan(later("10"))
    assert plan.seed
    image = iso.seed(plan.seed.label, plan.seed.files, tmp_path / "seed.iso")
    listed = subprocess.run(["isoinfo", "-J", "-f", "-i", image], capture_output=True, text=True, check=True).stdout
    assert sorted(listed.split()) == ["/OZDONE.VBS", "/OZLOG.VBS", "/OZSSH.PS1", "/autounattend.xml"]
    read = subprocess.run(
        ["isoinfo", "-J", "-x", "/autounattend.xml", "-i", image], capture_output=True, check=True
    ).stdout
    assert read.decode() == plan.answer
