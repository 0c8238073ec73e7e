"""A plan as files: what --dry-run writes, and what is kept beside an image. The access in it is the placeholder one,
so that equal templates give equal bytes. It is for its owner alone: what a template has in its files may be secret."""

import base64
import dataclasses
import json
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from oz.config import Config
from oz.domain import domain_xml
from oz.errors import HostError, MediumError, UsageError
from oz.guests.base import Guest
from oz.host import access
from oz.model import (
    Access,
    Action,
    Boot,
    Content,
    Drive,
    InstallPlan,
    Kernel,
    Machine,
    MediaPlan,
    Medium,
    PutFile,
    Settings,
    Tdl,
)
from oz.progress import note
from oz.redaction import redact
from oz.render import quote_powershell

PLACEHOLDER_UUID = "00000000-0000-4000-8000-000000000000"
PLACEHOLDER_MAC = "52:54:00:00:00:00"
PLACEHOLDER_KEY = "XXXXX-XXXXX-XXXXX-XXXXX-XXXXX"


def plan_dry(tdl: Tdl, guest: Guest, settings: Settings, *, force_media: bool = False) -> tuple[MediaPlan, InstallPlan]:
    """The plan with placeholder secrets, from the medium if it lies here, else from what is documented of it."""
    media = guest.plan_media(tdl)
    medium: Medium | None = None
    if tdl.install_type == "iso":
        path = _local_medium(tdl)
        if path:
            from oz.inspection import look_at

            medium = look_at(path, media, tdl, guest, insists=force_media)
        else:
            medium = guest.documented_medium(tdl)
            note("the medium is not here: planned from the release's documented layout")
    shown = without_secrets(tdl)
    return media, guest.plan_install(shown, medium, placeholder(shown, guest), settings)


def _local_medium(tdl: Tdl) -> Path | None:
    if urlsplit(tdl.install_url).scheme != "file":
        return None
    # Not above: the HTTP client, which comes along, takes longer to import than a plan to make.
    from oz.host.fetch.urls import local_path

    try:
        return local_path(tdl.install_url)
    except MediumError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return None
        raise


def without_secrets(tdl: Tdl) -> Tdl:
    """The template without its password, and with a placeholder for its product key."""
    return replace(tdl, rootpw=None, key=tdl.key and PLACEHOLDER_KEY)


def placeholder(tdl: Tdl, guest: Guest) -> Access:
    """The access of a plan that is shown or compared: the same secrets every time, but the template's password."""
    return access.placeholder_access(guest.password_schemes, root_password=tdl.rootpw)


def plan_json(media: MediaPlan, plan: InstallPlan, actions: Sequence[Action]) -> str:
    """All of a plan as JSON; bytes that are not UTF-8 appear as {"base64": ...}, URLs without user and password."""
    document = {"media": media, "install": plan, "customize": list(actions)}
    return json.dumps(_plain(document), indent=1, sort_keys=True) + "\n"


def write_plan(
    directory: Path, tdl: Tdl, guest: Guest, config: Config, settings: Settings, *, force_media: bool = False
) -> tuple[Path, ...]:
    """Write plan.json, the answer file, the edited boot files, domain-N.xml and customize.sh (or .ps1); the
    files made.

    Boot files have their path on the medium; those in its EFI boot image lie below efi-image, those that are added
    to an initrd below initrd, those of a floppy below floppy, those of a second CD below seed.
    Plans only: nothing is downloaded or started. Raises HostError where DIRECTORY cannot be written.
    """
    media, plan = plan_dry(tdl, guest, settings, force_media=force_media)
    actions = guest.plan_customize(tdl)
    files: dict[str, bytes] = {
        "plan.json": plan_json(media, plan, actions).encode(),
        plan.answer_name: plan.answer.encode(),
    }
    if guest.language == "sh":
        files["customize.sh"] = customize_script(actions).encode()
    else:
        files["customize.ps1"] = customize_powershell(actions).encode("utf-8-sig")
    for edit in plan.edits:
        if isinstance(edit.content, bytes):
            files[("efi-image/" if edit.in_efi_image else "") + edit.path.lstrip("/")] = edit.content
    for name, data in plan.initrd_files.items():
        files[f"initrd/{name.lstrip('/')}"] = data
    for directory_name, made in (("floppy", plan.floppy), ("seed", plan.seed)):
        for name, data in made.files.items() if made else ():
            files[f"{directory_name}/{name.lstrip('/')}"] = data
    for number, boot in enumerate(plan.boots, 1):
        machine = dry_machine(tdl, plan, boot, config, settings)
        files[f"domain-{number}.xml"] = domain_xml(machine).encode()
    try:
        if directory.is_dir() and any(directory.iterdir()) and not (directory / "plan.json").is_file():
            raise UsageError(
                f"{directory} has other files than a plan's", hint="name a directory that is new, or empty"
            )
        # Those of an earlier plan would seem to be of this one.
        found = (path.relative_to(directory) for path in directory.rglob("*") if path.is_symlink() or path.is_file())
        others = {str(path) for path in found if not path.parts[0].startswith(".")} - set(files)
        if others:
            raise UsageError(
                f"{directory} has files that this plan does not have: {', '.join(map(repr, sorted(others)[:3]))}",
                hint="name a directory that is new, or empty",
            )
        for name, data in files.items():
            path = directory / name
            if ".." in path.relative_to(directory).parts:
                raise MediumError(f"the medium has a file {name!r}, which would lie outside {directory}")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            path.write_bytes(data)
    except OSError as error:
        raise HostError(
            f"the plan cannot be written to {directory}: {error}", hint="name a writable directory"
        ) from error
    return tuple(directory / name for name in files)


