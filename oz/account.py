"""What a build leaves of itself beside its image: the report if it succeeded, all there is to know if it failed.

NAME.oz/report.html report.json     of the last build that succeeded
NAME.oz/failure/                    of the last one if it failed: report, logs, also those of the target, screens,
                                        domain XML, QEMU's log, plan
"""

import datetime
import hashlib
import json
import platform
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path
from typing import Any

import oz
from oz import report
from oz.build import Build, make_directory
from oz.domain import domain_xml
from oz.errors import GuestError, HostError, InstallError, OzError
from oz.handoff import qemu_command
from oz.host import disk, offline
from oz.model import Manifest
from oz.progress import note
from oz.redaction import redact
from oz.units import MIB

FAILURE = "failure"
_WRITTEN_BYTES_MIN = 4 * MIB
"""A disk with less on it has no file system with logs."""


@contextmanager
def keeping_failures(build: Build, directory: Path, command: list[str]) -> Iterator[None]:
    """Whatever fails in the block once a guest was started leaves DIRECTORY/failure, and the error says so.

    `directory` is NAME.oz, which need not exist; `command` is what the user typed.
    """
    try:
        yield
    except (InstallError, GuestError, HostError) as error:
        if build.recording.boots:
            # a full disk, for one: it is not the failure to tell of
            with suppress(OSError, OzError):
                error.message += f"\n  {_keep(build, directory, command, error)}"
        raise


def is_only_failure(directory: Path) -> bool:
    """Whether a NAME.oz holds nothing but what a failed build left: the name is free."""
    try:
        return [path.name for path in directory.iterdir()] == [FAILURE]
    except OSError:
        return False


def tell_success(build: Build, directory: Path, manifest: Manifest | None, copy: Path | None) -> None:
    """Write the report into NAME.oz and, with `copy`, there as well. What failed before is over and goes.

    Raises HostError where the copy cannot be written; that NAME.oz cannot be is a note.
    """
    described = _describe(build, "done", None, directory / "logs", manifest, _image_bytes(build), {})
    try:
        page = report.write_report(described, build.recording, directory)
        shutil.rmtree(directory / FAILURE, ignore_errors=True)
    except OSError as error:
        note(f"no report could be written: {error}")
        return
    if copy:
        try:
            copy.write_bytes(page.read_bytes())
        except OSError as error:
            raise HostError(f"the report cannot be written to {copy}: {error.strerror}") from error


def _keep(build: Build, directory: Path, command: list[str], error: OzError) -> str:
    """What became of what there is, in words: where even that fails, it is not the failure to tell of first."""
    kept, made = _gather(build, command, error)
    if build.options.keep_failed:
        target = directory.with_suffix(".failed")
        moves, page, what = (
            [(build.work, target)],
            target / "kept" / FAILURE,
            f"what there is of it is kept in {target}",
        )
    else:
        page, what = directory / FAILURE, "what there is to know of it"
        moves = [(made, page)] if directory.is_dir() else [(kept, directory)]
    try:
        build.journal.publish(moves)
    except HostError as failure:
        return f"nothing of it could be kept in {moves[0][1]}: {failure.message}"
    return f"{what}: {page / report.PAGE}"


