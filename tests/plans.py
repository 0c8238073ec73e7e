"""Templates and plans to look at: the samples of the tests about guests."""

import dataclasses
from collections.abc import Mapping
from typing import Any, get_args

from oz.guests import all_releases, guest_for
from oz.guests.base import Guest
from oz.host.access import placeholder_access
from oz.model import Access, Action, InstallPlan, PutFile, RunCommand, Settings, Tdl

VERSIONS = tuple(row.version for row in all_releases() if row.distro == "Debian")
SETTINGS = Settings(memory_bytes=64 * 1024**2)
"""So little memory that each release's own need shows."""
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
    return placeholder_access(guest.password_schemes)


def sample_plan(tdl: Tdl, settings: Settings = SETTINGS) -> InstallPlan:
    guest = guest_for(tdl)
    medium = guest.documented_medium(tdl) if tdl.install_type == "iso" else None
    return guest.plan_install(tdl, medium, sample_access(guest), settings)


def all_samples() -> list[tuple[str, str, str, str]]:
    """Version, architecture, install type and firmware of everything that can be planned."""
    return [
        (row.version, arch, install_type, firmware)
        for row in all_releases()
        for arch in row.arches
        for install_type in row.install_types
        for firmware in ("bios", "efi")
        if firmware == ("efi" if arch == "aarch64" else "bios") or (arch == "x86_64" and int(row.version) >= 7)
    ]


def plan_texts(plan: InstallPlan) -> dict[str, str]:
    """A plan as files: the answer, what goes on the medium or into the initrd, and the rest in `plan`."""
    files = {plan.answer_name: plan.answer}
    contents: Mapping[str, object] = {**{edit.path: edit.content for edit in plan.edits}, **plan.initrd_files}
    for path, content in contents.items():
        assert isinstance(content, bytes)
        if content.decode() != plan.answer:
            files[path.lstrip("/").replace("/", "_")] = content.decode()
    rest = [f"command line: {plan.command_line}"] if plan.command_line else []
    rest += [f"boot: {boot.device}, reboots {boot.reboots}" for boot in plan.boots]
    rest += [f"{name}: {value}" for name, value in dataclasses.asdict(plan.hardware).items()]
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
