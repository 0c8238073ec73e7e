"""Install a guest, from its template to a bootable image. The phase to read first.

    fetch > inspect > plan > remaster > create the disk > boot, watch, off > publish

Everything is made in a private work directory and takes its final names in one journalled step at the end.
"""

import hashlib
import os
import select
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from oz import jeos
from oz.account import is_only_failure
from oz.build import Build, Options, image_name, make_directory, random_mac
from oz.config import Config
from oz.domain import domain_xml
from oz.dryrun import placeholder, plan_json, without_secrets
from oz.errors import HostError, InstallError, UsageError
from oz.failures import Listener
from oz.host import access as access_files
from oz.host import disk, durations, waiting
from oz.marks import Marks, read_marks
from oz.media import BootFiles, check_beside, fetch_media, inspect, keep_beside, remaster
from oz.model import Access, Boot, Drive, Installed, InstallPlan, Machine, MediaPlan, Medium, Tdl
from oz.progress import note, step, wait
from oz.protocols import Counters, Domain, RealClock
from oz.report import read_summary
from oz.session import describe_screen
from oz.units import GIB, format_size

StopAfter = Literal["media", "disk", "install"]

_KEY_PRESS_S = 0.5
"""How often somebody's Enter is looked for."""
JEOS_BYTES = 2 * GIB
"""What a minimal system takes on the disk at most, with its installer's temporary files: asked of the host
before anything starts. Debian 13 was measured at 1.1 GiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The final names of a build."""

    disk: Path
    """Absolute; its directory is a real one, so that a link to it may move."""
    directory: Path
    xml: Path
    medium: Path
    """Of the edited medium, where the build stops after it."""


def install(build: Build, *, stop_after: StopAfter | None = None) -> Installed:
    """Install the template's system. With `stop_after`, what is made until then is published instead.

    Raises UsageError for a name that is taken, MediumError, InstallError when the installer does not finish,
    HostError.
    """
    clock = RealClock()
    start = clock.monotonic()
    names = names_of(build.tdl, build.config, build.options)
    _check_names(build, names, stop_after)
    build.recording.previous = read_summary(names.directory)
    tdl, guest, settings = build.tdl, build.guest, build.settings
    # refuses what the release cannot have, before anything is fetched
    guest.check_template(tdl, settings)
    disk.check_space(names.disk.parent, min(JEOS_BYTES, tdl.disk_bytes), f"the disk of {tdl.name}")

    media = guest.plan_media(tdl)
    if any(urlsplit(wanted.url).scheme != "file" for wanted in media.fetches):
        _foresee(build, stop_after)
    files = fetch_media(media, build)
    medium = inspect(files, media, build)
    access = access_files.new_access(
        guest.password_schemes, root_password=tdl.rootpw, private_key_file=build.config.sshprivkey
    )
    plan = guest.plan_install(tdl, medium, access, settings)
    check_beside(plan)
    _keep_plan(media, medium, plan, build)
    build.recording.secrets += [access.root_password]
    if medium and medium.path:
        build.recording.facts["medium"] = f"{medium.volume_id}, {format_size(medium.size_bytes)}, {medium.path}"
    machine = _plan_machine(plan, build)
    assert machine.disk is not None

    # what a template adds to the medium is fetched too late to tell whether a cached system has it
    can_be_cached = not guest.why_unsealed and not tdl.extras and stop_after in (None, "install")
    use_cache = build.config.cache_jeos and can_be_cached
    key, cached = jeos.find(media, medium, files, build) if use_cache else (None, None)
    if cached:
        access = jeos.start_from(cached, machine, access, build)
        return _publish(machine, access, names, build, clock.monotonic() - start)

    is_kept = stop_after == "media" or build.config.cache_modified_media
    boot_files = remaster(plan, medium, files, build, as_iso=is_kept)
    if is_kept and stop_after != "media":
        keep_beside(boot_files, build)
    if stop_after == "media":
        return _publish_media(boot_files, plan, access, names, build, clock.monotonic() - start)
    with step("Create the disk"):
        drive = machine.disk
        disk.create(drive.path, tdl.disk_bytes, drive.format, has_partition_table=plan.has_partition_table)
    if stop_after != "disk":
        host_keys = _run_installer(plan, machine, boot_files, access, build)
        access = replace(access, host_keys=host_keys)
        disk.flush(machine.disk.path)
        if key:
            _store_jeos(key, machine, access, build)
    return _publish(machine, access, names, build, clock.monotonic() - start)


