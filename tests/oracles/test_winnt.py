"""What others wrote judges winnt.sif and its way onto the machine: Python's strict reader of such files, libosinfo's
own answer file and its list of media, mtools, libvirt's grammar and QEMU.

Nothing on Linux knows winnt.sif itself, and the script of the first logon has no judge at all.
"""

import itertools
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from guest import tiny
from lxml import etree
from plans import SETTINGS, sample_plan, samples
from test_windows import VERSIONS, every_plan, read_sif, windows

from oz.domain import domain_xml
from oz.guests import guest_for
from oz.host import iso
from oz.host.hypervisor import LibvirtHypervisor
from oz.host.waiting import wait_boot
from oz.model import Drive, Machine, Medium, Network, Rng
from oz.protocols import RealClock

OSINFO = Path("/usr/share/osinfo/os/microsoft.com")

# Microsoft's reference of Unattend.txt: ref.chm of Windows XP SP3 (u_data.htm, u_unattended.htm, u_guiunattended.htm,
# ...); for 2003, https://technet.microsoft.com/library/cc755725 and its neighbours; ProductID: unattend.doc of 2000.
KNOWN = {
    "Data": {"AutoPartition": "1", "MsDosInitiated": '"0"', "UnattendedInstall": '"Yes"'},
    "Unattended": {
        "UnattendMode": "FullUnattended",
        "OemSkipEula": "Yes",
        "OemPreinstall": "No",
        "UnattendSwitch": "Yes",
        "TargetPath": r"\\(WINNT|WINDOWS)",
        "Repartition": "Yes",
        "WaitForReboot": "No",
    },
    "GuiUnattended": {
        "AdminPassword": '".{1,127}"',
        "AutoLogon": "Yes",
        "AutoLogonCount": "1",
        "OEMSkipRegional": "1",
        "OemSkipWelcome": "1",
        "TimeZone": r"\d{2,3}",
    },
    "UserData": {
        "ProductID": r'"\w{5}(-\w{5}){4}"',
        "ProductKey": r'"\w{5}(-\w{5}){4}"',
        "FullName": '".+"',
        "OrgName": '".*"',
        "ComputerName": r'"([A-Z0-9-]{1,15}|\*)"',
    },
    "LicenseFilePrintData": {"AutoMode": "PerServer", "AutoUsers": r"[5-9]|\d{2,}"},
    "Display": {"BitsPerPel": "16", "XResolution": r"\d+", "YResolution": r"\d+", "Vrefresh": r"\d+"},
    "Identification": {"JoinWorkgroup": "WORKGROUP"},
    "Networking": {"InstallDefaultComponents": "Yes"},
    "GuiRunOnce": {"Command0": '".+"'},
}
"""Section, key, and a pattern of the values that it may have."""


def test_every_key_and_value_is_one_of_microsofts_reference(proof: Callable[..., None]) -> None:
    for plan in every_plan():
        sif = read_sif(plan.answer)
        for section in sif.sections():
            assert section in KNOWN, section
            for key, value in sif[section].items():
                assert re.fullmatch(KNOWN[section][key], value), (section, key, value)
        names = set(sif["UserData"])
        assert len(names & {"ProductID", "ProductKey"}) == 1
    for sample in samples("Windows"):
        if sample[0] in VERSIONS:
            proof("oracle", "Windows", *sample)


def test_the_file_is_one_that_setup_does_not_pass_over() -> None:
    """It reads ASCII with the line ends of DOS, and ignores a file without these sections."""
    for plan in every_plan():
        lines = plan.answer.split("\r\n")
        assert plan.answer.isascii() and not any("\r" in line or "\n" in line for line in lines) and lines[-1] == ""
        assert {"Data", "Unattended"} <= set(read_sif(plan.answer).sections())
        assert plan.floppy and all(b"\n" not in text.replace(b"\r\n", b"") for text in plan.floppy.files.values())


