"""Partition plans: what a template asks for, what is added to it, what is refused."""

from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plans import VERSIONS, sample_plan, sample_tdl
from programs import ROOT as PROJECT
from programs import run

from oz.errors import TdlError, UnsupportedError
from oz.guests import guest_for
from oz.guests.partitions import (
    BIOS_BOOT,
    EFI,
    PartitionFacts,
    is_volume,
    plan_partitions,
    rest_bytes,
    system_bytes,
)
from oz.guests.partman import expert_recipe, guided_size
from oz.model import Partition, PartitionPlan, Settings, Tdl

MIB = 1024**2
GIB = 1024**3
FACTS: dict[str, Any] = dict(
    filesystems=("ext4", "xfs", "btrfs", "vfat"), boot_filesystem="ext3", has_lvm=True, has_biosboot=True
)
LINES = {"disk/size": 8, "partitions": 9, "partitions/partition[1]": 10, "partitions/partition[2]": 11}

ROOT = Partition(mount="/")
VAR = Partition(mount="/var", size_bytes=4 * GIB)
BOOT = Partition(mount="/boot", size_bytes=GIB)
SWAP = Partition(mount="swap", size_bytes=GIB)


def divided(*partitions: Partition, layout: Literal["plain", "lvm"] = "plain", **changes: Any) -> Tdl:
    values = {"disk_bytes": 20 * GIB, "lines": LINES, **changes}
    return sample_tdl(partition_layout=layout, partitions=partitions, **values)


def plan(tdl: Tdl, firmware: Literal["bios", "efi"] = "bios", **changes: Any) -> PartitionPlan:
    return plan_partitions(tdl, "Sample 1", PartitionFacts(**{**FACTS, **changes}), firmware)


def shown(plan: PartitionPlan) -> list[tuple[str, int | None, str | None]]:
    return [(one.mount, one.size_bytes, one.filesystem) for one in plan.partitions]


# ------------------------------------------------------------------ what is planned


def test_a_template_without_partitions_gets_one_root_and_what_the_firmware_needs() -> None:
    root = ("/", None, "ext4")
    assert shown(plan(sample_tdl())) == [root]
    assert shown(plan(sample_tdl(), "efi")) == [("/boot/efi", 512 * MIB, "efi"), root]
    assert shown(plan(sample_tdl(disk_bytes=2 * 1024**4))) == [("biosboot", MIB, "biosboot"), root]
    assert shown(plan(sample_tdl(disk_bytes=2 * 1024**4 - 512))) == [root]
    assert plan(sample_tdl()).layout == "plain"


def test_volumes_get_a_boot_partition_that_the_boot_loader_reads() -> None:
    boot = ("/boot", 512 * MIB, "ext3")
    assert shown(plan(divided(layout="lvm"))) == [boot, ("/", None, "ext4")]
    found = plan(divided(ROOT, VAR, layout="lvm"), "efi")
    assert shown(found) == [("/boot/efi", 512 * MIB, "efi"), boot, ("/", None, "ext4"), ("/var", 4 * GIB, "ext4")]
    assert [one.mount for one in found.partitions if is_volume(found, one)] == ["/", "/var"]
    own = plan(divided(ROOT, BOOT, layout="lvm"))
    assert shown(own) == [("/boot", GIB, "ext3"), ("/", None, "ext4")]
    plain = plan(divided(ROOT, BOOT))
    assert not any(is_volume(plain, one) for one in plain.partitions)


def test_the_order_is_the_templates_but_for_boot() -> None:
    assert [one.mount for one in plan(divided(VAR, ROOT, SWAP, BOOT)).partitions] == ["/boot", "/var", "/", "swap"]
    assert shown(plan(divided(SWAP, ROOT)))[0] == ("swap", GIB, "swap")


