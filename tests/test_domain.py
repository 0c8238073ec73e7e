"""Domain XML judged by libvirt's own grammar, and read back."""

import dataclasses
import subprocess
import time
from pathlib import Path

import pytest
from lxml import etree

from oz.domain import domain_xml, libvirt_arch, machine_from_xml
from oz.errors import UsageError
from oz.model import Drive, Hardware, Kernel, Machine, Network, Rng

HARDWARE = Hardware(
    arch="x86_64", machine_type="q35", firmware="bios", memory_bytes=1024**3, disk_bus="virtio", nic_model="virtio"
)
MACHINE = Machine(
    name="guest",
    uuid="6a1b1c1e-0000-4000-8000-000000000001",
    mac="52:54:00:00:00:01",
    domain_type="qemu",
    cpus=2,
    hardware=HARDWARE,
    network=Network(),
    rng=Rng(),
    disk=Drive(path=Path("/images/guest.qcow2"), format="qcow2"),
)
FULL = dataclasses.replace(
    MACHINE,
    cdroms=(Drive(path=Path("/cd.qcow2"), format="qcow2"), Drive(path=Path("/seed.iso"))),
    floppy=Drive(path=Path("/floppy.img")),
    kernel=Kernel(kernel=Path("/k"), initrd=Path("/i"), command_line="console=ttyS0 a=<&>"),
    rng=Rng(device="/dev/random", rate_bytes=1024, rate_period_ms=1000),
    console_socket=Path("/r/console"),
    marker_socket=Path("/r/marker"),
    vnc_socket=Path("/r/vnc"),
)


def variant(**hardware: object) -> Machine:
    return dataclasses.replace(FULL, hardware=dataclasses.replace(HARDWARE, **hardware))  # type: ignore[arg-type]


VARIANTS = {
    "q35": FULL,
    "pc-old": variant(
        machine_type="pc", disk_bus="ide", nic_model="rtl8139", video="cirrus", pointer="ps2", clock="localtime"
    ),
    "i386": variant(arch="i386", machine_type="pc-i440fx-7.2"),
    "efi": dataclasses.replace(variant(firmware="efi"), nvram=Path("/n/vars.fd")),
    "efi-own-nvram": variant(firmware="efi"),
    "scsi": variant(disk_bus="scsi"),
    "sata": variant(disk_bus="sata"),
    "aarch64": variant(arch="aarch64", machine_type="virt", firmware="efi", video="virtio"),
    "asks-for-drivers": variant(asks_for_drivers=True),
    "qemu-options": variant(machine_type="pc", disk_bus="ide", qemu_options=("-win2k-hack", "-a<&>")),
    "kvm": dataclasses.replace(FULL, domain_type="kvm"),
    "bridge": dataclasses.replace(FULL, network=Network(kind="bridge", source="br0")),
    "network": dataclasses.replace(FULL, network=Network(kind="network", source="default")),
    "cdrom": dataclasses.replace(FULL, kernel=None, boot_device="cdrom"),
    "diskless": dataclasses.replace(FULL, disk=None, kernel=None, boot_device="fd"),
    "hostile-name": dataclasses.replace(FULL, name="</name><x a='b'>&amp;\"\u00e9"),
}