def _foresee(build: Build, stop_after: StopAfter | None) -> None:
    """What would fail after a download of gigabytes fails before it: the plan, as far as the medium's documented layout
    tells, and what this host lacks. A medium that lies here is faster looked at than all that."""
    tdl, guest = replace(build.tdl, rootpw=None), build.guest
    medium = guest.documented_medium(tdl) if tdl.install_type == "iso" else None
    plan = guest.plan_install(tdl, medium, placeholder(tdl, guest), build.settings)
    check_beside(plan)
    disk.check_tools()
    if stop_after in (None, "install"):
        build.hypervisor().check_hardware(plan.hardware, build.settings.domain_type)


def _store_jeos(key: str, machine: Machine, access: Access, build: Build) -> None:
    """Keep the system for later builds, if it can be kept: this one has succeeded all the same."""
    try:
        jeos.store(key, machine, access, build)
    except HostError as error:
        note(f"not kept in the cache: {error.message}")


def names_of(tdl: Tdl, config: Config, options: Options) -> Names:
    """The names a finished build gets, by oz.cfg and the options."""
    suffix = "dsk" if config.image_type == "raw" else config.image_type
    path = options.disk_path or config.output_dir / f"{tdl.name}.{suffix}"
    path = path.parent.resolve() / path.name
    name = image_name(path)
    return Names(
        disk=path,
        directory=path.with_name(f"{name}.oz"),
        xml=(options.xml_path or path.with_name(f"{name}.xml")).absolute(),
        medium=path.with_name(f"{name}.iso"),
    )


def _check_names(build: Build, names: Names, stop_after: StopAfter | None) -> None:
    """That the final names can be had. With -p, what bears them now stays until the new build has succeeded."""
    if not os.access(names.xml.parent, os.W_OK | os.X_OK):
        raise UsageError(f"{names.xml.parent} is no directory to write {names.xml.name} to", hint="see -x")
    wanted = (names.medium, names.directory) if stop_after == "media" else (names.disk, names.directory, names.xml)
    for path in wanted:
        if not build.options.replace and (path.exists() or path.is_symlink()) and not is_only_failure(path):
            raise UsageError(f"{path} is there already", hint="give -p to replace it, or another <name>")
    if build.options.replace:
        _check_orphans(names, wanted)
    if build.config.uri != "auto" and stop_after in (None, "install"):
        # Now rather than after the download: also that the daemon is there.
        build.hypervisor().check_name(build.tdl.name)


def _check_orphans(names: Names, wanted: tuple[Path, ...]) -> None:
    """That no image which stays loses its keys with the directory that is replaced."""
    if not (names.directory / "access.json").exists():
        return
    for suffix in ("dsk", *disk.FORMATS):
        image = names.directory.with_suffix(f".{suffix}")
        if image not in wanted and image.exists():
            raise UsageError(
                f"{names.directory} holds the keys of {image}, which would be lost",
                hint="take another <name>, or rename or remove that image and its directory first",
            )


def _keep_plan(media: MediaPlan, medium: Medium | None, plan: InstallPlan, build: Build) -> None:
    """plan.json as a dry run would print it, without secrets; the answer file as it is used, for its owner alone."""
    directory = build.work / "oz"
    make_directory(directory)
    tdl, guest = without_secrets(build.tdl), build.guest
    shown = guest.plan_install(tdl, medium, placeholder(tdl, guest), build.settings)
    text = plan_json(media, shown, guest.plan_customize(build.tdl))
    recording = build.recording
    recording.plan, recording.answer_name, recording.answer = text, plan.answer_name, shown.answer
    texts = {"plan.json": text, plan.answer_name: plan.answer}
    for name, text in texts.items():
        (directory / name).touch(mode=0o600)
        (directory / name).write_text(text)


