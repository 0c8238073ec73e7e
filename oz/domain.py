"""Machine to libvirt domain XML, and back. Pure: no file is opened, no libvirt asked.

Element order and attributes: https://libvirt.org/formatdomain.html.
"""

import hashlib
import re
import string
import uuid
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Literal, cast

from lxml import etree

from oz.errors import UsageError
from oz.model import Drive, Hardware, Machine, Network, Rng

_X86 = ("x86_64", "i386")
_LIBVIRT_ARCH = {"i386": "i686"}
"""Where libvirt (virArch, src/util/virarch.c) spells an architecture of a template otherwise."""
_XML_BYTES_MAX = 5 * 1024**2
_PREFIX = {"virtio": "vd", "ide": "hd", "sata": "sd", "scsi": "sd", "usb": "sd"}
_QEMU = "http://libvirt.org/schemas/domain/qemu/1.0"
"""The namespace of QEMU's own options (https://libvirt.org/drvqemu.html)."""
_MEMORY_UNITS = {
    "b": 1, "bytes": 1, "kb": 1000, "k": 1024, "kib": 1024, "mb": 1000**2, "m": 1024**2, "mib": 1024**2,
    "gb": 1000**3, "g": 1024**3, "gib": 1024**3, "tb": 1000**4, "t": 1024**4, "tib": 1024**4,
}  # fmt: skip


def libvirt_arch(arch: str) -> str:
    """What libvirt calls an architecture of a template."""
    return _LIBVIRT_ARCH.get(arch, arch)