def test_servers_alone_are_asked_how_clients_are_licensed() -> None:
    for version in VERSIONS:
        sections = read_sif(sample_plan(windows(version)).answer).sections()
        assert ("LicenseFilePrintData" in sections) == (version != "XP")


@pytest.mark.parametrize(("version", "short_id"), [("2000", "win2k"), ("XP", "winxp"), ("2003", "win2k3")])
def test_libosinfos_own_answer_file_says_the_same(version: str, short_id: str, tmp_path: Path) -> None:
    words = ["admin-password=x", "reg-product-key=AAAAA-BBBBB-CCCCC-DDDDD-EEEEE", "user-realname=u"]
    options = [word for value in words for word in ("-c", value)]
    subprocess.run(
        ["osinfo-install-script", "-q", "-p", "jeos", f"--output-dir={tmp_path}", *options, short_id],
        check=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=60,
    )  # fmt: skip
    theirs, ours = read_sif((tmp_path / "winnt.sif").read_text()), read_sif(sample_plan(windows(version)).answer)
    # Ours to choose; the last is how 2000 has it, where libosinfo has one file for all.
    own = {"TimeZone", "XResolution", "YResolution", "AdminPassword", "FullName", "ComputerName", "ProductKey"}
    own |= {"TargetPath"} if version == "2000" else set()
    for section in set(theirs.sections()) - {"RegionalSettings"}:
        folded = {key.lower(): value.strip('"').lower().replace("no", "0") for key, value in ours[section].items()}
        for key, value in theirs[section].items():
            if key.lower() not in {name.lower() for name in own} and key != "EncryptedAdminPassword":
                assert folded[key.lower()] == value.strip('"').lower().replace("no", "0"), key


def volume_ids(name: str) -> Iterator[tuple[str, str]]:
    """Volume id, with a language, and architecture, of each CD that osinfo-db knows of a system."""
    for media in etree.parse(str(OSINFO / name)).iter("media"):
        pattern = media.findtext("iso/volume-id") or ""
        listed = re.fullmatch(r"\^?\(([A-Z0-9_|]+)\)_?", pattern)
        for text in listed[1].split("|") if listed else ():
            yield f"{text}_EN", {"i686": "i386"}.get(media.get("arch") or "", media.get("arch") or "")


# An I after the edition is Itanium's, as osinfo-db itself has it of ARMEIFPP and CR0SPI2; the last is in its lists of
# both architectures.
ODD = {"x86_64": re.compile(r"[AN]RM[DESW]I[A-Z]{3}_|ARMDFPP_"), "i386": re.compile("CRMSXVOL_")}
NOT_INSTALLERS = re.compile(r".*(SD2|CD2|CR0|UPD)")


@pytest.mark.parametrize(
    ("name", "version"),
    [("win-2k.xml", "2000"), ("win-xp.xml", "XP"), ("win-2k3.xml", "2003"), ("win-2k3r2.xml", "2003R2")],
)
def test_every_medium_that_osinfo_knows_is_recognized(name: str, version: str) -> None:
    if not (OSINFO / name).exists():
        pytest.skip(f"osinfo-db has no {name} here")
    seen = 0
    for volume_id, arch in volume_ids(name):
        seen += 1
        tdl = windows(version, arch if arch in ("i386", "x86_64") else "i386")
        found = guest_for(tdl).identify(Medium(path=None, volume_id=volume_id))
        assert len(found) == 1, volume_id
        (identity,) = found
        assert identity.version.startswith(version), (volume_id, identity)
        assert (identity.variant == "cd") == (not NOT_INSTALLERS.match(volume_id)), (volume_id, identity)
        if not (identity.variant != "cd" or ODD.get(arch, re.compile("$^")).match(volume_id)):
            assert identity.arches == (arch,), (volume_id, identity)
    assert seen >= 8


