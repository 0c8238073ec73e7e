"""What others wrote judges the plans for subiquity: its own schema, YAML's reader, the shell, GRUB's parsers.

The schema lets through what it does not know, and knows nothing of storage; so that is checked here, by what curtin's
documentation says of each action (https://curtin.readthedocs.io/en/latest/topics/storage.html).
"""

import copy
import functools
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import jsonschema
import pytest
import yaml
from plans import plan_texts, samples
from test_subiquity import DIVIDED, live_plan

from oz.guests.subiquity import Subiquity
from oz.model import Partition, Settings

SCHEMA = Path(__file__).parents[2] / "../shared/oracles/subiquity/autoinstall-schema.json"
MIB = 1024**2
GIB = 1024**3

# Of each action the keys that must be there, and those that may.
ACTIONS = {
    "disk": ("id type path", "ptable wipe preserve name serial grub_device"),
    "partition": ("id type device size", "number flag wipe preserve grub_device"),
    "format": ("id type volume fstype", "label uuid preserve"),
    "mount": ("id type device path", "options"),
    "lvm_volgroup": ("id type name devices", "preserve"),
    "lvm_partition": ("id type name volgroup", "size wipe preserve"),
}
REFERENCES = {"partition": "disk", "lvm_partition": "lvm_volgroup", "mount": "format"}
FILE_SYSTEMS = ("btrfs", "ext2", "ext3", "ext4", "fat32", "vfat", "swap", "xfs")
FLAGS = ("boot", "bios_grub", "swap", "home", "linux")
# Documented of the section apt as curtin's own; the schema has the others.
CURTINS_APT = {"security"}

Sample = tuple[str, str, Literal["bios", "efi"], dict[str, Any]]


def all_samples() -> list[Sample]:
    """Everything that is planned, the live medium of 20.04 among it, plain and divided."""
    found: list[tuple[str, str, Literal["bios", "efi"]]]
    found = [("20.04", "x86_64", "bios"), ("20.04", "x86_64", "efi"), ("20.04", "aarch64", "efi")]
    found += [(version, arch, firmware) for version, arch, _, firmware in samples("Ubuntu", Subiquity)]
    many = (Partition(mount="/"), *(Partition(mount=f"/srv/{n}/x", size_bytes=GIB + n) for n in range(4)))
    layouts: tuple[dict[str, Any], ...] = ({}, DIVIDED, dict(partition_layout="plain", partitions=many))
    return [(*one, layout) for one in found for layout in layouts]


@functools.cache
def all_texts() -> list[tuple[Sample, dict[str, str]]]:
    return [
        (sample, plan_texts(live_plan(sample[0], sample[1], Settings(firmware=sample[2]), **sample[3])))
        for sample in all_samples()
    ]


def read(texts: dict[str, str]) -> dict[str, Any]:
    """The answer file, out of the cloud-config that a seed is."""
    if "user-data" not in texts:
        return dict(yaml.safe_load(texts["autoinstall.yaml"]))
    assert texts["user-data"].startswith("#cloud-config\n") and "instance-id" in yaml.safe_load(
        texts["nocloud_meta-data"]
    )
    (key, answer), *others = yaml.safe_load(texts["user-data"]).items()
    assert key == "autoinstall" and not others
    return dict(answer)


@functools.cache
def schema() -> dict[str, Any]:
    if not SCHEMA.exists():
        pytest.skip("subiquity's schema is not here: ../shared/oracles")
    return dict(json.loads(SCHEMA.read_text()))


def judge(answer: dict[str, Any], firmware: str, disk_bytes: int) -> None:
    jsonschema.validate(answer, schema(), cls=jsonschema.Draft7Validator)
    known = schema()["properties"]
    unknown = (answer.keys() - known.keys()) | (answer["apt"].keys() - known["apt"]["properties"].keys() - CURTINS_APT)
    assert not unknown, f"unknown: {unknown}"
    # One of the two must be there (autoinstall reference, "identity").
    assert "user-data" in answer and "identity" not in answer
    assert answer["storage"].keys() == {"swap", "config"} and answer["storage"]["swap"] == {"size": 0}
    judge_storage(answer["storage"]["config"], firmware, disk_bytes)


def judge_storage(actions: list[dict[str, Any]], firmware: str, disk_bytes: int) -> None:
    seen: dict[str, dict[str, Any]] = {}
    for one in actions:
        required, optional = (set(words.split()) for words in ACTIONS[one["type"]])
        assert required <= one.keys() <= required | optional, f"{one} has other keys"
        assert one["id"] not in seen, f"{one['id']} is there twice"
        kind = REFERENCES.get(one["type"])
        names = [one[key] for key in ("device", "volume", "volgroup") if key in one] + one.get("devices", [])
        assert all(name in seen for name in names), f"{one} comes before what it is made of"
        assert kind is None or all(seen[name]["type"] == kind for name in names), f"{one} is made of another kind"
        seen[one["id"]] = one
    of = {kind: [one for one in actions if one["type"] == kind] for kind in ACTIONS}
    (disk,) = of["disk"]
    assert disk["ptable"] == "gpt" and re.fullmatch(r"/dev/[sv]da", disk["path"]), "the disk or its partition table"
    judge_sizes(of["partition"], 1, disk_bytes)
    judge_sizes(of["lvm_partition"], 4, disk_bytes)
    assert [one["number"] for one in of["partition"]] == list(range(1, len(of["partition"]) + 1))
    assert {one["fstype"] for one in of["format"]} <= set(FILE_SYSTEMS), "file systems"
    assert {one["flag"] for one in of["partition"] if "flag" in one} <= set(FLAGS)
    paths = [one["path"] for one in of["mount"] if one["path"]]
    for number, path in enumerate(paths):
        parents = {str(parent) for parent in Path(path).parents}
        assert not parents & set(paths[number:]), f"{path} is mounted before what it is on"
    assert paths[0] == "/" and len(of["mount"]) == len(of["format"]) == len({one["volume"] for one in of["format"]})
    judge_boot(of, firmware)


