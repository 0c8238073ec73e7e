"""One life of a domain, from its start to the end of its QEMU. libvirt's objects are handed in."""

import contextlib
import os
import queue
import re
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from lxml import etree

from oz.errors import GuestError, HostError
from oz.host.hypervisor.serial import Ports
from oz.host.processes import Lifeline, await_end, kill, open_process
from oz.model import Machine
from oz.protocols import Counters, DomainEvent

_END_LIMIT_S = 60.0  # how long QEMU may take to write its caches after a power-off
_KILL_LIMIT_S = 15.0
_LINES_WAITING_MAX = 10_000  # of a guest that says more than anybody reads, the rest is in its logs alone
_KEY_ENTER = 28  # linux/input-event-codes.h
_KEY_HOLD_MS = 50
_ARP = Path("/proc/net/arp")
# SeaBIOS, started by a reset, resets once more by every means it knows: two to four events within 0.2 s.
_REBOOT_BURST_S = 2.0

_HINTS = (
    (r"driver available for network",
     "install libvirt's network driver (Debian: libvirt-daemon-driver-network), or leave network_name empty"),
    (r"connection driver|no driver|Failed to find module|unsupported(?! configuration)|not supported.*embed",
     "install libvirt's QEMU driver (Debian: libvirt-daemon-driver-qemu; Fedora: libvirt-daemon-driver-qemu)"),
    (r"bridge helper",
     "for an ordinary user, root must allow the bridge in /etc/qemu/bridge.conf and make qemu-bridge-helper setuid; "
     "or leave bridge_name empty"),
    (r"virtnetworkd",
     "network_name is a network of libvirt's daemon: is it running? Or leave network_name empty"),
    (r"interface MTU|[Nn]etwork not found|[Nn]etwork .* is not active|bridge",
     "set bridge_name or network_name in oz.cfg to one that is up (ip link; virsh net-list), or leave both empty"),
    (r"parse user|parse group",
     "as root, libvirt wants that system user and group: useradd --system --user-group NAME (or do not run as root)"),
    (r"[Ee]mulator|binary for arch|unknown OS type|could not get preferred machine|capabilities for",
     "install QEMU for that architecture (Debian: qemu-system-x86, qemu-system-arm ...)"),
    (r"firmware", "install the UEFI firmware (Debian: ovmf, qemu-efi-aarch64), or choose BIOS"),
    (r"KVM|kvm", "is this user in the group that may use /dev/kvm? Or set type = qemu in oz.cfg"),
    (r"authenti|[Pp]ermission denied|polkit",
     "may this user use it? Perhaps the group libvirt is missing; or set uri = auto"),
    (r"connect socket|[Cc]annot recv|Connection refused|No such file or directory",
     "is its daemon running? uri = auto needs none"),
    (r"No space left", "free some space, or set output_dir elsewhere"),
)  # fmt: skip


def explain(doing: str, error: Exception) -> HostError:
    """libvirt's error in a sentence with what was being done, and what may help."""
    message = str(error).strip()
    hint = next((hint for pattern, hint in _HINTS if re.search(pattern, message)), None)
    return HostError(f"{doing}: {message}", hint=hint)


