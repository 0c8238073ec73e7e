"""Virtual machines through libvirt, by default its QEMU driver embedded in this process.

The only importer of libvirt.
"""

import contextlib
import operator
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from lxml import etree

from oz.domain import domain_xml, libvirt_arch
from oz.errors import HostError
from oz.host.hypervisor.reach import give_back, let_in, owners_below
from oz.host.hypervisor.running import RunningDomain, explain
from oz.host.processes import adopting_orphans, await_end, guarding, kill, open_process
from oz.model import Drive, Hardware, Machine

_SOCKET_PATH_MAX = 107  # sun_path of unix(7), less its final NUL
_KILL_LIMIT_S = 15.0
_ROOT_MAX = 48  # leaves room for lib/qemu/domain-1-NAME/monitor.sock
_QEMU_CONF = """\
# Without stdio_handler libvirt starts a virtlogd, and leaves it behind.
stdio_handler = "file"
security_driver = "none"
namespaces = []
cgroup_controllers = []
remember_owner = 0
# Else a user's ISO would belong to root after a run as root.
dynamic_ownership = 0
"""
_QEMU_CONF_ROOT = 'user = "root"\ngroup = "root"\n'  # without it, starting a domain as root never returns

_embedded_root: Path | None = None
_event_loop: threading.Thread | None = None


def _import_libvirt() -> tuple[Any, Any]:
    """libvirt and its QEMU part, with the event loop running and its own error messages silenced."""
    global _event_loop
    try:
        import libvirt
        import libvirt_qemu
    except ImportError as error:
        raise HostError(f"libvirt's Python module is missing: {error}", hint="pip install libvirt-python") from error
    if _event_loop is None:
        # Not a function of Python's: a signal's exception, raised in one, would end libvirt's call as a SystemError.
        libvirt.registerErrorHandler(operator.is_, None)
        libvirt.virEventRegisterDefaultImpl()

        def run() -> None:
            while True:
                libvirt.virEventRunDefaultImpl()

        _event_loop = threading.Thread(target=run, name="oz-libvirt", daemon=True)
        _event_loop.start()
    return libvirt, libvirt_qemu


def _prepare_root(root: Path, cache_dir: Path) -> None:
    """Lay out what the embedded driver reads; the environment must be set before libvirt is imported."""
    global _embedded_root
    if _embedded_root not in (None, root):
        raise HostError(
            f"{root}: this process already runs virtual machines under {_embedded_root}",
            hint="libvirt's embedded driver has one directory per process; use another process",
        )
    if len(os.fsencode(root)) > _ROOT_MAX:
        raise HostError(f"{root}: too long; the sockets under it would have more than {_SOCKET_PATH_MAX} bytes")
    try:
        for directory in (root, root / "etc", cache_dir):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        (root / "etc/qemu.conf").write_text(_QEMU_CONF + (_QEMU_CONF_ROOT if os.geteuid() == 0 else ""))
        if not (root / "cache").exists():
            # What QEMU can do takes 4 s to find out, and 0.2 s to read.
            (root / "cache").symlink_to(cache_dir.resolve())
    except OSError as error:
        raise HostError(f"{error.filename}: {error.strerror}", hint="its directory must be writable") from error
    os.environ["LIBVIRT_LOG_OUTPUTS"] = f"3:file:{root}/libvirt.log"
    os.environ["XDG_CACHE_HOME"] = str(root / "xdg")
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and not os.access(runtime, os.W_OK | os.X_OK):
        # That of another user, as su and some sudo leave it: libvirt would take it and fail.
        os.environ["XDG_RUNTIME_DIR"] = str(root / "xdg")
    _embedded_root = root