def _plan_machine(plan: InstallPlan, build: Build) -> Machine:
    """The machine to install on; other formats than raw and qcow2 are converted to at the end."""
    settings = build.settings
    image_format = "qcow2" if settings.image_format == "qcow2" else "raw"
    return Machine(
        name=build.tdl.name,
        uuid=str(uuid.uuid4()),
        mac=settings.mac or random_mac(),
        domain_type=settings.domain_type,
        cpus=settings.cpus,
        hardware=plan.hardware,
        network=settings.network,
        rng=settings.rng,
        disk=Drive(path=build.work / "disk", format=image_format),
        nvram=build.work / "oz" / "vars.fd" if plan.hardware.firmware == "efi" else None,
    )


def _run_installer(
    plan: InstallPlan, machine: Machine, boot_files: BootFiles, access: Access, build: Build
) -> tuple[str, ...]:
    """Boot the installer as often as it needs; the host keys it announced. Raises InstallError."""
    lines: list[str] = []
    listener = Listener(plan.log.installer, plan.answer_name, plan.answer)
    for number, boot in enumerate(plan.boots, 1):
        words = "Install" if len(plan.boots) == 1 else f"Install, boot {number} of {len(plan.boots)}"
        phase = f"{words[0].lower()}{words[1:]}, from {boot.device}"
        booting = _booting(machine, boot, boot_files, number, plan.log.channel, build)
        with step(words), _watching(booting, phase, listener, build) as domain:
            start_s = RealClock().monotonic()
            lines += _wait_boot(plan, boot, words, domain, listener, access.nonce, build)
            seconds = RealClock().monotonic() - start_s
            if number == len(plan.boots):
                _demand_marker(read_marks(lines), access, machine.name, boot, seconds)
        durations.keep_duration(build.config.data_dir / "cache", _duration_key(words, build), seconds)
    return read_marks(lines).host_keys


def _wait_boot(
    plan: InstallPlan, boot: Boot, words: str, domain: Domain, listener: Listener, nonce: str, build: Build
) -> tuple[str, ...]:
    """The marker lines of one boot, during which its looks are recorded and shown."""
    expected_s = durations.read_duration(build.config.data_dir / "cache", _duration_key(words, build))
    start_s = RealClock().monotonic()

    def look(counters: Counters) -> None:
        build.recording.look(domain, counters)
        wait(words, RealClock().monotonic() - start_s, expected_s)

    def mark(line: str) -> None:
        # It has succeeded by its own word: what it says while it ends is no failure.
        if nonce in read_marks([line]).nonces:
            listener.is_over = True

    return waiting.wait_boot(
        domain,
        reboots=boot.reboots,
        limit_s=plan.limit_s,
        inactivity_s=build.config.inactivity_s or plan.inactivity_s,
        # What waits for an answer does so no slower under emulation.
        idle_s=build.config.inactivity_s or plan.inactivity_s / build.settings.limit_factor,
        enter_s=boot.enter_s,
        clock=RealClock(),
        ends=boot.ends,
        on_look=look,
        on_line=listener.hear,
        on_marker=mark,
    )


def _duration_key(words: str, build: Build) -> str:
    """Equal for what ought to take equally long on this host."""
    settings = build.settings
    return hashlib.sha256(f"{build.recording.plan} {settings.domain_type} {settings.cpus} {words}".encode()).hexdigest()


def _demand_marker(marks: Marks, access: Access, name: str, boot: Boot, seconds: float) -> None:
    if access.nonce in marks.nonces:
        return
    did = "powered off" if boot.ends == "power-off" else "restarted"
    said = "with a wrong marker" if marks.nonces else "without its marker"
    raise InstallError(f"{name}: the installer {did} after {seconds:.0f} s {said}: it did not finish")


def _booting(
    machine: Machine, boot: Boot, boot_files: BootFiles, number: int, channel: str | None, build: Build
) -> Machine:
    """The machine of one boot, with the medium in it and the sockets we listen on."""
    root = build.journal.root
    return replace(
        machine,
        cdroms=boot_files.cdroms,
        floppy=boot_files.floppy,
        kernel=boot_files.kernel if boot.device == "kernel" else None,
        boot_device="hd" if boot.device == "kernel" else boot.device,
        console_socket=root / f"console{number}",
        marker_socket=root / f"marker{number}",
        vnc_socket=root / f"vnc{number}",
        log_channel=channel,
        log_socket=root / f"log{number}" if channel else None,
    )


