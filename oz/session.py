"""A booted image with a root shell in it: what customizing and listing packages share."""

import shutil
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from oz import domain as domain_xml
from oz.build import Build, Options, image_name, random_mac
from oz.errors import (
    GuestError,
    HostError,
    HostKeyError,
    NotReadyError,
    OzError,
    UnresponsiveError,
    UsageError,
)
from oz.guests.base import Guest
from oz.host import access, disk, ssh, waiting
from oz.model import Access, Drive, Machine, Settings, Tdl
from oz.progress import note, step
from oz.protocols import Domain, RealClock, Shell
from oz.units import GIB, MIB

BOOT_BYTES = 256 * MIB
"""What a session needs on the host that looks at a guest: logs, caches, and whatever else a boot writes."""
CHANGE_BYTES = GIB
"""What one needs that changes it, at the least: lists of packages and a few of them, 0.4 GiB, in the overlay and once
more when that is written into the image."""
_HEAD_BYTES = 6 * MIB
"""Enough to hold any domain XML that is accepted, and one too large to be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An installed system to work on, and what may open it."""

    machine: Machine
    disk: Drive
    directory: Path
    """NAME.oz beside the disk; need not exist for an image from elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A running guest. Everything it writes goes to `overlay`, until that is committed."""

    domain: Domain
    shell: Shell
    overlay: Path
    nvram: Path | None
    watch: waiting.EndWatch


def find_image(path: Path, tdl: Tdl, guest: Guest, settings: Settings) -> Image:
    """The image a user names by its libvirt XML or by the disk itself.

    Raises UsageError where there is none, HostError where it cannot be read.
    """
    try:
        _check_kind(path, path.stat().st_mode)
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror}", hint="name a libvirt domain XML or a disk image"
        ) from error
    if head.lstrip()[:1] == b"<":
        machine = domain_xml.machine_from_xml(head, str(path))
        if machine.disk is None:
            raise UsageError(f"{path} names no disk", hint="name an XML with a <disk type='file' device='disk'>")
        found = machine.disk
        _check_named(found, path)
    else:
        found = Drive(path=path.resolve(), format=disk.detect_format(path))
        machine = Machine(
            name=tdl.name,
            uuid=str(uuid.uuid4()),
            mac=settings.mac or random_mac(),
            domain_type=settings.domain_type,
            cpus=settings.cpus,
            hardware=guest.plan_hardware(tdl, settings),
            network=settings.network,
            rng=settings.rng,
            disk=found,
        )
    directory = found.path.with_name(f"{image_name(found.path)}.oz")
    nvram = directory / "vars.fd"
    if _is_file(nvram):
        hardware = replace(machine.hardware, firmware="efi")
        machine = replace(machine, hardware=hardware, nvram=nvram)
    return Image(machine=machine, disk=found, directory=directory)


def _check_kind(path: Path, mode: int) -> None:
    if stat.S_ISBLK(mode):
        raise UsageError(
            f"{path} is a block device: its overlay, its lock and its keys would lie beside it",
            hint=f"work on a copy: qemu-img convert -O qcow2 {path} NAME.qcow2",
        )
    if not stat.S_ISREG(mode):
        raise UsageError(f"{path} is not a file", hint="name a libvirt domain XML or a disk image")


def _check_named(drive: Drive, xml: Path) -> None:
    """That the disk in an XML is there, and what it is called: a raw disk is never looked into, for its guest may have
    written anything there; any other is refused if it names files of this host."""
    try:
        _check_kind(drive.path, drive.path.stat().st_mode)
    except FileNotFoundError:
        raise UsageError(
            f"the disk {drive.path} that {xml} names is not there", hint="mend its <source file>"
        ) from None
    except OSError as error:
        raise HostError(f"the disk {drive.path} that {xml} names: {error.strerror}", hint="run as its owner") from error
    if drive.format == "raw":
        return
    found = disk.detect_format(drive.path)
    # The header of a VHD of fixed size is at its end.
    if found != drive.format and (found, drive.format) != ("raw", "vpc"):
        raise UsageError(
            f"{drive.path} is a {found} image, but {xml} calls it {drive.format}", hint="mend its <driver type>"
        )


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as error:
        raise HostError(f"{path}: {error.strerror}", hint="run as the user whose image it is") from error


