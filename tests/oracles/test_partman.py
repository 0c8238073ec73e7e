"""Debian's own partitioner judges our recipes: its scripts compute the sizes, for disks and volume groups of ours."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from plans import sample_plan, sample_tdl

from oz.errors import TdlError
from oz.model import Partition, Settings, Tdl

UDEBS = Path(__file__).parents[2] / "build/media/.mirror/udebs"
"""Where the builder of the install CD keeps the installer's components."""
LIBRARIES = {
    "partman-base": ("lib/partman/lib/base.sh",),
    "partman-auto": ("lib/partman/lib/recipes.sh",),
    "partman-lvm": ("lib/partman/lib/lvm-base.sh",),
    "partman-auto-lvm": ("lib/partman/lib/auto-lvm.sh", "bin/perform_recipe_by_lvm"),
}
MB = 10**6
MIB = 1024**2
GIB = 1024**3
EXTENT = 4 * MIB

# What the scripts ask of debconf, of parted_server, of LVM and of the kernel, answered as for a blank disk.
WORLD = r"""
export PARTMAN_TEST=yes
log() { :; }
db_get() {
    RET=$(sed -n "s!^d-i $1 [a-z]* !!p" "$ANSWER")
}
db_fget() { RET=true; }
db_metaget() { RET=; return 1; }
db_set() { :; }
db_fset() { :; }
db_subst() { :; }
db_progress() { :; }
db_go() { :; }
db_input() { case $2 in *_guided_size) echo "asked $2" >&2; exit 9;; esac; }
open_dialog() { dialog=$1; is_read=; }
close_dialog() { :; }
read_line() {
    if [ "$dialog" = GET_LABEL_TYPE ]; then
        eval "$1=$LABEL"
    elif [ "$dialog" = OPEN ]; then
        eval "$1=OK"
    elif [ "$is_read" ]; then
        for name in "$@"; do eval "$name="; done
    else
        is_read=yes
        num=1 id=0-1 size=1 type=primary fs=unknown path=/dev/x name=
    fi
}
setup_partition() { :; }
stop_parted_server() { :; }
restart_partman() { :; }
autopartitioning_failed() { echo failed >&2; exit 9; }
vg_get_info() {
    FREEPE=$(($EXTENTS - $(cat "$STATE/used")))
}
vgs() {
    case "$*" in
        *vg_extent_size*) echo "  4194.30K" ;;
        *vg_free*) echo "  $((($EXTENTS - $(cat "$STATE/used")) * 4194304 / 1000)).00" ;;
    esac
}
lv_create() {
    echo $(($(cat "$STATE/used") + $3)) >"$STATE/used"
    echo "$2 $3" >>"$STATE/volumes"
}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Partman:
    """The scripts, with their world, below a directory."""

    root: Path

    def run(self, script: str, answer: str, **variables: str) -> str:
        recipe = re.search(r"^d-i partman-auto/expert_recipe string (.*)$", answer, re.MULTILINE)
        assert recipe
        (self.root / "recipe").write_text(recipe[1] + "\n")
        (self.root / "answer").write_text(answer)
        (self.root / "used").write_text("0\n")
        (self.root / "volumes").write_text("")
        done = subprocess.run(
            ["sh", "-c", script],
            cwd=self.root / "devices/=dev=vda",
            env={
                "PATH": f"{self.root}/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "ANSWER": str(self.root / "answer"),
                "STATE": str(self.root),
                **variables,
            },
            text=True,
            capture_output=True,
            timeout=60,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    def partitions(self, tdl: Tdl, answer: str, label: str) -> dict[str, int]:
        """Mount point or method to the MB that the scripts give to each partition; "lvm" is the volume group's."""
        method = "lvm" if "partman-auto/method string lvm" in answer else "default"
        script = f"""
            . {self.root}/lib/partman/lib/auto-lvm.sh
            cd {self.root}/devices/=dev=vda
            decode_recipe {self.root}/recipe {method}
            echo "least $(min_size)"
            if [ {method} = lvm ]; then
                scheme=$(add_envelope_single "$(echo "$scheme" | grep -v lvmok)" lvm "$(echo "$scheme" | grep lvmok)")
            fi
            free_size=$(convert_to_megabytes {tdl.disk_bytes - 2 * MIB})
            expand_scheme
            echo "$scheme"
        """
        least, *lines = self.run(script, answer, LABEL=label).splitlines()
        assert int(least.split()[1]) <= tdl.disk_bytes // MB, "partman would pass over the recipe"
        found = {}
        for line in lines:
            what = re.search(r"mountpoint\{ (\S+) \}", line) or re.search(r"method\{ (\S+) \}", line)
            assert what, line
            found[what[1]] = int(line.split()[0])
        return found

    def volumes(self, answer: str, extents: int) -> dict[str, int]:
        """Volume to its extents, of a group that has so many."""
        group = re.search(r"new_vg_name string (\S+)", answer)
        assert group
        self.run(f"cd {self.root} && sh bin/perform_recipe_by_lvm {group[1]} recipe", answer, EXTENTS=str(extents))
        lines = (self.root / "volumes").read_text().splitlines()
        return {line.split()[0]: int(line.split()[1]) for line in lines}


