"""What others wrote judges Agama's plans: its own schema, the shell, GRUB's parser."""

import json
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from plans import plan_texts, sample_access, sample_plan, sample_tdl, samples

from oz.guests import guest_for
from oz.guests.agama import Agama
from oz.model import InstallPlan, Partition, RunCommand, Settings
from oz.units import GIB

SCHEMAS = Path(__file__).parents[2] / "../shared/oracles/agama"
PARTITIONS = (Partition(mount="/"), Partition(mount="swap", size_bytes=GIB), Partition(mount="/home", size_bytes=GIB))


@cache
def judge() -> Any:
    """Of the profile; the schemas name each other by their files. Of the sources as they are now: 16.0's own has no
    "l10n" and no "mode"."""
    jsonschema, referencing = pytest.importorskip("jsonschema"), pytest.importorskip("referencing")
    if not SCHEMAS.exists():
        pytest.skip("Agama's schemas are not here: ../shared/oracles")
    schemas = {path.name: json.loads(path.read_text()) for path in SCHEMAS.glob("*.schema.json")}
    named = [schema for schema in schemas.values() if "$id" in schema]
    resources = [(schema["$id"], referencing.Resource.from_contents(schema)) for schema in named]
    registry = referencing.Registry().with_resources(resources)
    return jsonschema.Draft201909Validator(schemas["profile.schema.json"], registry=registry)


def all_plans() -> list[tuple[tuple[str, str, str, str, str], InstallPlan]]:
    return [
        (
            (distro, version, arch, install_type, firmware),
            sample_plan(sample_tdl(version, arch, distro=distro, **layout), Settings(firmware=firmware)),
        )
        for distro in ("openSUSE", "SLES")
        for version, arch, install_type, firmware in samples(distro, Agama)
        for layout in ({}, {"partition_layout": "lvm", "partitions": PARTITIONS})
    ]


def test_every_profile_is_one_by_its_schema(proof: Callable[..., None]) -> None:
    plans = all_plans()
    answers = {plan.answer for _, plan in plans}
    assert len(answers) >= 8
    for answer in answers:
        profile = json.loads(answer)
        assert not list(judge().iter_errors(profile))
        if profile["product"]["id"] != "SLES":
            assert profile["product"].keys() == {"id"}
        assert "l10n" not in profile
    for sample in dict.fromkeys(sample for sample, _ in plans):
        proof("oracle", *sample)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ('"hashedPassword": true', '"hashedPassword": "yes"'),
        ('"type": "ext4"', '"type": "ext5"'),
        ('"method4": "auto"', '"method4": "dhcp"'),
        ('"policy": "auto"', '"policy": "never"'),
        ('"delete": true', '"delete": 1'),
        ('"chroot": true', '"chrooted": true'),
    ],
)
def test_the_schema_knows_wrong_from_right(right: str, wrong: str) -> None:
    answer = sample_plan(sample_tdl("16.0", distro="openSUSE")).answer
    assert right in answer and list(judge().iter_errors(json.loads(answer.replace(right, wrong))))


def check_script(text: str) -> None:
    for shell in (["bash", "-n"], ["dash", "-n"]):
        checked = subprocess.run(shell, input=text, text=True, capture_output=True)
        assert (checked.returncode, checked.stderr) == (0, ""), (shell, text)


def test_scripts_are_ones_that_shells_parse() -> None:
    kinds = [kind for _, plan in all_plans() for kind in json.loads(plan.answer)["scripts"].values()]
    scripts = {script["content"] for kind in kinds for script in kind}
    guest = guest_for(sample_tdl("16.0", distro="openSUSE"))
    for action in (*guest.plan_seal(), *guest.plan_renewal(sample_access(guest))):
        assert isinstance(action, RunCommand) and action.script.data
        scripts.add(action.script.data.decode())
    for script in scripts:
        check_script(script)


def test_grub_parses_its_menus() -> None:
    for menu in {plan_texts(plan)["boot_grub2_grub.cfg"] for _, plan in all_plans()}:
        checked = subprocess.run(["grub-script-check"], input=menu, text=True, capture_output=True)
        assert (checked.returncode, checked.stderr) == (0, "")