def domain_xml(machine: Machine, *, persistent: bool = False, keeps_owners: bool = False) -> str:
    """The XML of a domain.

    Without `persistent`, one life of an installation or customization: sockets we listen on, media, the disk as fast
    as it goes. With it, what a user defines and starts: the disk, a console, nothing that will vanish.
    `keeps_owners` is for a libvirt that gives files to the user of QEMU: not the media, which it never gives back.
    Raises UsageError where a name or path holds what XML cannot.
    """
    try:
        domain = _new(
            "domain",
            _new("name", machine.name),
            _new("uuid", machine.uuid),
            _new("memory", str(-(-machine.hardware.memory_bytes // 1024)), unit="KiB"),
            _new("vcpu", str(machine.cpus)),
            _os(machine, persistent=persistent),
            *_features(machine.hardware),
            *_cpu(machine),
            _new("clock", offset=machine.hardware.clock),
            # restart, not destroy: under destroy a reset cannot be told from a power-off.
            _new("on_poweroff", "destroy"),
            _new("on_reboot", "restart"),
            _new("on_crash", "destroy"),
            _devices(machine, persistent=persistent),
            *_qemu_options(machine.hardware, persistent=persistent),
            type=machine.domain_type,
        )
    except (ValueError, UnicodeEncodeError) as error:
        raise UsageError(
            f"{machine.name!r}: its name, or the path of one of its files, holds a character that XML cannot: {error}",
            hint="rename it to plain printable characters",
        ) from error
    if keeps_owners:
        for source in domain.iterfind("devices/disk[readonly]/source"):
            source.append(_new("seclabel", model="dac", relabel="no"))
    etree.indent(domain)
    return etree.tostring(domain, encoding="unicode", pretty_print=True)


def _new(tag: str, *content: etree._Element | str, **attributes: str) -> etree._Element:
    """An element with text or children."""
    element = etree.Element(tag, attributes)
    for part in content:
        if isinstance(part, str):
            element.text = part
        else:
            element.append(part)
    return element


def _os(machine: Machine, *, persistent: bool) -> etree._Element:
    hardware = machine.hardware
    os = _new("os", _new("type", "hvm", arch=libvirt_arch(hardware.arch), machine=hardware.machine_type))
    if hardware.firmware == "efi":
        # Unless told not to, libvirt picks Secure Boot with enrolled keys for q35, and no installer of ours boots.
        os.set("firmware", "efi")
        os.append(_new("firmware", _new("feature", enabled="no", name="secure-boot")))
        if machine.nvram:
            os.append(_new("nvram", str(machine.nvram)))
    if machine.kernel and not persistent:
        os.append(_new("kernel", str(machine.kernel.kernel)))
        os.append(_new("initrd", str(machine.kernel.initrd)))
        os.append(_new("cmdline", machine.kernel.command_line))
    else:
        first = "hd" if persistent else machine.boot_device
        os.append(_new("boot", dev=first))
        if first != "hd" and machine.disk:
            # Media that ask for a key press go on to the disk once it boots.
            os.append(_new("boot", dev="hd"))
    return os


def _features(hardware: Hardware) -> Iterator[etree._Element]:
    if hardware.arch in _X86:
        yield _new("features", _new("acpi"), _new("apic"), _new("pae"))
    elif hardware.arch == "aarch64" and hardware.firmware == "efi":
        yield _new("features", _new("acpi"))


def _cpu(machine: Machine) -> Iterator[etree._Element]:
    if machine.domain_type == "kvm":
        yield _new("cpu", mode="host-passthrough", check="none")
    elif machine.domain_type == "qemu":
        if machine.hardware.arch == "aarch64":
            # All that QEMU can do has signed pointers, whose signatures take software most of the time (QEMU's own
            # documentation, "Arm CPU Features", pauth); no release of the table is known to need more than ARMv8.0.
            model = _new("model", "cortex-a72", fallback="forbid")
            yield _new("cpu", model, mode="custom", match="exact", check="none")
        else:
            # The default, qemu64, is too old for x86-64-v2 systems.
            yield _new("cpu", mode="maximum", check="none")


def _qemu_options(hardware: Hardware, *, persistent: bool) -> Iterator[etree._Element]:
    if hardware.qemu_options and not persistent:
        element = etree.Element(f"{{{_QEMU}}}commandline", nsmap={"qemu": _QEMU})
        element.extend([_new(f"{{{_QEMU}}}arg", value=option) for option in hardware.qemu_options])
        yield element


def _devices(machine: Machine, *, persistent: bool) -> etree._Element:
    hardware = machine.hardware
    is_x86 = hardware.arch in _X86
    devices = _new("devices", *_disks(machine, persistent=persistent), _interface(machine))
    if devices.find("disk/target[@bus='scsi']") is not None:
        # Left alone, libvirt takes a parallel SCSI chip, which systems of today have no driver for.
        devices.append(_new("controller", type="scsi", model="virtio-scsi"))
    if persistent:
        devices.append(_new("serial", type="pty"))
        devices.append(_new("console", type="pty"))
    else:
        devices.append(_serial(machine.console_socket))
        marker = _serial(machine.marker_socket)
        if not is_x86:
            # Left alone, libvirt takes a second one of the board's, which has one.
            marker.append(_new("target", _new("model", name="pci-serial"), type="pci-serial"))
        devices.append(marker)
        if machine.log_channel and machine.log_socket:
            source = _new("source", mode="bind", path=str(machine.log_socket))
            target = _new("target", type="virtio", name=machine.log_channel)
            devices.append(_new("channel", source, target, type="unix"))
    if hardware.pointer == "tablet":
        devices.append(_new("input", type="tablet", bus="usb"))
    if not is_x86:
        # Nor has the board USB.
        devices.append(_new("controller", type="usb", model="qemu-xhci"))
        devices.append(_new("input", type="keyboard", bus="usb"))
    if persistent:
        devices.append(_new("graphics", type="vnc", autoport="yes", listen="127.0.0.1"))
    elif machine.vnc_socket:
        devices.append(_new("graphics", type="vnc", socket=str(machine.vnc_socket)))
    devices.append(_new("video", _new("model", type=hardware.video)))
    if not persistent or hardware.asks_for_drivers:
        devices.append(_new("memballoon", model="none"))
    if hardware.asks_for_drivers:
        return devices
    devices.append(_rng(machine.rng))
    if is_x86 and not persistent:
        devices.append(_new("panic", model="isa"))
    return devices


def _serial(socket: Path | None) -> etree._Element:
    if socket is None:
        return _new("serial", type="null")
    return _new("serial", _new("source", mode="bind", path=str(socket)), type="unix")


def _interface(machine: Machine) -> etree._Element:
    network = machine.network
    interface = _new("interface", _new("mac", address=machine.mac), type=network.kind)
    if network.kind == "bridge":
        interface.append(_new("source", bridge=network.source or ""))
    elif network.kind == "network":
        interface.append(_new("source", network=network.source or ""))
    interface.append(_new("model", type=machine.hardware.nic_model))
    return interface


def _rng(rng: Rng) -> etree._Element:
    element = _new("rng", model="virtio")
    if rng.rate_bytes is not None:
        rate = _new("rate", bytes=str(rng.rate_bytes))
        if rng.rate_period_ms is not None:
            rate.set("period", str(rng.rate_period_ms))
        element.append(rate)
    backend = _new("backend", model=rng.model)
    if rng.model == "random":
        backend.text = rng.device
    element.append(backend)
    return element


def _disks(machine: Machine, *, persistent: bool) -> Iterator[etree._Element]:
    hardware = machine.hardware
    numbers = {prefix: count() for prefix in ("vd", "hd", "sd", "fd")}
    if machine.disk:
        driver = _new("driver", name="qemu", type=machine.disk.format)
        if not persistent:
            driver.set("cache", machine.disk_cache)
        driver.set("discard", "unmap")
        if not persistent:
            driver.set("detect_zeroes", "unmap")
        yield _disk("disk", machine.disk, driver, hardware.disk_bus, numbers[_prefix(hardware.disk_bus)])
    if persistent:
        return
    bus = _cdrom_bus(hardware)
    for drive in machine.cdroms:
        yield _disk("cdrom", drive, _new("driver", name="qemu", type=drive.format), bus, numbers[_prefix(bus)])
    if machine.floppy:
        driver = _new("driver", name="qemu", type=machine.floppy.format)
        yield _disk("floppy", machine.floppy, driver, "fdc", numbers["fd"])


def _cdrom_bus(hardware: Hardware) -> str:
    """The bus whose CD drive every system for that machine type knows."""
    if "q35" in hardware.machine_type:
        return "sata"
    return "ide" if hardware.machine_type.split("-")[0] == "pc" else "scsi"


def _prefix(bus: str) -> str:
    return "fd" if bus == "fdc" else _PREFIX.get(bus, "sd")


def _disk(device: str, drive: Drive, driver: etree._Element, bus: str, numbers: "count[int]") -> etree._Element:
    target = _prefix(bus) + string.ascii_lowercase[next(numbers)]
    disk = _new("disk", driver, _new("source", file=str(drive.path)), type="file", device=device)
    disk.append(_new("target", dev=target, bus=bus))
    if device != "disk":
        disk.append(_new("readonly"))
    return disk


def machine_from_xml(data: bytes, path: str) -> Machine:
    """The machine that a libvirt domain XML describes, as far as Machine goes: its first disk, its first
    interface; no media, no sockets. `path` names the document in messages.

    Raises UsageError, saying what is missing or wrong.
    """
    root = _parse(data, path)
    name = _text(root, "name", path)
    os_type = root.find("os/type")
    arch = os_type.get("arch") if os_type is not None else None
    if os_type is None or not arch:
        raise UsageError(f"{path}: <os><type> has no arch", hint="write what virsh dumpxml shows, such as x86_64")
    arch = {name: ours for ours, name in _LIBVIRT_ARCH.items()}.get(arch, arch)
    disk, bus = _find_disk(root, path)
    loader, nvram = root.find("os/loader"), root.findtext("os/nvram")
    is_efi = _attribute(root, "os", "firmware") == "efi" or (
        loader is not None and (loader.get("type") == "pflash" or nvram is not None)
    )
    hardware = Hardware(
        arch=arch,
        machine_type=os_type.get("machine") or ("pc" if arch in _X86 else "virt"),
        firmware="efi" if is_efi else "bios",
        memory_bytes=_memory_bytes(root, path),
        disk_bus=bus,
        nic_model=_attribute(root, "devices/interface/model", "type") or ("virtio" if bus == "virtio" else "rtl8139"),
        clock="localtime" if _attribute(root, "clock", "offset") == "localtime" else "utc",
        pointer="tablet" if root.find("devices/input[@type='tablet']") is not None else "ps2",
        video=_attribute(root, "devices/video/model", "type") or "vga",
    )
    return Machine(
        name=name,
        uuid=_uuid(root.findtext("uuid"), name, path),
        mac=_attribute(root, "devices/interface/mac", "address") or _mac(name),
        domain_type=root.get("type") or "qemu",
        cpus=_cpus(root, path),
        hardware=hardware,
        network=_network(root),
        rng=Rng(),
        disk=disk,
        nvram=Path(nvram.strip()) if nvram and nvram.strip() else None,
    )


def _parse(data: bytes, path: str) -> etree._Element:
    if len(data) > _XML_BYTES_MAX:
        raise UsageError(f"{path}: {len(data)} bytes are too many for a domain XML", hint="is it a disk image?")
    parser = etree.XMLParser(
        resolve_entities=False, load_dtd=False, no_network=True, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise UsageError(f"{path}: not a domain XML: {error}", hint="give libvirt's XML or a disk image") from error
    if root.getroottree().docinfo.doctype:  # type: ignore[union-attr]
        raise UsageError(f"{path}: a domain XML has no DOCTYPE", hint="remove it and what it defines")
    if root.tag == "domstatus":
        nested = root.find("domain")
        root = root if nested is None else nested
    if root.tag != "domain":
        raise UsageError(f"{path}: the root element is <{root.tag}>, not <domain>", hint="give libvirt's domain XML")
    return root


def _text(root: etree._Element, element: str, path: str) -> str:
    text = (root.findtext(element) or "").strip()
    if not text:
        raise UsageError(f"{path}: <{element}> is missing or empty", hint="give what virsh dumpxml shows")
    return text


def _attribute(root: etree._Element, element: str, attribute: str) -> str | None:
    found = root.find(element)
    return found.get(attribute) if found is not None else None


def _find_disk(root: etree._Element, path: str) -> tuple[Drive, str]:
    """The first hard disk that is a file, and its bus."""
    for disk in root.iterfind("devices/disk"):
        file = _attribute(disk, "source", "file")
        if disk.get("device", "disk") != "disk" or not file:
            continue
        if not Path(file).is_absolute():
            raise UsageError(f"{path}: the disk {file!r} is not an absolute path", hint="write where it lies from /")
        name = _attribute(disk, "target", "dev") or ""
        guess = {"vd": "virtio", "hd": "ide", "sd": "scsi"}.get(name[:2], "ide")
        bus = _attribute(disk, "target", "bus") or guess
        return Drive(path=Path(file), format=_attribute(disk, "driver", "type") or "raw"), bus
    raise UsageError(f"{path}: no <disk> with a <source file=...>", hint="Oz works on disk images that are files")


def _network(root: etree._Element) -> Network:
    interface = root.find("devices/interface")
    kind = interface.get("type") if interface is not None else None
    if interface is None or kind not in ("bridge", "network"):
        return Network()
    source = _attribute(interface, "source", kind)
    return Network(kind=cast(Literal["bridge", "network"], kind), source=source) if source else Network()


def _memory_bytes(root: etree._Element, path: str) -> int:
    text = _text(root, "memory", path)
    unit = _MEMORY_UNITS.get((_attribute(root, "memory", "unit") or "KiB").lower())
    if unit is None or not re.fullmatch(r"[0-9]{1,18}", text) or not int(text):
        raise UsageError(f"{path}: <memory> is not a size: {text!r}", hint="write KiB, such as 2097152")
    return int(text) * unit


def _cpus(root: etree._Element, path: str) -> int:
    text = (root.findtext("vcpu") or "1").strip()
    if not re.fullmatch(r"[1-9][0-9]{0,3}", text):
        raise UsageError(f"{path}: <vcpu> is not a number of processors: {text!r}", hint="write 1 or more")
    return int(text)


def _uuid(text: str | None, name: str, path: str) -> str:
    if text is None:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"oz:{name}"))
    try:
        return str(uuid.UUID(text.strip()))
    except ValueError as error:
        raise UsageError(f"{path}: <uuid> is not a UUID: {text.strip()!r}", hint="remove it, or write one") from error


def _mac(name: str) -> str:
    """An address in QEMU's range for a domain that names none, always the same for one name."""
    return "52:54:00:" + hashlib.sha256(name.encode()).digest()[:3].hex(":")