def dry_machine(tdl: Tdl, plan: InstallPlan, boot: Boot, config: Config, settings: Settings) -> Machine:
    """The machine of one boot, its files under the names they would have in the work directory."""
    work = config.output_dir / f".{tdl.name}.oz-partial"
    kernel = None
    if boot.device == "kernel" and plan.command_line is not None:
        kernel = Kernel(kernel=work / "kernel", initrd=work / "initrd", command_line=plan.command_line)
    return Machine(
        name=tdl.name,
        uuid=PLACEHOLDER_UUID,
        mac=settings.mac or PLACEHOLDER_MAC,
        domain_type=settings.domain_type,
        cpus=settings.cpus,
        hardware=plan.hardware,
        network=settings.network,
        rng=settings.rng,
        disk=Drive(path=work / "disk", format="qcow2" if settings.image_format == "qcow2" else "raw"),
        cdroms=_dry_cdroms(tdl, plan, work),
        floppy=Drive(path=work / "floppy.img") if plan.floppy else None,
        kernel=kernel,
        boot_device="hd" if boot.device == "kernel" else boot.device,
        nvram=work / "oz" / "vars.fd" if plan.hardware.firmware == "efi" else None,
    )


def _dry_cdroms(tdl: Tdl, plan: InstallPlan, work: Path) -> tuple[Drive, ...]:
    drives = []
    if plan.edits:
        drives.append(Drive(path=work / "medium.qcow2", format="qcow2"))
    elif tdl.install_type == "iso":
        drives.append(Drive(path=_local_medium(tdl) or work / "medium.iso"))
    if plan.seed:
        drives.append(Drive(path=work / "seed.iso"))
    if plan.drivers:
        drives.append(Drive(path=plan.drivers))
    return tuple(drives)


_PREAMBLE = """#!/bin/sh
# Run this as root in the guest.
set -e
script=$(mktemp)
trap 'rm -f "$script"' EXIT
chmod 700 "$script"
"""


_POWERSHELL_PREAMBLE = """# Run this as the administrator in the guest.
$ErrorActionPreference = 'Stop'
$script = Join-Path $env:TEMP 'oz-script.ps1'
function Invoke-Script {
  powershell.exe -NoProfile -ExecutionPolicy Bypass -File $script
  if ($LASTEXITCODE -ne 0) { exit $LASTEXITCODE }
}
"""


def customize_script(actions: Sequence[Action]) -> str:
    """The actions as one shell script, for reading and for running by hand in a guest. It ends where Oz would."""
    lines = [_PREAMBLE]
    for action in actions:
        if isinstance(action, PutFile):
            path = shlex.quote(action.path)
            lines += [
                f'mkdir -p "$(dirname {path})"',
                f"{_reader(action.content)} > {path}",
                f"chmod {action.mode:o} {path}",
            ]
        else:
            lines += [
                f"# {action.label}",
                f'{_reader(action.script)} > "$script"',
                '"$script" < /dev/null',
            ]
        lines.append("")
    return "\n".join(lines)


def customize_powershell(actions: Sequence[Action]) -> str:
    """The same as a script of PowerShell."""
    lines = [_POWERSHELL_PREAMBLE]
    for action in actions:
        if isinstance(action, PutFile):
            path = quote_powershell(action.path)
            lines += [
                f"New-Item -ItemType Directory -Force -Path (Split-Path {path}) | Out-Null",
                _powershell_writer(action.content, path),
                "",
            ]
        else:
            # With the mark by which it knows UTF-8.
            data = action.script.data
            script = action.script if data is None else Content(data=b"\xef\xbb\xbf" + data)
            lines += [f"# {action.label}", _powershell_writer(script, "$script"), "Invoke-Script", ""]
    return "\n".join(lines)


def _powershell_writer(content: Content, path: str) -> str:
    """A command that writes the content to the path, which is an expression."""
    if content.data is None:
        return f"Invoke-WebRequest -UseBasicParsing -Uri {quote_powershell(content.url or '')} -OutFile {path}"
    try:
        text = f"[Text.Encoding]::UTF8.GetBytes({quote_powershell(content.data.decode())})"
    except UnicodeDecodeError:
        text = f"[Convert]::FromBase64String('{base64.b64encode(content.data).decode()}')"
    return f"[IO.File]::WriteAllBytes({path}, {text})"


def _reader(content: Content) -> str:
    """A command that prints the content."""
    if content.data is None:
        return f"curl -fsSL {shlex.quote(content.url or '')}"
    try:
        text = content.data.decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        return f"echo {base64.b64encode(content.data).decode()} | base64 -d"
    return f"printf %s {shlex.quote(text)}"


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        plain = {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return plain | {"url": redact(plain["url"])} if isinstance(plain.get("url"), str) else plain
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