def _gather(build: Build, command: list[str], error: OzError) -> tuple[Path, Path]:
    """A directory of the work's that could be NAME.oz, and in it the one of the failure, with everything in it."""
    kept = build.work / "kept"
    made = kept / FAILURE
    make_directory(made)
    secrets = _secrets(build)

    def write(path: Path, text: str) -> None:
        make_directory(path.parent)
        for secret in secrets:
            text = text.replace(secret, "***")
        path.touch(mode=0o600)
        path.write_text(redact(text), encoding="utf-8", errors="replace")

    for place in (build.work / "oz" / "logs", build.work, *_emulator_logs(build)):
        for name, text in report.read_logs(place).items():
            write(made / "logs" / name, text)
    for name, data in _target_logs(build).items():
        write(made / "target" / name.strip("/").replace("/", "_"), data.decode("utf-8", "replace"))
    for number, frame in enumerate(build.recording.frames, 1):
        make_directory(made / "screens")
        picture = made / "screens" / f"{number:02}-after-{frame.at_s:.0f}s.png"
        picture.touch(mode=0o600)
        picture.write_bytes(report.png(frame.picture))
    machine = build.recording.machine
    if machine is not None:
        write(made / "domain.xml", domain_xml(machine))
    write(made / "plan.json", build.recording.plan)
    if build.recording.answer_name:
        write(made / build.recording.answer_name, build.recording.answer)
    commands = _next_commands(build, command)
    write(made / "commands.txt", "".join(f"# {label}\n{line}\n" for label, line in commands.items()))
    write(made / "versions.json", json.dumps(_versions(build), indent=1) + "\n")
    described = _describe(build, error.message, error, made / "logs", None, 0, commands)
    report.write_report(described, build.recording, made)
    return kept, made


def _target_logs(build: Build) -> dict[str, bytes]:
    target = build.work / "disk"
    if not target.exists() or target.stat().st_blocks * 512 < _WRITTEN_BYTES_MIN:
        return {}
    return offline.read_files(target, build.guest.log_places)


def _describe(
    build: Build,
    outcome: str,
    error: OzError | None,
    logs: Path,
    manifest: Manifest | None,
    image_bytes: int,
    commands: dict[str, str],
) -> report.Report:
    tdl, settings, recording = build.tdl, build.settings, build.recording
    hint = f"\n{error.hint}" if error and error.hint else ""
    facts = {
        "template": f"{tdl.path}{_digest(tdl.path)}",
        "system": f"{build.guest.title} for {tdl.arch}",
        "from": f"{tdl.install_type} {tdl.install_url}",
        **recording.facts,
        "processors": f"{settings.cpus}, by {'KVM' if settings.domain_type == 'kvm' else 'software emulation'}",
        **_versions(build),
    }
    return report.Report(
        name=tdl.name,
        title=build.guest.title,
        outcome=outcome + hint,
        has_failed=error is not None,
        finished=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        facts=facts,
        commands=commands,
        logs=report.read_logs(logs),
        plan=recording.plan,
        answer_name=recording.answer_name,
        answer=recording.answer,
        packages=manifest.packages if manifest else (),
        image_bytes=image_bytes,
        previous=recording.previous,
        secrets=_secrets(build),
    )


def _digest(path: str) -> str:
    try:
        return f", sha256 {hashlib.sha256(Path(path).read_bytes()).hexdigest()}"
    except OSError:
        return ""


def _image_bytes(build: Build) -> int:
    image = build.recording.image
    try:
        return disk.info(image.path, format=image.format).allocated_bytes if image else 0
    except OzError:
        return 0


def _secrets(build: Build) -> tuple[str, ...]:
    known = (build.tdl.rootpw, build.tdl.key, *build.recording.secrets)
    return tuple(secret for secret in known if secret and len(secret) > 2)


def _versions(build: Build) -> dict[str, str]:
    """Of everything that has a part in it."""
    names = ("libvirt-python", "paramiko", "pycdlib", "Jinja2", "lxml")
    found: dict[str, Any] = {"Oz": oz.__version__, "Python": platform.python_version()}
    for name in names:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    with suppress(HostError):
        found["emulator"] = build.hypervisor().emulator_version()
    return {**found, "host": platform.platform()}


def _next_commands(build: Build, command: list[str]) -> dict[str, str]:
    """To try again, to keep more, and to watch."""
    again = shlex.join(command)
    found = {"try again": again, "keep the disk too": f"{again} --keep-failed", "say more": f"{again} -d 3"}
    machine = build.recording.machine
    if machine is not None and machine.disk is not None and machine.hardware.firmware == "bios":
        found["boot the disk, if it was kept"] = shlex.join(qemu_command(machine, ssh_port=2222))
    return found


def _emulator_logs(build: Build) -> list[Path]:
    return sorted({path.parent for path in build.journal.root.rglob("*.log") if path.parent.name == "qemu"})