@contextmanager
def connect(uri: str, *, root: Path, cache_dir: Path, own: tuple[Path, ...] = ()) -> Iterator["LibvirtHypervisor"]:
    """A connection; when it closes, every domain started through it has ended.

    uri: "auto" is the embedded driver, whose files are under `root` (short, private, one per process);
    else one of this host's libvirt daemons. `cache_dir` keeps, between runs, what QEMU was found able to do.
    `own` are directories of Oz itself, which a daemon's QEMU may be let into. Raises HostError.
    """
    is_embedded = uri == "auto"
    if is_embedded:
        _prepare_root(root, cache_dir)
        uri = f"qemu:///embed?root={quote(str(root))}"
    elif urlsplit(uri).netloc:
        raise HostError(f"{uri}: a hypervisor on another host", hint="disks and sockets must be on this one")
    libvirt, libvirt_qemu = _import_libvirt()
    # Not for the start of a domain alone: what QEMU can do is asked of others, whenever it is not known yet.
    with guarding(root) if is_embedded else contextlib.nullcontext():
        try:
            connection = libvirt.open(uri)
        except libvirt.libvirtError as error:
            raise explain(f"cannot connect to {uri}", error) from error
        hypervisor = LibvirtHypervisor(
            connection, libvirt=libvirt, libvirt_qemu=libvirt_qemu, embedded_root=root if is_embedded else None, own=own
        )
        try:
            hypervisor.check_driver()
            yield hypervisor
        finally:
            hypervisor.close()


