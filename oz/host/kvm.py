"""Whether hardware virtualization works here, and is worth having. /dev/kvm that exists and opens may still lie:
inside some virtual machines it runs a guest over 40 times slower than software does.
"""

import contextlib
import json
import logging
import os
import platform
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

_log = logging.getLogger(__name__)
_DEVICE = Path("/dev/kvm")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_LIMIT_S = 3.0
_CPU = "host"
"""As the domains have it: inside some virtual machines it is the host's own processor that does not start."""
_STATUS = 85  # isa-debug-exit makes of a byte N the status 2N + 1

# A boot sector that counts down from 100 million in protected mode, which takes QEMU's software emulation 0.3 s, then
# ends QEMU through isa-debug-exit. GNU as, .code16, at 0x7c00:
#         cli; xorw %ax,%ax; movw %ax,%ds; lgdt gdtr; movl %cr0,%eax; orl $1,%eax; movl %eax,%cr0; ljmpl $8,$pm
# .code32
# pm:     movl $100000000,%ecx
# 1:      decl %ecx; jnz 1b; movb $0x2a,%al; outb %al,$0xf4; hlt
# .align 8 (0x30)
# gdt:    .quad 0, 0x00cf9a000000ffff
# gdtr:   .word 15; .long gdt
_CODE = bytes.fromhex("fa31c08ed80f0116407c0f20c06683c8010f22c066ea1c7c00000800b900e1f5054975fdb02ae6f4f4")
_TABLE = bytes.fromhex("0000000000000000ffff0000009acf000f00307c0000")
BOOT_SECTOR = (_CODE.ljust(0x30, b"\0") + _TABLE).ljust(510, b"\0") + b"\x55\xaa"


def probe(cache_dir: Path) -> bool:
    """Whether KVM runs a guest within seconds. The answer is kept until the next boot, or another QEMU.

    Never fails: where it cannot be found out, the answer is no. The log says what was found.
    """
    try:
        works, found = _find_out(cache_dir)
    except OSError as error:
        works, found = False, f"cannot be tried: {error}"
    _log.info("%s %s", _DEVICE, found if works else f"{found}: emulating, which is some ten times slower")
    return works


def _find_out(cache_dir: Path) -> tuple[bool, str]:
    if not _DEVICE.exists():
        return False, "is missing"
    if not os.access(_DEVICE, os.R_OK | os.W_OK):
        return False, "may not be used by this user (see its group)"
    if platform.machine() != "x86_64":
        return True, "is there (it is tried on x86_64 alone)"
    emulator = shutil.which("qemu-system-x86_64") or shutil.which("qemu-kvm")
    if emulator is None:
        return False, "cannot be tried without qemu-system-x86_64"
    status = Path(emulator).stat()
    key = [_BOOT_ID.read_text().strip(), emulator, status.st_size, status.st_mtime_ns, _CPU]
    path = cache_dir / "kvm-probe.json"
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        known = json.loads(path.read_text())
        if known["key"] == key:
            works = bool(known["works"])
            return works, f"{'works' if works else 'is too slow or broken'}, as was found since the last boot"
    start = time.monotonic()
    works = run_sector(emulator, accelerator="kvm")
    took = f"{time.monotonic() - start:.1f} s"
    _keep(path, {"key": key, "works": works})
    return works, f"works: {took}" if works else f"is too slow or broken: its test did not end well in {took}"


def _keep(path: Path, answer: dict[str, object]) -> None:
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.{os.getpid()}")
        part.write_text(json.dumps(answer))
        part.replace(path)


def run_sector(emulator: str, *, accelerator: str) -> bool:
    """Whether the probe's boot sector came to its end in time. OSError if it cannot be written for QEMU to read."""
    cpu = _CPU if accelerator == "kvm" else "max"
    with tempfile.NamedTemporaryFile() as floppy:
        floppy.write(BOOT_SECTOR)
        floppy.flush()
        command = [
            emulator, "-accel", accelerator, "-cpu", cpu, "-m", "16",
            "-nodefaults", "-no-user-config", "-display", "none",
            "-drive", f"if=floppy,format=raw,readonly=on,file={floppy.name}",
            "-device", "isa-debug-exit,iobase=0xf4",
        ]  # fmt: skip
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_LIMIT_S, check=False, cwd="/"
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
    return done.returncode == _STATUS
