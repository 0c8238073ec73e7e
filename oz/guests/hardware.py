"""The virtual hardware of a machine: what the release works with, and what options, template and oz.cfg want of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from oz.errors import UnsupportedError
from oz.model import Hardware, Settings, Tdl
from oz.units import format_size


@dataclass(frozen=True, slots=True, kw_only=True)
class HardwareFacts:
    """The virtual hardware that a release's installer and the installed system have drivers for."""

    machine_type: str
    """On a PC: pc or q35; what a template gets that names none."""
    disk_bus: str
    disk_buses: tuple[str, ...]
    """All that both the release and a PC of QEMU's have; an ide one only with the machine type pc."""
    nic_model: str
    nic_models: tuple[str, ...]
    memory_bytes: int
    """The least it works well with."""
    bios_architectures: tuple[str, ...] = ("i386", "x86_64")
    efi_architectures: tuple[str, ...] = ()
    other_machine_types: tuple[str, ...] = ("pc",)
    """What else it works with: the chip set of 1996, unless somebody found a release that does not."""
    clock: Literal["utc", "localtime"] = "utc"
    pointer: Literal["ps2", "tablet"] = "tablet"
    video: str = "vga"
    asks_for_drivers: bool = False
    """See Hardware."""
    qemu_options: tuple[str, ...] = ()


def plan_hardware(tdl: Tdl, settings: Settings, title: str, arch: str, facts: HardwareFacts) -> Hardware:
    """The hardware for the release `title`. Raises UnsupportedError for what it does not work with."""
    is_pc = arch != "aarch64"
    name = f"{title} for {arch}"
    disk_bus, nic_model = settings.disk_bus or facts.disk_bus, settings.nic_model or facts.nic_model
    # The virt machine has no controllers of a PC's chip set.
    buses = [bus for bus in facts.disk_buses if is_pc or bus not in ("ide", "sata")]
    for what, wanted, allowed in (("disk on", disk_bus, buses), ("network card", nic_model, facts.nic_models)):
        if wanted not in allowed:
            raise UnsupportedError(f"{name} takes no {what} {wanted!r}", hint=_takes(allowed))
    types = list(dict.fromkeys((facts.machine_type, *facts.other_machine_types))) if is_pc else ["virt"]
    return Hardware(
        arch=arch,
        machine_type=_machine_type(tdl, settings.machine_type, name, types, disk_bus),
        firmware=_firmware(tdl, settings.firmware, name, arch, facts),
        memory_bytes=_memory_bytes(tdl, settings.memory_bytes, title, facts.memory_bytes),
        disk_bus=disk_bus,
        nic_model=nic_model,
        clock=facts.clock,
        pointer=facts.pointer,
        # A frame buffer in a PCI card's memory is shown wrongly under KVM there, where caches see it differently.
        video=facts.video if is_pc else "virtio",
        asks_for_drivers=facts.asks_for_drivers,
        qemu_options=facts.qemu_options,
    )


def _firmware(
    tdl: Tdl, wanted: Literal["bios", "efi"] | None, name: str, arch: str, facts: HardwareFacts
) -> Literal["bios", "efi"]:
    arches: dict[Literal["bios", "efi"], tuple[str, ...]] = {
        "bios": facts.bios_architectures,
        "efi": facts.efi_architectures,
    }
    known = [firmware for firmware in arches if arch in arches[firmware]]
    firmware = wanted or known[0]
    if firmware not in known:
        where = _said(tdl, "machine/firmware", is_there=firmware == tdl.virtual.firmware)
        raise UnsupportedError(f"{where}{name} does not boot under {firmware} firmware", hint=_takes(known))
    return firmware


def _machine_type(tdl: Tdl, wanted: str | None, name: str, known: list[str], disk_bus: str) -> str:
    where = _said(tdl, "machine/type", is_there=wanted == tdl.virtual.machine_type)
    if wanted and wanted not in known:
        raise UnsupportedError(f"{where}{name} takes no machine of type {wanted!r}", hint=_takes(known))
    # q35 has no IDE.
    if disk_bus == "ide" and wanted not in (None, "pc"):
        raise UnsupportedError(
            f"{where}a machine of type {wanted!r} has no ide for the disk", hint="set the type to pc, or another bus"
        )
    return "pc" if disk_bus == "ide" else wanted or known[0]


def _memory_bytes(tdl: Tdl, wanted: int, title: str, least: int) -> int:
    """What oz.cfg says is raised to what the release needs; what a template says is meant, and is refused."""
    said = tdl.virtual.memory_bytes
    if said is not None and said < least:
        raise UnsupportedError(
            f"{tdl.where('machine/memory')}: {title} needs {format_size(least)} of memory, not {format_size(said)}",
            hint=f"give it {format_size(least)} or more, or leave <memory> out",
        )
    return max(wanted, least)


def _said(tdl: Tdl, element: str, *, is_there: bool) -> str:
    """The place in the template, where it is what asked for something."""
    return f"{tdl.where(element)}: " if is_there else ""


def _takes(names: Iterable[str]) -> str:
    return f"it takes {', '.join(names)}"