@contextmanager
def open_session(image: Image, build: Build, *, room_bytes: int = BOOT_BYTES) -> Iterator[Session]:
    """Boot the image on an overlay and log in; the image itself is not written.

    The guest is ended when the block ends. Raises GuestError where it does not come up, refuses every credential, or
    ends meanwhile; HostError also where this host has, or gets, too little room.
    """
    keys = _credentials(image, build.tdl, build.options)
    size_bytes = disk.info(image.disk.path, format=image.disk.format).virtual_bytes
    disk.check_space(build.work, min(room_bytes, 2 * size_bytes), f"a session in {image.disk.path.name}")
    overlay = build.work / "session.qcow2"
    overlay.unlink(missing_ok=True)
    disk.overlay(overlay, image.disk)
    nvram = _copy_nvram(image, build)
    root = build.journal.root
    machine = replace(
        image.machine,
        mac=build.options.mac or image.machine.mac,
        domain_type=build.settings.domain_type,
        network=build.settings.network,
        disk=Drive(path=overlay, format="qcow2"),
        nvram=nvram,
        console_socket=root / "console",
        marker_socket=root / "marker",
        vnc_socket=root / "vnc",
    )
    console_log = build.work / "console.log"
    build.recording.begin_boot(machine)
    with step(f"Boot {image.disk.path.name}"):
        domain = build.hypervisor().start(machine, console_log=console_log)
    try:
        with step("Wait for ssh"):
            limit_s = (build.config.boot_s or build.guest.boot_timeout_s) * build.settings.limit_factor
            try:
                shell = waiting.wait_ssh(
                    domain,
                    lambda host, port: _log_in(host, port, keys, build.guest),
                    limit_s=limit_s,
                    clock=RealClock(),
                )
            except GuestError as error:
                raise _explain(error, domain, build) from error
        watch = waiting.EndWatch(domain, shell)
        try:
            if machine.domain_type == "qemu" and build.guest.emulated_session_command:
                shell.run(build.guest.emulated_session_command.encode(), label="preparing for emulation")
            yield Session(domain=domain, shell=shell, overlay=overlay, nvram=nvram, watch=watch)
        except GuestError as error:
            end = watch.stop()
            if end:
                error.message = f"{domain.name}: {waiting.describe_event(end)}\n{error.message}"
            if end or isinstance(error, UnresponsiveError) or disk.is_full(build.work):
                raise _explain(error, domain, build) from error
            raise
        finally:
            watch.stop()
            shell.close()
    finally:
        domain.destroy()


def _copy_nvram(image: Image, build: Build) -> Path | None:
    """The session's own firmware variables; where the image's are missing, libvirt makes new ones of that name."""
    if image.machine.nvram is None:
        return None
    copy = build.work / "session-vars.fd"
    try:
        shutil.copyfile(image.machine.nvram, copy)
    except FileNotFoundError:
        note(f"{image.machine.nvram} is not there: the firmware begins with its defaults")
    except OSError as error:
        raise HostError(
            f"the firmware's variables {image.machine.nvram} cannot be copied: {error.strerror or error}",
            hint="run as their owner, or mend <nvram> in the XML",
        ) from error
    return copy


def _explain(error: GuestError, domain: Domain, build: Build) -> OzError:
    """A failure of the guest with its screen; where this host has no room left, that is the failure."""
    if disk.is_full(build.work):
        return HostError(
            f"{error.message}\nthe file system of {build.work.parent} is full",
            hint="free some space; the image is as it was before",
        )
    error.message = f"{error.message}\n{describe_screen(domain, build)}"
    return error