def test_a_root_that_the_boot_loader_does_not_read_gets_a_boot_beside_it() -> None:
    tdl = divided(Partition(mount="/", filesystem="xfs"), VAR)
    assert [one.mount for one in plan(tdl, unbootable=("xfs",)).partitions] == ["/boot", "/", "/var"]
    assert [one.mount for one in plan(tdl).partitions] == ["/", "/var"]
    data = divided(ROOT, Partition(mount="/srv", size_bytes=GIB, filesystem="xfs"))
    assert [one.mount for one in plan(data, unbootable=("xfs",)).partitions] == ["/", "/srv"]


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("tdl", "facts", "complaint"),
    [
        (divided(layout="lvm"), dict(has_lvm=False), r":9: Sample 1 cannot be installed on logical volumes\n.*plain"),
        (
            divided(ROOT, Partition(mount="/srv", size_bytes=GIB, filesystem="reiserfs")),
            {},
            r":11: Sample 1 makes no file system 'reiserfs'\n.*it makes ext4, xfs, btrfs, vfat, ext3$",
        ),
        (
            divided(Partition(mount="/boot", size_bytes=GIB, filesystem="xfs"), ROOT),
            dict(unbootable=("xfs",)),
            r":10: the boot loader of Sample 1 reads no xfs\n.*write ext3",
        ),
        (divided(Partition(mount="/", filesystem="vfat")), {}, r":10: / of Sample 1 cannot be on vfat\n.*write ext4"),
        (
            divided(ROOT, Partition(mount="/var/cache", size_bytes=GIB, filesystem="vfat")),
            {},
            ":11: /var/cache of Sample 1 cannot be on vfat",
        ),
        (
            divided(Partition(mount="/", size_bytes=4 * GIB)),
            dict(fills=("plain",)),
            r":9: the installer of Sample 1 leaves no space free\n.*one partition without a size",
        ),
        (
            sample_tdl(disk_bytes=3 * 1024**4, lines=LINES),
            dict(has_biosboot=False),
            r":8: Sample 1 cannot boot from 3 TiB under a BIOS\n.*less than 2 TiB",
        ),
    ],
)
def test_what_an_installer_cannot_make_is_refused_with_its_line(
    tdl: Tdl, facts: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(UnsupportedError, match=complaint):
        plan(tdl, **facts)


def test_what_is_no_fault_is_not_refused() -> None:
    free = divided(Partition(mount="/", size_bytes=4 * GIB), VAR, layout="lvm")
    assert plan(free, fills=("plain",)).layout == "lvm"
    fat = divided(ROOT, Partition(mount="/mnt/exchange", size_bytes=GIB, filesystem="vfat"))
    assert plan(fat).partitions[-1].filesystem == "vfat"


def test_partitions_that_do_not_fit_are_refused_with_what_would_do() -> None:
    tdl = divided(ROOT, VAR, SWAP, layout="lvm", disk_bytes=6 * GIB)
    words = (
        r":9: /boot 512 MiB, /var 4 GiB, swap 1 GiB and a rest of 512 MiB do not fit on the disk of 6 GiB\n.* 7 GiB or"
    )
    with pytest.raises(TdlError, match=words):
        plan(tdl)
    assert plan(divided(ROOT, VAR, SWAP, layout="lvm", disk_bytes=7 * GIB))
    exact = divided(Partition(mount="/", size_bytes=20 * GIB - 3 * MIB))
    with pytest.raises(TdlError, match=r"/boot/efi 512 MiB, / 20 GiB do not fit on the disk of 20 GiB\n.*21 GiB"):
        plan(exact, "efi")


@given(
    st.lists(st.integers(1, 8 * GIB), max_size=6),
    st.booleans(),
    st.sampled_from(["plain", "lvm"]),
    st.sampled_from(["bios", "efi"]),
    st.integers(GIB, 40 * GIB),
)
def test_every_plan_fits_and_ends_with_the_templates_partitions(
    sizes: list[int], has_rest: bool, layout: Any, firmware: Any, disk_bytes: int
) -> None:
    root = Partition(mount="/", size_bytes=None if has_rest else GIB)
    wanted = (root, *(Partition(mount=f"/srv/{number}", size_bytes=size) for number, size in enumerate(sizes)))
    try:
        found = plan(divided(*wanted, layout=layout, disk_bytes=disk_bytes), firmware)
    except TdlError as error:
        assert sum(sizes) + (512 * MIB if has_rest else GIB) > disk_bytes - 1100 * MIB, error
        return
    assert [one.mount for one in found.partitions][-len(wanted) :] == [one.mount for one in wanted]
    assert sum(one.size_bytes or 0 for one in found.partitions) < disk_bytes
    assert rest_bytes(found, disk_bytes) >= (512 * MIB if has_rest else 0)
    assert ("/boot" in [one.mount for one in found.partitions]) == (layout == "lvm")
    assert (EFI in found.partitions) == (firmware == "efi") and BIOS_BOOT not in found.partitions


def test_what_is_left_to_the_system_itself() -> None:
    found = plan(divided(Partition(mount="/", size_bytes=2 * GIB), VAR, Partition(mount="/srv"), SWAP), "efi")
    assert system_bytes(found, 20 * GIB) == 6 * GIB
    rest = plan(divided(ROOT, Partition(mount="/home", size_bytes=15 * GIB)))
    assert 4 * GIB < system_bytes(rest, 20 * GIB) < 5 * GIB


# ------------------------------------------------------------------ in partman's words


def test_four_partitions_are_primary_and_of_five_three() -> None:
    def marks(*partitions: Partition, firmware: Literal["bios", "efi"] = "bios") -> list[tuple[bool, bool]]:
        lines = expert_recipe(plan(divided(*partitions), firmware)).split(" . ")
        return [("$primary{ }" in line, "$bootable{ }" in line) for line in lines]

    srv, home = (Partition(mount=mount, size_bytes=GIB) for mount in ("/srv", "/home"))
    assert marks(ROOT, VAR, srv, SWAP) == [(True, True), (True, False), (True, False), (True, False)]
    assert marks(ROOT, VAR, srv, SWAP, home)[2:] == [(True, False), (False, False), (False, False)]
    assert marks(VAR, BOOT, ROOT)[0] == (True, True)
    assert marks(VAR, srv, home, SWAP, ROOT)[-1] == (False, False)
    assert marks(ROOT, firmware="efi") == [(False, False), (True, True)]


def test_volumes_come_last_and_of_them_the_rest() -> None:
    found = plan(divided(ROOT, VAR, SWAP, layout="lvm"), "efi")
    mounts = ["efi", "/boot", "/var", "swap", "/"]
    lines = expert_recipe(found).removeprefix("oz :: ").split(" . ")
    assert [next(mount for mount in mounts if f" {mount} }}" in line) for line in lines] == mounts
    assert ["$lvmok{ }" in line for line in lines] == [False, False, True, True, True]
    assert guided_size(found) == "max"
    sized = plan(divided(Partition(mount="/", size_bytes=8 * GIB - 1), VAR, layout="lvm"))
    assert guided_size(sized) == f"{8590 + 4295} MB"


def test_partman_has_its_own_names_for_some_file_systems() -> None:
    fat = Partition(mount="/mnt/exchange", size_bytes=GIB, filesystem="vfat")
    text = expert_recipe(plan(divided(ROOT, SWAP, fat)))
    assert " 1074 1074 1074 linux-swap $primary{ } method{ swap } format{ } . " in text
    assert (
        " fat32 $primary{ } method{ format } format{ } use_filesystem{ } filesystem{ fat32 } mountpoint{ /mnt/" in text
    )


# ------------------------------------------------------------------ Debian


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("layout", ["plain", "lvm"])
def test_every_release_divides_the_disk(version: str, layout: Literal["plain", "lvm"]) -> None:
    answer = sample_plan(divided(ROOT, VAR, SWAP, layout=layout, version=version)).answer
    is_lvm = layout == "lvm"
    assert f"d-i partman-auto/method string {'lvm' if is_lvm else 'regular'}\n" in answer
    assert ("d-i partman-auto-lvm/new_vg_name string system\n" in answer) == is_lvm
    assert ("d-i partman-lvm/confirm boolean true\n" in answer) == is_lvm
    assert ("partman-auto-lvm/guided_size string max" in answer) == (is_lvm and int(version) >= 10)
    assert "mountpoint{ /var } ." in answer and "linux-swap" in answer


def test_what_a_release_of_debian_makes_and_reads() -> None:
    def mounts(version: str, filesystem: str) -> list[str]:
        tdl = divided(Partition(mount="/", filesystem=filesystem), version=version)
        recipe = sample_plan(tdl).answer
        return [mount for mount in ("/boot", "/") if f"mountpoint{{ {mount} }}" in recipe]

    assert mounts("5", "xfs") == ["/boot", "/"] and mounts("6", "xfs") == ["/"]
    assert mounts("7", "btrfs") == ["/boot", "/"] and mounts("13", "btrfs") == ["/"]
    assert mounts("7", "reiserfs") == ["/"]
    for version, filesystem in (("5", "ext4"), ("6", "btrfs"), ("8", "reiserfs")):
        with pytest.raises(UnsupportedError, match=f":10: Debian {version} makes no file system '{filesystem}'"):
            mounts(version, filesystem)


def test_old_partitioners_of_debian_fill_the_volume_group() -> None:
    sized = (Partition(mount="/", size_bytes=8 * GIB), VAR)
    with pytest.raises(UnsupportedError, match=":9: the installer of Debian 9 leaves no space free"):
        sample_plan(divided(*sized, layout="lvm", version="9"))
    assert "guided_size string 12885 MB\n" in sample_plan(divided(*sized, layout="lvm", version="10")).answer
    with pytest.raises(UnsupportedError, match=":9: the installer of Debian 13 leaves no space free"):
        sample_plan(divided(*sized))


def test_debian_needs_room_where_its_files_are() -> None:
    home = Partition(mount="/home", size_bytes=9 * GIB)
    with pytest.raises(TdlError, match=r":9: Debian 13 does not fit on the \d+ MiB of /, /boot, /usr, /var\n.*2 GiB"):
        sample_plan(divided(ROOT, home, disk_bytes=10 * GIB))
    assert sample_plan(divided(ROOT, home, disk_bytes=12 * GIB))


def test_what_debian_cannot_make_is_refused_before_anything_is_fetched() -> None:
    tdl = divided(Partition(mount="/", filesystem="ntfs"))
    with pytest.raises(UnsupportedError, match=":10: Debian 13 makes no file system 'ntfs'"):
        guest_for(tdl).check_template(tdl, Settings())
    guest_for(tdl).check_template(divided(ROOT), Settings())


def test_check_tells_what_the_release_cannot_have(tmp_path: Path) -> None:
    text = (PROJECT / "examples/debian-13-lvm.tdl").read_text()
    for name, old, new in (("disk", "'xfs'", "'ntfs'"), ("type", "<cpus>2</cpus>", "<type>microvm</type>")):
        (tmp_path / f"{name}.tdl").write_text(text.replace(old, new))
    done = run("oz-install", "--check", tmp_path / "disk.tdl", tmp_path / "type.tdl")
    assert done.returncode == 2
    first, second = done.stderr.splitlines()
    assert first.startswith(f"{tmp_path}/disk.tdl:17: Debian 13 makes no file system 'ntfs'; it makes ext4, ")
    assert second.startswith(f"{tmp_path}/type.tdl:22: Debian 13 for x86_64 takes no machine of type 'microvm'; ")