@pytest.fixture(scope="module")
def partman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Partman]:
    root = tmp_path_factory.mktemp("partman")
    (root / "devices/=dev=vda").mkdir(parents=True)
    (root / "world.sh").write_text(WORLD)
    for package, paths in LIBRARIES.items():
        found = sorted(UDEBS.glob(f"{package}_*.udeb"))
        if not found:
            pytest.skip("the installer's components are not here: make cd brings them")
        subprocess.run(["dpkg-deb", "-x", found[-1], root / package], check=True)
        for path in paths:
            text = (root / package / path).read_text()
            text = text.replace("/var/lib/partman", str(root)).replace(" /lib/partman/", f" {root}/lib/partman/")
            text = text.replace(". /usr/share/debconf/confmodule", "")
            target = root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
    for name in ("commit", "auto-shared"):
        (root / f"lib/partman/lib/{name}.sh").write_text("")
    (root / "bin/update-dev").write_text("#!/bin/sh\n")
    (root / "bin/update-dev").chmod(0o755)
    # Whatever the libraries define, the world has the last word.
    for name in ("base", "lvm-base", "recipes"):
        with (root / f"lib/partman/lib/{name}.sh").open("a") as file:
            file.write(f"\n. {root}/world.sh\n")
    yield Partman(root=root)


def tdl_of(layout: Literal["plain", "lvm"], *partitions: Partition, disk_bytes: int = 20 * GIB) -> Tdl:
    return sample_tdl("13", disk_bytes=disk_bytes, partition_layout=layout, partitions=partitions)


def answer_of(tdl: Tdl, firmware: Literal["bios", "efi"] = "bios") -> str:
    return sample_plan(tdl, Settings(firmware=firmware)).answer


ROOT = Partition(mount="/")
VAR = Partition(mount="/var", size_bytes=4 * GIB)
SRV = Partition(mount="/srv", size_bytes=3 * GIB + 1, filesystem="xfs")
SWAP = Partition(mount="swap", size_bytes=GIB)
SIZED_ROOT = Partition(mount="/", size_bytes=8 * GIB)


def mb(size_bytes: int) -> int:
    return -(-size_bytes // MB)


@pytest.mark.parametrize(("firmware", "label", "esp_mb"), [("bios", "msdos", 0), ("efi", "gpt", 538)])
def test_each_partition_gets_its_size_and_one_the_rest(
    partman: Partman, firmware: Literal["bios", "efi"], label: str, esp_mb: int
) -> None:
    tdl = tdl_of("plain", ROOT, VAR, SRV, SWAP)
    found = partman.partitions(tdl, answer_of(tdl, firmware), label)
    sizes = {"/var": mb(4 * GIB), "/srv": mb(3 * GIB + 1), "swap": mb(GIB)}
    sizes |= {"efi": esp_mb} if esp_mb else {}
    free = (tdl.disk_bytes - 2 * MIB) // MB
    assert found == {**sizes, "/": free - sum(sizes.values())}


def test_a_template_without_partitions_is_one_root(partman: Partman) -> None:
    tdl = sample_tdl("13")
    assert partman.partitions(tdl, answer_of(tdl), "msdos") == {"/": (tdl.disk_bytes - 2 * MIB) // MB}


def test_a_large_disk_under_a_bios_has_a_place_for_grub(partman: Partman) -> None:
    tdl = tdl_of("plain", ROOT, SWAP, disk_bytes=3 * 1024**4)
    found = partman.partitions(tdl, answer_of(tdl), "gpt")
    assert (found["biosgrub"], found["swap"]) == (1, mb(GIB)) and found["/"] > 3_000_000


def volumes_of(partman: Partman, tdl: Tdl) -> tuple[dict[str, int], int]:
    """The volumes and their extents, and the extents of the group: the partition that comes last gets all there is."""
    answer = answer_of(tdl)
    found = partman.partitions(tdl, answer, "msdos")
    assert list(found) == ["/boot", "lvm"] and found["/boot"] == mb(512 * MIB)
    extents = (tdl.disk_bytes - 3 * MIB - found["/boot"] * MB) // EXTENT
    return partman.volumes(answer, extents), extents


def test_an_empty_volume_layout_is_one_root_in_all_of_the_group(partman: Partman) -> None:
    volumes, extents = volumes_of(partman, tdl_of("lvm"))
    assert volumes == {"root": extents}


def test_volumes_get_their_sizes_and_one_the_rest(partman: Partman) -> None:
    volumes, extents = volumes_of(partman, tdl_of("lvm", ROOT, VAR, SRV, SWAP))
    sizes = {"var": 1024, "srv": 769, "swap_1": 256}
    assert volumes == {**sizes, "root": extents - sum(sizes.values())}


def test_volumes_without_a_rest_leave_the_group_its_space(partman: Partman) -> None:
    volumes, extents = volumes_of(partman, tdl_of("lvm", SIZED_ROOT, VAR))
    assert volumes == {"root": 2048, "var": 1024} and extents > 3072


@pytest.mark.parametrize("partitions", [(SIZED_ROOT, VAR, SRV, SWAP), (ROOT, VAR, SRV, SWAP)])
def test_the_smallest_disk_that_is_taken_has_room_for_all_volumes(
    partman: Partman, partitions: tuple[Partition, ...]
) -> None:
    """Partman would go on asking how much of the group to take, or take another recipe."""
    low, high = 1, 64 * GIB // MIB
    while high - low > 1:
        middle = (low + high) // 2
        try:
            answer_of(tdl_of("lvm", *partitions, disk_bytes=middle * MIB))
            high = middle
        except TdlError:
            low = middle
    volumes, extents = volumes_of(partman, tdl_of("lvm", *partitions, disk_bytes=high * MIB))
    assert volumes["var"] == 1024 and sum(volumes.values()) <= extents and volumes["root"] >= 500 * MB // EXTENT