@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize("name", VARIANTS)
def test_libvirts_grammar_accepts_it(tmp_path: Path, name: str, persistent: bool) -> None:
    path = tmp_path / "domain.xml"
    path.write_text(domain_xml(VARIANTS[name], persistent=persistent))
    done = subprocess.run(["virt-xml-validate", path, "domain"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + path.read_text()


def as_libvirt_has_it(hardware: Hardware) -> Hardware:
    """Without what only an installation needs to know."""
    return dataclasses.replace(hardware, asks_for_drivers=False, qemu_options=())


@pytest.mark.parametrize("name", [name for name in VARIANTS if name != "diskless"])
def test_it_reads_back_as_it_was_written(name: str) -> None:
    machine = VARIANTS[name]
    found = machine_from_xml(domain_xml(machine, persistent=True).encode(), "x.xml")
    assert found == dataclasses.replace(
        machine, hardware=as_libvirt_has_it(machine.hardware), rng=Rng(),
        cdroms=(), floppy=None, kernel=None, boot_device="hd",
        console_socket=None, marker_socket=None, vnc_socket=None,
    )  # fmt: skip


def test_architectures_are_spelt_as_libvirt_does_and_a_pc_of_32_bits_is_a_pc() -> None:
    root = etree.fromstring(domain_xml(VARIANTS["i386"]))
    assert root.find("os/type").get("arch") == "i686"  # type: ignore[union-attr]
    assert [feature.tag for feature in root.iterfind("features/*")] == ["acpi", "apic", "pae"]
    assert root.find("devices/panic") is not None and root.find("devices/input[@type='keyboard']") is None
    for arch in ("x86_64", "ppc64", "ppc64le", "aarch64", "armv7l", "s390x"):
        assert libvirt_arch(arch) == arch


@pytest.mark.parametrize("persistent", [False, True])
def test_a_system_that_asks_for_drivers_gets_no_device_of_qemus_own(persistent: bool) -> None:
    text = domain_xml(VARIANTS["asks-for-drivers"], persistent=persistent)
    devices = etree.fromstring(text).find("devices")
    assert devices is not None and devices.find("rng") is None and devices.find("panic") is None
    assert [balloon.get("model") for balloon in devices.iterfind("memballoon")] == ["none"]


def test_qemus_own_options_are_for_the_installation_alone() -> None:
    name = "{http://libvirt.org/schemas/domain/qemu/1.0}arg"
    root = etree.fromstring(domain_xml(VARIANTS["qemu-options"]))
    assert [argument.get("value") for argument in root.iter(name)] == ["-win2k-hack", "-a<&>"]
    assert "qemu:" not in domain_xml(VARIANTS["qemu-options"], persistent=True)


def test_every_drive_has_a_name_of_its_own() -> None:
    for machine in VARIANTS.values():
        names = [target.get("dev") for target in etree.fromstring(domain_xml(machine)).iterfind("devices/disk/target")]
        assert len(names) == len(set(names))


def test_what_a_user_defines_names_nothing_that_vanishes() -> None:
    text = domain_xml(VARIANTS["efi"], persistent=True)
    for word in ("/r/", "/cd", "/seed", "/floppy", "<kernel", "unsafe", "cdrom", "hostfwd", "0.0.0.0"):
        assert word not in text
    assert 'autoport="yes" listen="127.0.0.1"' in text


def test_secure_boot_is_off_and_a_reset_is_not_a_power_off() -> None:
    root = etree.fromstring(domain_xml(VARIANTS["efi"]))
    feature = root.find("os/firmware/feature")
    assert feature is not None and dict(feature.attrib) == {"enabled": "no", "name": "secure-boot"}
    assert root.findtext("on_reboot") == "restart"


@pytest.mark.parametrize("name", ["a\x00b", "a\x1bb", "a\ud800"])
def test_what_xml_cannot_hold_is_an_error_of_ours(name: str) -> None:
    with pytest.raises(UsageError, match="holds a character that XML cannot"):
        domain_xml(dataclasses.replace(MACHINE, name=name))


OLD_STYLE = b"""<domain type='kvm'><name>old</name><memory>524288</memory>
<os><type arch='x86_64' machine='pc-q35-6.2'>hvm</type>
<loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE.fd</loader><nvram>/var/lib/n.fd</nvram></os>
<devices><disk type='file' device='cdrom'><source file='/cd.iso'/><target dev='sda'/></disk>
<disk type='block' device='disk'><source dev='/dev/sdx'/><target dev='vda'/></disk>
<disk type='file'><source file='/d.img'/><target dev='vdb'/></disk></devices></domain>"""


def test_the_old_way_to_say_uefi_and_what_libvirt_defaults() -> None:
    machine = machine_from_xml(OLD_STYLE, "old.xml")
    assert machine.hardware.firmware == "efi"
    assert machine.nvram == Path("/var/lib/n.fd")
    assert machine.hardware.memory_bytes == 512 * 1024**2
    assert machine.disk == Drive(path=Path("/d.img"), format="raw")
    assert machine.hardware.disk_bus == "virtio"
    assert machine == machine_from_xml(OLD_STYLE, "old.xml")
    assert machine.mac.startswith("52:54:00:")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"<name>old</name>", b"", r"old.xml: <name> is missing or empty"),
        (b"<memory>524288</memory>", b"", r"<memory> is missing"),
        (b"524288", b"-5", r"<memory> is not a size: '-5'"),
        (b"<memory>", b"<memory unit='parsec'>", r"<memory> is not a size"),
        (b"arch='x86_64'", b"", r"<os><type> has no arch"),
        (b"<source file='/d.img'/>", b"", r"no <disk> with a <source file"),
        (b"/d.img", b"d.img", r"the disk 'd.img' is not an absolute path"),
        (b"<name>", b"<uuid>1234</uuid><name>", r"<uuid> is not a UUID: '1234'"),
        (b"<name>", b"<vcpu>many</vcpu><name>", r"<vcpu> is not a number of processors: 'many'"),
        (b"domain", b"network", r"the root element is <network>, not <domain>"),
        (b"<domain", b"<!DOCTYPE domain [<!ENTITY a 'b'>]><domain", r"has no DOCTYPE"),
        (b"</domain>", b"", r"old.xml: not a domain XML"),
        (OLD_STYLE, b"QFI\xfb" + bytes(100), r"old.xml: not a domain XML"),
        (OLD_STYLE, b"", r"old.xml: not a domain XML"),
        (OLD_STYLE, b" " * 6 * 1024**2, r"too many for a domain XML"),
    ],
)
def test_what_is_missing_is_named(old: bytes, new: bytes, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        machine_from_xml(OLD_STYLE.replace(old, new), "old.xml")


def test_entities_and_depth_do_no_harm() -> None:
    laughs = b"<!DOCTYPE d [<!ENTITY a0 'ha'>" + b"".join(
        b"<!ENTITY a%d '%s'>" % (i, b"&a%d;" % (i - 1) * 10) for i in range(1, 12)
    )
    start = time.monotonic()
    passwords = b"<!DOCTYPE d [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><domain><name>&a;</name></domain>"
    for data in (laughs + b"]><domain>&a11;</domain>", b"<domain>" * 500000, passwords):
        with pytest.raises(UsageError, match=r"DOCTYPE|not a domain XML"):
            machine_from_xml(data, "x.xml")
    assert time.monotonic() - start < 5