@contextmanager
def _watching(machine: Machine, phase: str, listener: Listener, build: Build) -> Iterator[Domain]:
    """The machine, running. An InstallError gets what the installer had warned of, the phase, the screen and the
    console's last lines added.

    Where it failed for want of room on this host, it is a HostError.
    """
    logs = build.work / "oz" / "logs"
    make_directory(logs)
    console_log = logs / "console.log"
    build.recording.begin_boot(machine)
    domain = build.hypervisor().start(machine, console_log=console_log, installer_log=logs / "installer.log")
    try:
        has_screen = machine.vnc_socket is not None and machine.vnc_socket.exists()
        note(f"watch it: tail -f {logs}/*" + (f", or vncviewer {machine.vnc_socket}" if has_screen else ""))
        yield domain
    except InstallError as error:
        if disk.is_full(build.work):
            raise HostError(
                f"{error.message}\nthe file system of {build.work.parent} is full",
                hint="free some space, or set output_dir in oz.cfg to a place on another file system",
            ) from error
        for cause, line in listener.warnings.items():
            error.message += f"\nbefore that, {cause}: {line!r}"
        error.message += f"\nphase: {phase}\n{describe_screen(domain, build)}"
        where = (
            "read oz/logs in what is kept"
            if build.options.keep_failed
            else "the screenshot may tell; with --keep-failed, the disk is kept as well"
        )
        error.hint = f"{error.hint}\n  {where}" if error.hint else where
        if build.options.keep_failed and build.options.is_attended:
            _show_failed(domain, machine, error)
        raise
    finally:
        domain.destroy()


def _show_failed(domain: Domain, machine: Machine, error: InstallError) -> None:
    """Let the guest go on until Enter or Ctrl-C is pressed, or until it ends by itself."""
    note(error.message)
    screen = f"vncviewer {machine.vnc_socket} shows it; " if machine.vnc_socket and machine.vnc_socket.exists() else ""
    note(f"it has failed, and is left running: {screen}press Enter to end it")
    with suppress(KeyboardInterrupt):
        while not select.select([sys.stdin], [], [], 0)[0]:
            event = domain.next_event(_KEY_PRESS_S)
            if event and event.kind in waiting.ENDS:
                return
        sys.stdin.readline()


def _publish(machine: Machine, access: Access, names: Names, build: Build, seconds: float) -> Installed:
    """Give the finished build its names, all or, if we are killed, by the next command."""
    beside = build.work / "oz"
    assert machine.disk is not None
    drive = machine.disk
    if build.settings.image_format not in ("raw", "qcow2"):
        converted = build.work / "converted"
        with step(f"Convert the disk to {build.settings.image_format}"):
            disk.convert(drive, converted, build.settings.image_format)
        drive = Drive(path=converted, format=build.settings.image_format)
    access_files.save(access, beside)
    final = Drive(path=names.disk, format=drive.format)
    nvram = names.directory / "vars.fd" if machine.nvram else None
    described = replace(machine, disk=final, nvram=nvram, disk_cache="writeback")
    # -x may name another file system, where nothing can be renamed to from here.
    xml = names.xml.with_name(f".{names.xml.name}.{build.journal.root.name}")
    build.journal.will_make(xml)
    xml.write_text(domain_xml(described, persistent=True), encoding="utf-8")
    build.journal.publish([(beside, names.directory), (drive.path, names.disk), (xml, names.xml)])
    build.recording.image = final
    return Installed(machine=described, xml=names.xml, directory=names.directory, seconds=seconds)


def _publish_media(
    boot_files: BootFiles, plan: InstallPlan, access: Access, names: Names, build: Build, seconds: float
) -> Installed:
    """Keep the edited medium, or kernel and initrd, and the access of the system it will install."""
    beside = build.work / "oz"
    access_files.save(access, beside)
    if boot_files.medium:
        final = names.medium
        moves = [(beside, names.directory), (boot_files.medium.path, final)]
    else:
        keep_beside(boot_files, build)
        final = names.directory / "initrd"
        moves = [(beside, names.directory)]
    build.journal.publish(moves)
    kept = replace(_plan_machine(plan, build), disk=Drive(path=final))
    return Installed(machine=kept, xml=names.xml, directory=names.directory, seconds=seconds)