def command_limit_s(build: Build) -> float:
    """How long one command in the guest may run."""
    return build.config.command_s * build.settings.limit_factor


def power_off(session: Session, build: Build, *, is_sealed: bool = False) -> None:
    """Shut the guest down, in order or as a sealed one must be. Raises GuestError if it does not go in time."""
    command = build.guest.sealed_power_off_command if is_sealed else build.guest.power_off_command
    limit_s = max(build.config.shutdown_s, build.guest.power_off_limit_s) * build.settings.limit_factor
    with step("Power off"):
        # From here on its end is wanted.
        end = session.watch.stop()
        if end and end.kind == "power-off":
            return
        if end:
            raise GuestError(f"{session.domain.name} was to power off")
        try:
            session.shell.run(
                command.encode(),
                timeout_s=limit_s,
                label="powering off",
            )
        except GuestError:
            note("the connection ended with the guest")
        clock = RealClock()
        if waiting.wait_off(session.domain, limit_s=limit_s / 2, clock=clock):
            return
        session.domain.request_power_off()
        if not waiting.wait_off(session.domain, limit_s=limit_s / 2, clock=clock):
            raise UnresponsiveError(
                f"the guest did not power off within {limit_s:.0f} s; the image is as it was before",
                hint="look at its console, or raise [timeouts] shutdown in oz.cfg",
            )


def describe_screen(domain: Domain, build: Build) -> str:
    """What the guest shows, for an error message: a saved screenshot and the console's last lines."""
    lines = []
    build.recording.take_picture(domain)
    try:
        build.config.screenshot_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        picture = domain.screenshot(build.config.screenshot_dir / f"{build.tdl.name}-{uuid.uuid4().hex[:8]}")
        if picture:
            lines.append(f"screenshot: {picture}")
    except (HostError, OSError) as error:
        lines.append(f"no screenshot: {error}")
    tail = domain.console_tail(12)
    if tail.strip():
        lines.append("last lines of the console:")
        lines += [f"  | {line}" for line in tail.splitlines()]
    return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class _PrivateKey:
    text: str = field(repr=False)


def _read_key(path: Path) -> _PrivateKey:
    try:
        return _PrivateKey(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the ssh key {path} cannot be read: {error}", hint="name a private key file") from error


def _credentials(image: Image, tdl: Tdl, options: Options) -> list[Access | str | _PrivateKey]:
    keys: list[Access | str | _PrivateKey] = []
    own = access.load(image.directory)
    if own is not None:
        keys.append(own)
    if options.ssh_key:
        keys.append(_read_key(options.ssh_key))
    if tdl.rootpw:
        keys.append(tdl.rootpw)
    if not keys:
        raise UsageError(
            f"nothing opens {image.disk.path}: {image.directory} holds no key",
            hint="give --ssh-key FILE, or <rootpw> in the template",
        )
    return keys


def _log_in(host: str, port: int, keys: list[Access | str | _PrivateKey], guest: Guest) -> Shell:
    """The first credential that is taken, in order. Each is for the image's own guest alone: whoever has not its host
    key gets none. Raises NotReadyError and HostKeyError at once, else the last refusal.
    """
    refusal: GuestError | None = None
    pinned = next((key.host_keys for key in keys if isinstance(key, Access)), ())
    for key in keys:
        private_key: str | None = None
        password: str | None = None
        if isinstance(key, Access):
            private_key = key.private_key
            # sshd of 2000 takes no RSA key.
            password = key.root_password if guest.is_legacy_ssh else None
        elif isinstance(key, _PrivateKey):
            private_key = key.text
        else:
            password = key
        try:
            return ssh.connect(
                host,
                port,
                private_key=private_key,
                password=password,
                host_keys=pinned,
                legacy=guest.is_legacy_ssh,
                user=guest.user,
                language=guest.language,
            )
        except (NotReadyError, HostKeyError):
            raise
        except GuestError as error:
            refusal = error
    assert refusal is not None
    raise refusal