def test_no_medium_of_another_windows_is_taken_for_ours() -> None:
    others = [path.name for path in OSINFO.glob("*.xml") if not re.fullmatch(r"win-(2k|xp|2k3|2k3r2)\.xml", path.name)]
    ids = list(itertools.chain.from_iterable(volume_ids(name) for name in others))
    assert len(ids) > 20 or not OSINFO.exists()
    for volume_id, _ in ids:
        assert not guest_for(windows()).identify(Medium(path=None, volume_id=volume_id)), volume_id


def test_dos_finds_the_files_by_their_names(tmp_path: Path) -> None:
    plan = sample_plan(windows())
    assert plan.floppy
    image = iso.floppy(plan.floppy.files, tmp_path / "floppy.img", base=None)
    listed = subprocess.run(["mdir", "-i", image, "::"], capture_output=True, text=True, check=True).stdout
    assert re.search(r"^WINNT    SIF ", listed, re.MULTILINE) and re.search(r"^OZDONE   VBS ", listed, re.MULTILINE)
    read = subprocess.run(["mtype", "-i", image, "::WINNT.SIF"], capture_output=True, check=True).stdout
    assert read.decode() == plan.answer


def planned_machine(version: str, directory: Path) -> Machine:
    return Machine(
        name=f"windows-{version}",
        uuid="6a1b1c1e-0000-4000-8000-000000000001",
        mac="52:54:00:00:00:01",
        domain_type="qemu",
        cpus=1,
        hardware=sample_plan(windows(version), SETTINGS).hardware,
        network=Network(),
        rng=Rng(),
        disk=Drive(path=directory / "disk"),
        cdroms=(Drive(path=directory / "cd.iso"),),
        floppy=Drive(path=directory / "floppy.img"),
        boot_device="cdrom",
        console_socket=directory / "c",
        marker_socket=directory / "m",
        vnc_socket=directory / "v",
    )


@pytest.mark.parametrize("version", ["2000", "XP"])
@pytest.mark.parametrize("persistent", [False, True])
def test_libvirts_grammar_accepts_the_machine(version: str, persistent: bool, tmp_path: Path) -> None:
    path = tmp_path / "domain.xml"
    path.write_text(domain_xml(planned_machine(version, tmp_path), persistent=persistent))
    done = subprocess.run(["virt-xml-validate", path, "domain"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + path.read_text()


@pytest.mark.parametrize("version", ["2000", "XP"])
def test_libvirt_and_qemu_start_the_machine(hypervisor: LibvirtHypervisor, short_dir: Path, version: str) -> None:
    """With a CD that does not boot, as one that waits for a key press in vain: it goes on to the disk, whose second
    port is the marker's, and whose power-off is ACPI's."""
    machine = planned_machine(version, short_dir)
    assert machine.disk and machine.floppy
    tiny.write_disk(machine.disk.path, tiny.sender(b"nonce-0123\r\n", tiny.POWER_OFF))
    iso.seed("NO_BOOT", {"a": b"b"}, machine.cdroms[0].path)
    iso.floppy({"WINNT.SIF": b"x"}, machine.floppy.path, base=None)
    domain = hypervisor.start(machine, console_log=None)
    try:
        lines = wait_boot(domain, reboots=0, limit_s=60.0, inactivity_s=60.0, clock=RealClock())
    finally:
        domain.destroy()
    assert [line.strip() for line in lines] == ["nonce-0123"]


def test_qemu_has_what_the_machine_needs() -> None:
    told = subprocess.run(["qemu-system-x86_64", "-help"], capture_output=True, text=True, check=True).stdout
    listed = subprocess.run(["qemu-system-x86_64", "-device", "help"], capture_output=True, text=True, check=True)
    devices = set(re.findall(r'^name "([^"]+)"', listed.stdout + listed.stderr, re.MULTILINE))
    for plan in every_plan():
        for option in plan.hardware.qemu_options:
            assert re.search(rf"^{re.escape(option)}\b", told, re.MULTILINE)
        hardware = guest_for(windows()).facts.hardware
        assert {f"{hardware.video}-vga", "ide-hd", "usb-tablet", *hardware.nic_models} <= devices
