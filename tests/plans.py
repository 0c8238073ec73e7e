"""Templates and plans to look at: the samples of the tests about guests."""

import dataclasses
import functools
from typing import Any, Literal, get_args

from oz.errors import UnsupportedError
from oz.guests import all_releases, guest_for
from oz.guests.base import Guest
from oz.host.access import placeholder_access
from oz.model import Access, Action, InstallPlan, PutFile, RunCommand, Settings, Tdl

VERSIONS = tuple(row.version for row in all_releases() if row.distro == "Debian")
SETTINGS = Settings(memory_bytes=64 * 1024**2)
"""So little memory that each release's own need shows."""
FIRMWARES: tuple[Literal["bios", "efi"], ...] = ("bios", "efi")
BASE_URLS = {"iso": "file:///media/install.iso", "url": "http://mirror.example/debian"}


def sample_tdl(version: str = "13", arch: str = "x86_64", install_type: str = "iso", **changes: Any) -> Tdl:
    values: dict[str, Any] = {
        "path": "sample.tdl",
        "name": "sample",
        "distro": "Debian",
        "version": version,
        "arch": arch,
        "install_type": install_type,
        "install_url": BASE_URLS[install_type],
        "disk_bytes": 10 * 1024**3,
        "lines": {"os/name": 3, "os/version": 4, "os/arch": 5, "os/install": 6, "os/install/url": 7},
    }
    return Tdl(**{**values, **changes})


def sample_access(guest: Guest) -> Access:
    return _access(guest.password_schemes)


# Hashes are slow to make, and the same each time.
_access = functools.cache(placeholder_access)


def sample_plan(tdl: Tdl, settings: Settings = SETTINGS) -> InstallPlan:
    guest = guest_for(tdl)
    medium = guest.documented_medium(tdl) if tdl.install_type == "iso" else None
    return guest.plan_install(tdl, medium, sample_access(guest), settings)


def all_samples() -> list[tuple[str, str, str, Literal["bios", "efi"]]]:
    """Those of Debian."""
    return list(samples("Debian"))


def samples(distro: str, planner: type[Guest] = Guest) -> list[tuple[str, str, str, Literal["bios", "efi"]]]:
    """Version, architecture, install type and firmware of everything of a distribution that the planner can plan."""
    return [
        (row.version, arch, install_type, firmware)
        for row in all_releases()
        if row.distro == distro
        for arch in row.arches
        for install_type in row.install_types
        for firmware in FIRMWARES
        if can_be_planned(
            sample_tdl(row.version, arch, install_type, distro=distro), Settings(firmware=firmware), planner
        )
    ]


def can_be_planned(tdl: Tdl, settings: Settings, planner: type[Guest] = Guest) -> bool:
    try:
        guest = guest_for(tdl)
        guest.plan_hardware(tdl, settings)
    except UnsupportedError:
        return False
    return isinstance(guest, planner)


def plan_texts(plan: InstallPlan) -> dict[str, str]:
    """A plan as files: the answer, what goes on the medium or into the initrd, and the rest in `plan`."""
    files = {plan.answer_name: plan.answer}
    contents: dict[str, object] = {
        ("efi" if edit.in_efi_image else "") + edit.path: edit.content for edit in plan.edits
    }
    contents |= plan.initrd_files
    for name, made in (("floppy", plan.floppy), ("seed", plan.seed)):
        contents |= {f"{name}/{path.lstrip('/')}": data for path, data in made.files.items()} if made else {}
    for path, content in contents.items():
        assert isinstance(content, bytes)
        if content.decode() != plan.answer:
            files[path.lstrip("/").replace("/", "_")] = content.decode()
    rest = [f"command line: {plan.command_line}"] if plan.command_line else []
    rest += [
        f"boot: {boot.device}, reboots {boot.reboots}, ends with {boot.ends}"
        + (f", Enter for {boot.enter_s} s" if boot.enter_s else "")
        for boot in plan.boots
    ]
    rest += [f"initrd format: {plan.initrd_format}"] if plan.initrd_format != "cpio" else []
    rest += [f"floppy: {plan.floppy.base}"] if plan.floppy else []
    rest += [f"seed: {plan.seed.label}"] if plan.seed else []
    rest += [f"drivers: {plan.drivers}"] if plan.drivers else []
    rest += ["partition table: empty"] if plan.has_partition_table else []
    rest += [f"{name}: {value}" for name, value in dataclasses.asdict(plan.hardware).items() if value]
    rest += [f"limit_s: {plan.limit_s}", f"inactivity_s: {plan.inactivity_s}"]
    return {**files, "plan": "\n".join(rest) + "\n"}


def action_text(actions: tuple[Action, ...]) -> str:
    """Actions as one text to read and compare."""
    assert get_args(Action) == (PutFile, RunCommand)
    parts = []
    for action in actions:
        if isinstance(action, PutFile):
            head, content = f"put {action.path} {action.mode:o}", action.content
        else:
            head, content = f"run {action.label}", action.script
        parts.append(f"== {head}\n{(content.data or b'').decode()}{content.url or ''}".rstrip("\n"))
    return "\n".join(parts) + "\n"
