"""The virtual hardware: from options, template, oz.cfg and the release, in this order."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from plans import sample_plan, sample_tdl

from oz import config as oz_config
from oz import dryrun
from oz.build import Options, settle
from oz.config import Config
from oz.errors import UnsupportedError
from oz.guests import guest_for
from oz.model import Hardware, MediaPlan, Settings, Tdl, Virtual

MIB = 1024**2
GIB = 1024**3
LINES = {"machine/firmware": 11, "machine/type": 12, "machine/memory": 13}


def hardware(tdl: Tdl, settings: Settings) -> Hardware:
    return guest_for(tdl).plan_hardware(tdl, settings)


def machine_tdl(version: str = "13", arch: str = "x86_64", **virtual: Any) -> Tdl:
    return sample_tdl(version, arch, virtual=Virtual(**virtual), lines=LINES)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    path = tmp_path / "oz.cfg"
    path.write_text("[libvirt]\ntype = qemu\ncpus = 2\nmemory = 3000\n")
    return oz_config.load(path, is_root=False, home=tmp_path)


def test_a_template_goes_before_oz_cfg_and_an_option_before_both(config: Config) -> None:
    tdl = machine_tdl(firmware="efi", machine_type="pc", cpus=4, memory_bytes=2 * GIB)
    settings = settle(config, tdl, Options())
    found = hardware(tdl, settings)
    assert (settings.cpus, found.firmware, found.machine_type, found.memory_bytes) == (4, "efi", "pc", 2 * GIB)
    by_option = hardware(tdl, settle(config, tdl, Options(firmware="bios")))
    assert (by_option.firmware, by_option.machine_type) == ("bios", "pc")


def test_a_template_that_says_nothing_leaves_it_to_oz_cfg_and_the_release(config: Config) -> None:
    tdl = machine_tdl()
    settings = settle(config, tdl, Options())
    found = hardware(tdl, settings)
    assert (settings.cpus, found.firmware, found.machine_type, found.memory_bytes) == (2, "bios", "q35", 3000 * MIB)


def test_less_memory_than_a_release_needs_is_raised_from_oz_cfg_and_refused_from_a_template(config: Config) -> None:
    small = replace(config, memory_bytes=512 * MIB)
    assert hardware(machine_tdl(), settle(small, machine_tdl(), Options())).memory_bytes == 1536 * MIB
    tdl = machine_tdl(memory_bytes=1024 * MIB)
    with pytest.raises(UnsupportedError, match=r":13: Debian 13 needs 1\.5 GiB of memory, not 1 GiB\n.*leave <memory>"):
        hardware(tdl, settle(config, tdl, Options()))
    enough = machine_tdl("5", memory_bytes=512 * MIB)
    assert hardware(enough, settle(config, enough, Options())).memory_bytes == 512 * MIB


@pytest.mark.parametrize(
    ("version", "arch", "machine_type", "complaint"),
    [
        ("13", "x86_64", "microvm", r":12: Debian 13 for x86_64 takes no machine of type 'microvm'\n.*takes q35, pc$"),
        ("8", "x86_64", "q35", r":12: Debian 8 for x86_64 takes no machine of type 'q35'\n.*it takes pc$"),
        ("13", "aarch64", "q35", r":12: Debian 13 for aarch64 takes no machine of type 'q35'\n.*it takes virt$"),
        ("13", "x86_64", "virt", r":12: .*'virt'\n"),
    ],
)
def test_a_machine_type_that_the_release_does_not_know_is_refused(
    version: str, arch: str, machine_type: str, complaint: str
) -> None:
    tdl = machine_tdl(version, arch, machine_type=machine_type)
    with pytest.raises(UnsupportedError, match=complaint):
        hardware(tdl, Settings(machine_type=machine_type))


def test_an_ide_disk_and_q35_exclude_each_other() -> None:
    tdl = machine_tdl(machine_type="q35")
    with pytest.raises(
        UnsupportedError, match=r":12: a machine of type 'q35' has no ide for the disk\n.*pc, or another"
    ):
        hardware(tdl, Settings(machine_type="q35", disk_bus="ide"))
    assert hardware(machine_tdl(), Settings(disk_bus="ide")).machine_type == "pc"
    assert hardware(tdl, Settings(machine_type="q35", disk_bus="sata")).machine_type == "q35"


def test_firmware_is_refused_with_the_line_that_wants_it() -> None:
    tdl = machine_tdl("6", firmware="efi")
    with pytest.raises(
        UnsupportedError, match=r"^sample\.tdl:11: Debian 6 for x86_64 does not boot under efi firmware"
    ):
        hardware(tdl, Settings(firmware="efi"))
    with pytest.raises(UnsupportedError, match=r"^Debian 6 for x86_64 does not boot under efi firmware"):
        hardware(machine_tdl("6"), Settings(firmware="efi"))


def test_the_key_of_a_cached_system_follows_its_machine_but_not_its_processors(config: Config) -> None:
    """The key is made of the plan's JSON."""

    def key(tdl: Tdl) -> str:
        return dryrun.plan_json(MediaPlan(fetches=()), sample_plan(tdl, settle(config, tdl, Options())), ())

    plain = key(machine_tdl())
    assert key(machine_tdl(cpus=8)) == plain
    others = [machine_tdl(machine_type="pc"), machine_tdl(firmware="efi"), machine_tdl(memory_bytes=2 * GIB)]
    others += [sample_tdl(partition_layout="lvm")]
    assert len({plain, *map(key, others)}) == 5
