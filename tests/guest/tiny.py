"""Guests of 512 bytes: boot sectors put together from a few machine instructions, for a PC of QEMU's.

Real mode, loaded at 0x7c00. The UART of QEMU works without being set up; PM1a of its ACPI chips is at 0x600
once SeaBIOS has run (q35 and pc alike); CMOS keeps its bytes over a reset.
"""

import struct
from pathlib import Path

COM1, COM2 = 0x3F8, 0x2F8
_ORIGIN = 0x7C00
_TEXT = 0x100  # where a sector keeps the bytes it sends

START = b"\xfa\x31\xc0\x8e\xd8\x8e\xc0\x8e\xd0\xbc\x00\x7c\xfc"  # cli; xor ax,ax; mov ds,es,ss,ax; mov sp,0x7c00; cld
SPIN = b"\xeb\xfe"  # jmp $
HALT = b"\xfa\xf4\xeb\xfc"  # cli; hlt; jmp back
TRIPLE_FAULT = b"\x0f\x01\x1e" + struct.pack("<H", _ORIGIN + 0x1F0) + b"\xcc"  # lidt [zeros]; int3


def out_byte(port: int, value: int) -> bytes:
    return struct.pack("<BHBBB", 0xBA, port, 0xB0, value, 0xEE)  # mov dx,port; mov al,value; out dx,al


def out_word(port: int, value: int) -> bytes:
    return struct.pack("<BHBHB", 0xBA, port, 0xB8, value, 0xEF)  # mov dx,port; mov ax,value; out dx,ax


POWER_OFF = out_word(0x604, 0x2000) + HALT  # PM1a_CNT: SLP_EN, SLP_TYP 0 (S5)
RESET = out_byte(0x64, 0xFE) + HALT  # the keyboard controller pulses the reset line
# Enable the power button (PM1a_EN bit 8), then: in ax,0x600; test ah,1; jz back.
AWAIT_BUTTON = out_word(0x602, 0x0100) + b"\xba\x00\x06\xed\xf6\xc4\x01\x74\xfa"
# sti; again: xor ah,ah; int 0x16; cmp al,13; jne again: until Enter is pressed
AWAIT_ENTER = b"\xfb\x30\xe4\xcd\x16\x3c\x0d\x75\xf8"
# sti; again: mov ax,0x0201; mov bx,0x7e00; mov cx,1; mov dx,0x80; int 0x13; jmp again
READ_DISK_FOREVER = b"\xfb\xb8\x01\x02\xbb\x00\x7e\xb9\x01\x00\xba\x80\x00\xcd\x13\xeb\xf0"


def send(port: int, offset: int, length: int) -> bytes:
    """Send what is at `offset` of the sector, waiting before each byte until the UART takes it."""
    return (
        b"\xbe" + struct.pack("<H", _ORIGIN + offset)  # mov si,text
        + b"\xb9" + struct.pack("<H", length)  # mov cx,length
        + b"\xba" + struct.pack("<H", port + 5)  # again: mov dx,line status
        + b"\xec\xa8\x20\x74\xfb"  # wait: in al,dx; test al,0x20; jz wait
        + b"\xba" + struct.pack("<H", port)  # mov dx,port
        + b"\xac\xee\xe2\xf1"  # lodsb; out dx,al; loop again
    )  # fmt: skip


def resets(times: int) -> bytes:
    """Reset so many times, counted in a byte of CMOS, then go on with what follows."""
    again = b"\xfe\xc0\xe6\x71" + RESET  # inc al; out 0x71,al
    # mov al,0x7d; out 0x70,al; in al,0x71; cmp al,times; jae end
    return b"\xb0\x7d\xe6\x70\xe4\x71\x3c" + bytes([times]) + b"\x73" + bytes([len(again)]) + again


def pause(units: int) -> bytes:
    """Spin for units of 65536 turns of a loop: each well under a second, of no exact length."""
    # mov bx,units; outer: mov cx,0; inner: loop inner; dec bx; jnz outer
    return b"\xbb" + struct.pack("<H", units) + b"\xb9\x00\x00\xe2\xfe\x4b\x75\xf8"


def sector(code: bytes, text: bytes = b"") -> bytes:
    """A boot sector that runs `code`; `text` lies at TEXT."""
    code = START + code
    assert len(code) <= _TEXT and len(text) <= 0x1F0 - _TEXT
    return (code.ljust(_TEXT, b"\0") + text).ljust(510, b"\0") + b"\x55\xaa"


def sender(text: bytes, then: bytes, *, port: int = COM2) -> bytes:
    """A guest that sends `text`, then does what `then` says."""
    return sector(send(port, _TEXT, len(text)) + then, text)


def answers_enter(text: bytes) -> bytes:
    """A guest that sends `text` and powers off once Enter is pressed."""
    return sector(AWAIT_ENTER + send(COM2, _TEXT, len(text)) + POWER_OFF, text)


def write_disk(path: Path, boot_sector: bytes) -> Path:
    """A disk of 1 MiB that boots this sector."""
    path.write_bytes(boot_sector.ljust(1024**2, b"\0"))
    return path