def judge_sizes(parts: list[dict[str, Any]], unit_mib: int, disk_bytes: int) -> None:
    """Sizes as the autoinstall reference has them; of what has no size there is one at most, the last."""
    sizes = [one["size"] for one in parts]
    assert all(size != -1 for size in sizes[:-1]), sizes
    numbers = [int(found[1]) for size in sizes if (found := re.fullmatch(r"(\d+)M", str(size)))]
    assert len(numbers) + sizes.count(-1) == len(sizes), f"sizes: {sizes}"
    assert all(number % unit_mib == 0 for number in numbers) and sum(numbers) * MIB < disk_bytes, f"sizes: {sizes}"


def judge_boot(of: dict[str, list[dict[str, Any]]], firmware: str) -> None:
    """As its own layouts have it: the disk itself and GRUB's partition for a BIOS, else the EFI system partition."""
    flagged = {one["flag"]: one for one in of["partition"] if "flag" in one}
    boots = [one["id"] for one in (*of["disk"], *of["partition"]) if one.get("grub_device")]
    if firmware == "bios":
        assert boots == ["disk"] and flagged.keys() == {"bios_grub"}, "no place for GRUB"
        assert not any(one["volume"] == flagged["bios_grub"]["id"] for one in of["format"])
        return
    assert boots == [flagged["boot"]["id"]] and flagged.keys() == {"boot"}
    (made,) = (one for one in of["format"] if one["volume"] in boots)
    (mounted,) = (one["path"] for one in of["mount"] if one["device"] == made["id"])
    assert (made["fstype"], mounted) == ("fat32", "/boot/efi")


def test_the_installer_takes_every_answer_file(proof: Callable[..., None]) -> None:
    judged = set()
    for (_, _, firmware, layout), texts in all_texts():
        kind = (firmware, texts.get("user-data"), texts.get("autoinstall.yaml"))
        if kind not in judged:
            answer = read(texts)
            judge(answer, firmware, 10 * GIB)
            assert any(one["type"] == "lvm_volgroup" for one in answer["storage"]["config"]) == (layout == DIVIDED)
            judged.add(kind)
    assert len(judged) > 20
    for sample in samples("Ubuntu", Subiquity):
        proof("oracle", "Ubuntu", *sample)


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        (("shutdown",), "off", "'off' is not one of"),
        (("late-commands",), "sh x", "'sh x' is not of type 'array'"),
        (("shut-down",), "poweroff", "unknown: {'shut-down'}"),
        (("apt", "mirror"), "http://h/", "unknown: {'mirror'}"),
        (("storage", "config", 0, "ptable"), "msdos", "partition table"),
        (("storage", "config", 1, "flag"), "boot", "no place for GRUB"),
        (("storage", "config", 1, "size"), "20480M", "sizes"),
        (("storage", "config", 1, "parent"), "disk", "other keys"),
        (("storage", "config", 2, "size"), "1.5M", "sizes"),
        (("storage", "config", 2, "device"), "disk1", "comes before what it is made of"),
        (("storage", "config", 3, "fstype"), "ext5", "file systems"),
        (("storage", "config", -1, "device"), "partition2", "made of another kind"),
    ],
)
def test_a_wrong_answer_file_is_found(path: tuple[Any, ...], value: object, complaint: str) -> None:
    answer = copy.deepcopy(read(plan_texts(live_plan("24.04"))))
    judge(answer, "bios", 10 * GIB)
    place: Any = answer
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises((AssertionError, jsonschema.ValidationError), match=complaint):
        judge(answer, "bios", 10 * GIB)


def distinct(name: str) -> set[str]:
    return {texts[name] for _, texts in all_texts() if name in texts}


def test_shells_parse_the_script_and_the_command() -> None:
    assert len(distinct("oz_late.sh")) == 4
    answer = read(plan_texts(live_plan("24.04")))
    for text in distinct("oz_late.sh") | {*answer["early-commands"], *answer["late-commands"]}:
        for shell in ("sh", "dash"):
            checked = subprocess.run([shell, "-n"], input=text, text=True, capture_output=True)
            assert (checked.returncode, checked.stderr) == (0, ""), text


def test_grub_parses_its_menu() -> None:
    assert len(distinct("boot_grub_grub.cfg")) == 4
    for menu in distinct("boot_grub_grub.cfg"):
        checked = subprocess.run(["grub-script-check"], input=menu, text=True, capture_output=True)
        assert (checked.returncode, checked.stderr) == (0, ""), menu


def test_isolinux_menu_is_one_that_grub_understands(tmp_path: Path) -> None:
    (tmp_path / "isolinux").mkdir()
    file = tmp_path / "isolinux/isolinux.cfg"
    for menu in distinct("isolinux_isolinux.cfg"):
        file.write_text(menu)
        words = ["grub-syslinux2cfg", "--isolinux", "-r", str(tmp_path), str(file)]
        done = subprocess.run(words, text=True, capture_output=True, check=True)
        assert "UNSUPPORTED" not in done.stdout and done.stderr == ""
        assert re.search(r"^ *linux\S* .*/casper/vmlinuz.* autoinstall ", done.stdout, re.MULTILINE)
    assert distinct("isolinux_isolinux.cfg")