class RunningDomain:
    """model.Domain: a domain of this connection, with its serial ports and, embedded, its QEMU process."""

    def __init__(
        self, machine: Machine, *, libvirt: Any, libvirt_qemu: Any, connection: Any, forget: Callable[[str], None]
    ) -> None:
        self._machine = machine
        self._libvirt = libvirt
        self._libvirt_qemu = libvirt_qemu
        self._connection = connection
        self._forget = forget
        self._events: queue.SimpleQueue[DomainEvent] = queue.SimpleQueue()
        self._early: list[DomainEvent] = []
        self._lock = threading.Lock()
        self._handle: Any = None
        self._ports: Ports | None = None
        self._pidfd: int | None = None
        self._reaper: threading.Thread | None = None
        self._gone = threading.Event()
        self._end: str | None = None
        self._rebooted_at = -_REBOOT_BURST_S
        self._counters = Counters(disk_requests=0, network_bytes=0)

    @property
    def name(self) -> str:
        return self._machine.name

    def attach(
        self, handle: Any, *, pid: int | None, console_log: Path | None, installer_log: Path | None = None
    ) -> None:
        """Take over a domain that was started paused: its process first, then its ports."""
        self._handle = handle
        self._pidfd = open_process(pid) if pid else None
        if pid and self._pidfd is not None:
            reaper = threading.Thread(target=self._reap, args=(self._pidfd, Lifeline(pid)), daemon=True)
            reaper.start()
            # Only now: a signal may end this at any line, and a thread that never ran would be waited for in vain.
            self._reaper = reaper
        console = _open_port(self._machine.console_socket)
        try:
            marker = _open_port(self._machine.marker_socket)
            channel = _open_port(self._machine.log_socket)
            ports = Ports(
                console=console,
                marker=marker,
                channel=channel,
                console_log=console_log,
                installer_log=installer_log,
                deliver=self._deliver,
            )
        except OSError as error:
            raise HostError(f"{error.filename or console_log}: {error.strerror}") from error
        with self._lock:
            self._ports = ports
            for event in self._early:
                ports.post(event)

    def _reap(self, pidfd: int, lifeline: Lifeline) -> None:
        # libvirt, which waits for pid 1 to do this, tells of the end up to 2 s later if we do not.
        await_end(pidfd)
        lifeline.disarm()
        self._gone.set()

    def _deliver(self, event: DomainEvent) -> None:
        if event.kind not in ("console", "log") or self._events.qsize() < _LINES_WAITING_MAX:
            self._events.put(event)

    def post(self, event: DomainEvent) -> None:
        """Called by libvirt's event loop."""
        with self._lock:
            if self._ports:
                self._ports.post(event)
            else:
                self._early.append(event)

    def post_reboot(self) -> None:
        now = time.monotonic()
        if now - self._rebooted_at >= _REBOOT_BURST_S:
            self._rebooted_at = now
            self.post(DomainEvent(kind="reboot"))

    def post_end(self, kind: Literal["power-off", "stopped", "crash"], text: str = "") -> None:
        """The first end is the one that counts: every other is followed by "stopped"."""
        if self._end is None:
            self._end = kind
            self.post(DomainEvent(kind=kind, text=text))

    def stopped(self) -> None:
        """libvirt has seen the end of QEMU."""
        if self._pidfd is None:
            self._gone.set()

    def next_event(self, timeout_s: float) -> DomainEvent | None:
        try:
            return self._events.get(timeout=max(timeout_s, 0))
        except queue.Empty:
            return None

    def counters(self) -> Counters:
        """The last known ones once the domain has ended."""
        libvirt = self._libvirt
        kinds = libvirt.VIR_DOMAIN_STATS_BLOCK | libvirt.VIR_DOMAIN_STATS_INTERFACE | libvirt.VIR_DOMAIN_STATS_VCPU
        try:
            [(_, statistics)] = self._connection.domainListGetStats([self._handle], kinds)
        except (libvirt.libvirtError, ValueError):
            return self._counters

        def total(pattern: str) -> int:
            return sum(int(value) for key, value in statistics.items() if re.fullmatch(pattern, key))

        self._counters = Counters(
            disk_requests=total(r"block\.\d+\.(rd|wr)\.reqs"),
            network_bytes=total(r"net\.\d+\.[rt]x\.bytes"),
            # of QEMU's threads, in nanoseconds: there without cgroups as well
            cpu_s=total(r"vcpu\.\d+\.time") / 1e9,
            # from schedstat of their threads
            delay_s=total(r"vcpu\.\d+\.delay") / 1e9,
        )
        return self._counters

    def console_tail(self, lines: int) -> str:
        return self._ports.console.tail(lines) if self._ports else ""

    def screenshot(self, stem: Path) -> Path | None:
        pieces: list[bytes] = []
        try:
            stream = self._connection.newStream()
            mime = str(self._handle.screenshot(stream, 0))
            stream.recvAll(lambda _stream, data, _opaque: pieces.append(data), None)
            stream.finish()
        except self._libvirt.libvirtError:
            return None
        suffix = ".png" if mime == "image/png" else ".ppm"
        path = stem.with_name(stem.name + suffix)
        try:
            path.write_bytes(b"".join(pieces))
        except OSError:
            return None
        return path

    def ssh_address(self, timeout_s: float) -> tuple[str, int]:
        if self._machine.network.kind == "user":
            return "127.0.0.1", self._forwarded_port()
        return self._leased_address(timeout_s), 22

    def _monitor(self, command: str) -> str:
        mode = self._libvirt_qemu.VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP
        try:
            return str(self._libvirt_qemu.qemuMonitorCommand(self._handle, command, mode))
        except self._libvirt.libvirtError as error:
            raise explain(f"{self.name}: QEMU does not answer", error) from error

    def _forwarded_port(self) -> int:
        """The port on our loopback that leads to the guest's port 22; made on the first call."""
        try:
            xml = etree.fromstring(str(self._handle.XMLDesc()).encode())
        except self._libvirt.libvirtError as error:
            raise explain(f"{self.name} has no network any more", error) from error
        alias = xml.find("devices/interface[@type='user']/alias")
        if alias is None:
            raise HostError(f"{self.name}: no user network interface")
        network = f"host{alias.get('name')}"
        port = _port_to_ssh(self._monitor("info usernet"), network)
        if port is None:
            said = self._monitor(f"hostfwd_add {network} tcp:127.0.0.1:0-:22").strip()
            port = _port_to_ssh(self._monitor("info usernet"), network)
            if port is None:
                raise HostError(f"{self.name}: QEMU forwards no port to the guest: {said or 'it does not say why'}")
        return port

    def _leased_address(self, timeout_s: float) -> str:
        """The IPv4 address of our MAC, from libvirt's leases, else the host's ARP table."""
        deadline = time.monotonic() + timeout_s
        while True:
            found = self._leased() or arp_address(_ARP.read_text(), self._machine.mac)
            if found:
                return found
            # Nothing tells when a lease is given; but the end of the domain ends this wait.
            if self._gone.wait(min(1.0, max(0.0, deadline - time.monotonic()))):
                raise GuestError(f"{self.name} ended before it had an address")
            if time.monotonic() >= deadline:
                raise GuestError(
                    f"{self.name}: no address for {self._machine.mac} after {timeout_s:.0f} s",
                    hint=f"does DHCP answer on the {self._machine.network.kind} {self._machine.network.source}?",
                )

    def _leased(self) -> str | None:
        # libvirt's own look into the ARP table fails on hosts of today: "wrong nlmsg len" (9.0 on Linux 6).
        source = self._libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE
        try:
            return _address(self._handle.interfaceAddresses(source, 0), self._machine.mac)
        except self._libvirt.libvirtError:
            return None

    def press_enter(self) -> None:
        codes = self._libvirt.VIR_KEYCODE_SET_LINUX
        with contextlib.suppress(self._libvirt.libvirtError):
            self._handle.sendKey(codes, _KEY_HOLD_MS, [_KEY_ENTER], 1, 0)

    def request_power_off(self) -> None:
        with contextlib.suppress(self._libvirt.libvirtError):
            self._handle.shutdownFlags(self._libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN)

    def destroy(self) -> None:
        if self._handle is not None:
            if self._end == "power-off" and (self._reaper or self._pidfd is None):
                # Killed before it has written its caches, QEMU would leave a damaged qcow2 image.
                self._gone.wait(_END_LIMIT_S)
            with contextlib.suppress(self._libvirt.libvirtError):
                self._handle.destroy()
            if self._pidfd is not None and not (self._reaper and self._gone.wait(_KILL_LIMIT_S)):
                kill(self._pidfd)
                await_end(self._pidfd, _KILL_LIMIT_S)
        if self._reaper:
            self._reaper.join()
        if self._ports:
            self._ports.close()
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None
            self._reaper = None
        self._forget(self._machine.uuid)