class LibvirtHypervisor:
    """model.Hypervisor on one libvirt connection."""

    def __init__(
        self,
        connection: Any,
        *,
        libvirt: Any,
        libvirt_qemu: Any,
        embedded_root: Path | None,
        own: tuple[Path, ...] = (),
    ) -> None:
        self._connection = connection
        self._libvirt = libvirt
        self._libvirt_qemu = libvirt_qemu
        self._root = embedded_root
        self._own = own
        self._domains: dict[str, RunningDomain] = {}
        self._owners: dict[str, dict[Path, tuple[int, int]]] = {}
        self._emulator_user: tuple[int, int] | None = None
        self._gives_files_away = False
        if not embedded_root:
            self._ask_security()
        register = connection.domainEventRegisterAny
        self._callbacks = [
            register(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, self._on_lifecycle, None),
            register(None, libvirt.VIR_DOMAIN_EVENT_ID_REBOOT, self._on_reboot, None),
            register(None, libvirt.VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON, self._on_io_error, None),
        ]

    @property
    def uri(self) -> str:
        """Where this connection leads, for virsh and its like."""
        return str(self._connection.getURI())

    def check_driver(self) -> None:
        """Refuse other hypervisors than QEMU, and, where we are not root, one that gives QEMU to another user."""
        kind = str(self._connection.getType())
        if kind != "QEMU":
            raise HostError(f"{self.uri}: its hypervisor is {kind}, not QEMU", hint="set uri = auto in oz.cfg")
        if self._emulator_user and os.geteuid() != 0:
            raise HostError(
                f"{self.uri}: QEMU runs there as uid {self._emulator_user[0]}, whose serial ports only root could open",
                hint="in oz.cfg, set uri = auto or uri = qemu:///session; or run as root",
            )

    def check_name(self, name: str, uuid: str | None = None) -> None:
        """Refuse the name of a domain that a daemon has. The one with `uuid` may be defined, but not running."""
        if self._root:
            return
        try:
            found = self._connection.lookupByName(name)
            is_running, found_uuid = found.isActive(), str(found.UUIDString())
        except self._libvirt.libvirtError:
            return
        if is_running:
            hint = f"end it first: virsh -c '{self.uri}' shutdown {name}"
            raise HostError(f"{self.uri} already runs a domain {name}", hint=hint)
        if found_uuid != uuid:
            hint = f"take another <name>, or: virsh -c '{self.uri}' undefine --keep-nvram {name}"
            raise HostError(f"{self.uri} already has a domain {name}", hint=hint)

    def close(self) -> None:
        for domain in list(self._domains.values()):
            domain.destroy()
        with contextlib.suppress(self._libvirt.libvirtError):
            for callback in self._callbacks:
                self._connection.domainEventDeregisterAny(callback)
            self._connection.close()

    def emulator_version(self) -> str:
        """Such as "QEMU 7.2.22". Raises HostError if no emulator is installed."""
        try:
            number, kind = int(self._connection.getVersion()), str(self._connection.getType())
        except self._libvirt.libvirtError as error:
            raise explain("cannot find QEMU", error) from error
        return f"{kind} {number // 1000000}.{number // 1000 % 1000}.{number % 1000}"

    def supports(self, arch: str, domain_type: str = "qemu") -> bool:
        """Whether an emulator for that architecture is installed, and does that type: kvm or qemu."""
        return self._capabilities(arch, None, domain_type) is not None

    def _capabilities(self, arch: str, machine_type: str | None, domain_type: str) -> etree._Element | None:
        try:
            text = self._connection.getDomainCapabilities(None, libvirt_arch(arch), machine_type, domain_type)
        except self._libvirt.libvirtError:
            return None
        return etree.fromstring(str(text).encode())

    def check_hardware(self, hardware: Hardware, domain_type: str) -> None:
        """Refuse a machine for which this host lacks an emulator of that type, or the firmware."""
        capabilities = self._capabilities(hardware.arch, hardware.machine_type, domain_type)
        if capabilities is None:
            raise HostError(
                f"no emulator of type {domain_type} for {hardware.arch}",
                hint="install QEMU for that architecture (Debian: qemu-system-x86, qemu-system-arm ...)"
                if domain_type != "kvm"
                else "set type = auto in oz.cfg: it takes KVM where that works",
            )
        firmwares = [value.text for value in capabilities.iterfind("os/enum[@name='firmware']/value")]
        if hardware.firmware == "efi" and "efi" not in firmwares:
            raise HostError(
                f"there is no UEFI firmware for {hardware.arch} ({hardware.machine_type})",
                hint="install it (Debian: ovmf, qemu-efi-aarch64), or choose BIOS",
            )

    def start(
        self, machine: Machine, *, console_log: Path | None = None, installer_log: Path | None = None
    ) -> RunningDomain:
        """Start a transient domain, its serial ports read from the first byte. The caller destroys it."""
        self._check_files(machine)
        self.check_name(machine.name, machine.uuid)
        if self._emulator_user:
            # Unlike the serial ports' sockets, which libvirt opens, this one is QEMU's own, and it may not make it.
            machine = replace(machine, vnc_socket=None)
        libvirt = self._libvirt
        flags = libvirt.VIR_DOMAIN_START_PAUSED
        if self._root is None:
            flags |= libvirt.VIR_DOMAIN_START_AUTODESTROY
        xml = domain_xml(machine, keeps_owners=self._gives_files_away)
        # This may take seconds, the first time, and leaves nothing for createXML to find out.
        self.check_hardware(machine.hardware, machine.domain_type)
        domain = RunningDomain(
            machine,
            libvirt=libvirt,
            libvirt_qemu=self._libvirt_qemu,
            connection=self._connection,
            forget=self._forget,
        )
        self._domains[machine.uuid] = domain
        if self._gives_files_away and machine.disk:
            self._owners[machine.uuid] = owners_below(machine.disk)
        try:
            with adopting_orphans() if self._root else contextlib.nullcontext():
                handle = self._connection.createXML(xml, flags)
            domain.attach(handle, pid=self._pid(machine.name), console_log=console_log, installer_log=installer_log)
            handle.resume()
        except libvirt.libvirtError as error:
            domain.destroy()
            raise explain(f"cannot start {machine.name}", error) from error
        except BaseException:
            domain.destroy()
            self._end_unattached(machine)
            raise
        return domain

    def _end_unattached(self, machine: Machine) -> None:
        """A signal that came while libvirt started a domain is seen once it runs, and we have no handle of it."""
        pid = self._pid(machine.name)
        pidfd = open_process(pid) if pid else None
        if pidfd is not None:
            # Adopted by us, it must be reaped by us: libvirt would wait a minute for it to vanish.
            kill(pidfd)
            await_end(pidfd, _KILL_LIMIT_S)
            os.close(pidfd)
        with contextlib.suppress(self._libvirt.libvirtError):
            self._connection.lookupByUUIDString(machine.uuid).destroy()

    def _forget(self, uuid: str) -> None:
        self._domains.pop(uuid, None)
        give_back(self._owners.pop(uuid, {}))

    def _pid(self, name: str) -> int | None:
        """QEMU's process, if it is a child of ours."""
        if self._root is None:
            return None
        try:
            return int((self._root / f"run/qemu/{name}.pid").read_text())
        except (OSError, ValueError):
            return None

    def _check_files(self, machine: Machine) -> None:
        """Refuse files that are missing or that QEMU could not reach: its own message comes late and says less."""
        for port in (machine.console_socket, machine.marker_socket, machine.log_socket, machine.vnc_socket):
            if port and len(os.fsencode(port)) > _SOCKET_PATH_MAX:
                raise HostError(f"{port}: too long for a socket, which has at most {_SOCKET_PATH_MAX} bytes")
        drives = [drive for drive in (machine.disk, *machine.cdroms, machine.floppy) if drive]
        if machine.kernel:
            drives += [Drive(path=path) for path in (machine.kernel.kernel, machine.kernel.initrd)]
        for drive in drives:
            if not os.access(drive.path, os.R_OK):
                raise HostError(f"{drive.path}: missing or not readable", hint="check the path and its permissions")
        if self._emulator_user:
            media = (*machine.cdroms, machine.floppy)
            for drive in (*drives, *([Drive(path=machine.nvram)] if machine.nvram else [])):
                let_in(drive, *self._emulator_user, own=self._own, may_read=drive in media)

    def _ask_security(self) -> None:
        """Learn whether this daemon gives QEMU and its files to another user; QEMU may be ourselves, or root."""
        try:
            capabilities = etree.fromstring(str(self._connection.getCapabilities()).encode())
        except self._libvirt.libvirtError as error:
            raise explain(f"{self.uri} does not say what it can do", error) from error
        for label in capabilities.iterfind("host/secmodel[model='dac']/baselabel"):
            self._gives_files_away = True
            match = re.fullmatch(r"\+?(\d+):\+?(\d+)", label.text or "")
            if match and int(match[1]) not in (0, os.geteuid()):
                self._emulator_user = int(match[1]), int(match[2])

    def _on_lifecycle(self, _connection: Any, handle: Any, event: int, detail: int, _opaque: Any) -> None:
        domain = self._domains.get(handle.UUIDString())
        libvirt = self._libvirt
        if domain is None:
            return
        if event == libvirt.VIR_DOMAIN_EVENT_SHUTDOWN and detail != libvirt.VIR_DOMAIN_EVENT_SHUTDOWN_HOST:
            domain.post_end("power-off")
        elif event == libvirt.VIR_DOMAIN_EVENT_CRASHED:
            domain.post_end("crash", "the guest's kernel panicked")
        elif event == libvirt.VIR_DOMAIN_EVENT_STOPPED:
            reasons = {
                libvirt.VIR_DOMAIN_EVENT_STOPPED_DESTROYED: "it was destroyed",
                libvirt.VIR_DOMAIN_EVENT_STOPPED_FAILED: "QEMU ended unexpectedly",
                libvirt.VIR_DOMAIN_EVENT_STOPPED_CRASHED: "QEMU crashed",
            }
            domain.post_end("stopped", reasons.get(detail, "QEMU was told to end"))
            domain.stopped()

    def _on_reboot(self, _connection: Any, handle: Any, _opaque: Any) -> None:
        domain = self._domains.get(handle.UUIDString())
        if domain:
            domain.post_reboot()

    def _on_io_error(
        self, _connection: Any, handle: Any, path: str, _alias: str, action: int, reason: str, _opaque: Any
    ) -> None:
        domain = self._domains.get(handle.UUIDString())
        if domain and action == self._libvirt.VIR_DOMAIN_EVENT_IO_ERROR_PAUSE:
            why = "no space left on this host" if reason == "enospc" else reason or "input/output error"
            domain.post_end("crash", f"{path} could not be written: {why}")
