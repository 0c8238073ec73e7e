"""Every machine that a release may be given is one that libvirt and QEMU start, and that a user can define."""

import itertools
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from guest import tiny
from plans import sample_tdl

from oz.domain import domain_xml
from oz.errors import OzError, UnsupportedError
from oz.guests import all_releases, guest_for
from oz.host.hypervisor import LibvirtHypervisor
from oz.model import Drive, Hardware, Machine, Network, Rng, Settings

pytestmark = [pytest.mark.guests, pytest.mark.timeout(3600)]


def hardware() -> Iterator[Hardware]:
    """All, by every option; with little memory, which these machines do nothing with."""
    for row in all_releases():
        for arch, install_type in itertools.product(row.arches, row.install_types):
            tdl = sample_tdl(row.version, arch, install_type, distro=row.distro, disk_bytes=80 * 1024**3)
            # Not every architecture has every type; nor every machine every part.
            with suppress(UnsupportedError):
                guest = guest_for(tdl)
                facts = guest.facts.hardware
                types = (facts.machine_type, *facts.other_machine_types, "virt")
                for words in itertools.product(("bios", "efi"), types, facts.disk_buses, facts.nic_models):
                    names = ("firmware", "machine_type", "disk_bus", "nic_model")
                    settings = Settings(**dict(zip(names, words, strict=True)))
                    with suppress(UnsupportedError):
                        yield replace(guest.plan_hardware(tdl, settings), memory_bytes=64 * 1024**2)


def chosen() -> list[Hardware]:
    """Each but for its card, and each card in each type of machine."""
    seen: set[object] = set()
    found = []
    for one in sorted(set(hardware()), key=str):
        marks = {replace(one, nic_model="", clock="utc"), (one.arch, one.machine_type, one.nic_model)}
        if marks - seen:
            found.append(one)
        seen |= marks
    return found


def test_every_machine_starts_and_can_be_defined(
    hypervisor: LibvirtHypervisor, short_dir: Path, figure: Callable[[str], None]
) -> None:
    import libvirt

    sector = tiny.sector(tiny.HALT)
    drives = [Drive(path=tiny.write_disk(short_dir / name, sector)) for name in ("disk", "cd", "cd2")]
    floppy = short_dir / "floppy"
    floppy.write_bytes(bytes(1440 * 1024))
    refused = {}
    machines = chosen()
    connection = libvirt.open(hypervisor.uri)
    for one in machines:
        machine = Machine(
            name="machine", uuid=str(uuid.uuid4()), mac="52:54:00:00:00:01", domain_type="qemu", cpus=1, hardware=one,
            network=Network(), rng=Rng(), disk=drives[0], cdroms=tuple(drives[1:]), boot_device="cdrom",
            floppy=Drive(path=floppy) if one.firmware == "bios" else None,
            nvram=short_dir / f"vars-{one.arch}.fd" if one.firmware == "efi" else None,
            console_socket=short_dir / "c", marker_socket=short_dir / "m", vnc_socket=short_dir / "v",
        )  # fmt: skip
        try:
            hypervisor.start(machine).destroy()
            domain = connection.defineXML(domain_xml(machine, persistent=True))
            try:
                domain.create()
                domain.destroy()
            finally:
                domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_KEEP_NVRAM)
        except (OzError, libvirt.libvirtError) as error:
            refused[one] = str(error)
    connection.close()
    assert not refused
    assert {one.arch for one in machines} == {"i386", "x86_64", "aarch64"}
    figure(f"{len(machines)} kinds of machines started")