def _open_port(path: Path | None) -> socket.socket | None:
    if path is None:
        return None
    port = socket.socket(socket.AF_UNIX)
    try:
        port.connect(str(path))
    except OSError as error:
        port.close()
        raise HostError(
            f"{path}: cannot connect to the guest's serial port: {error.strerror}",
            hint="does QEMU run as another user? Then run as root, or set uri = auto",
        ) from error
    return port


def _port_to_ssh(usernet: str, network: str) -> int | None:
    """From QEMU's `info usernet`: blocks begin with "Hub -1 (NAME):" or "NAME:", and a forward is a line
    TCP[HOST_FORWARD] FD SOURCE PORT DESTINATION PORT ..."""
    is_ours = False
    for line in usernet.splitlines():
        if re.search(r"\(\S+\):\s*$|^\S+:\s*$", line):
            is_ours = re.search(rf"\b{re.escape(network)}\b", line) is not None
        match = re.match(r"\s*TCP\[HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)\s+\S+\s+22\s", line)
        if is_ours and match:
            return int(match[1])
    return None


def _address(interfaces: dict[str, Any], mac: str) -> str | None:
    for interface in interfaces.values():
        if str(interface.get("hwaddr", "")).lower() == mac.lower():
            for address in interface.get("addrs") or ():
                if ":" not in address["addr"]:
                    return str(address["addr"])
    return None


def arp_address(table: str, mac: str) -> str | None:
    """From /proc/net/arp (proc(5)): a header, then address, hardware type, flags (0x2: complete), MAC, mask, device."""
    for line in table.splitlines()[1:]:
        address, _, flags, found, *_ = line.split()
        if found.lower() == mac.lower() and int(flags, 16) & 0x2:
            return address
    return None
