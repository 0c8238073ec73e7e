"""What people, mirrors and our own directories give us as text."""

import os
from functools import partial
from pathlib import Path

from engine import Seeds, Target, texts

from oz import checksums, config, domain, progress, tdl
from oz.errors import OzError
from oz.host import access, cache, journal

ROOT = Path(__file__).parents[2]
HOSTILE = (b"\x1b[2J", b"\0", b"\r\n", b"../", b"/etc/passwd", b"$(id)", b"\xff\xfe", b"\xc2\x9b", "\u202e".encode())
XML = (b"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]>", b"&b;", b"<a>", b"</a>", b"<![CDATA[", b"xmlns:a='b'")
NUMBERS = (b"-1", b"1e999", b"0x10", b"9" * 5000, b"NaN", "\u0663".encode())
JSON = (b"\\u0000", b"\\ud800", b"null", b"[", b"{", b'"', b"/a/../b", *NUMBERS)
CHECKED = "https://mirror.example.org/cd/debian.iso"


def see_tdl(data: bytes, folder: Path) -> str:
    """The faults of a template are each one printable line, whether or not it can be followed."""
    return "\n".join(tdl.faults_in(data, "a.tdl"))


def see_config(data: bytes, folder: Path) -> str:
    path = folder / "oz.cfg"
    path.write_bytes(data)
    config.load(path, is_root=False, home=folder)
    return ""


def see_domain(data: bytes, folder: Path) -> str:
    machine = domain.machine_from_xml(data, "a.xml")
    domain.domain_xml(machine)
    return ""


def see_checksums(data: bytes, folder: Path) -> str:
    for algorithm in checksums.DIGITS:
        try:
            digest = checksums.find_digest(data.decode(errors="replace"), CHECKED, algorithm)
            assert len(digest) == checksums.DIGITS[algorithm]
        except OzError:
            pass
    return ""


def see_access(data: bytes, folder: Path) -> str:
    (folder / "access.json").write_bytes(data)
    access.load(folder)
    return ""


def see_note(data: bytes, folder: Path) -> str:
    """A note beside a cached file: what cannot be understood counts as none."""
    file, memory = folder / "medium.iso", folder / "digests"
    file.write_bytes(b"medium")
    checksums.remember_digests(file, {}, memory=memory)
    for note in memory.glob("*.json"):
        note.write_bytes(data)
    checksums.digest(file, "sha256", memory=memory)
    return ""


def see_journal(data: bytes, folder: Path) -> str:
    """It is only read: recovery would remove what it names."""
    path = folder / "journal"
    path.write_bytes(data)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        state = journal._read(descriptor)
    finally:
        os.close(descriptor)
    paths = [*state.made, *(path for move in state.moves for path in (move.source, move.target))]
    paths += [path for path in (state.root, state.overlay) if path]
    assert all(path.is_absolute() and ".." not in path.parts for path in paths)
    for path in paths:
        assert b"\0" not in os.fsencode(path)
    return ""


def see_cache(data: bytes, folder: Path) -> str:
    """Names that others left in the cache."""
    isos = folder / "data/isos"
    isos.mkdir(parents=True, exist_ok=True)
    for name in data.split(b"\n")[:20]:
        if name.strip(b".") and b"/" not in name and b"\0" not in name and len(name) < 200:
            Path(os.fsdecode(os.fsencode(isos) + b"/" + name)).touch()
    found = cache.entries(folder / "data")
    for entry in found:
        if entry.kind == "leftover" and not entry.is_in_use:
            cache.remove(folder / "data", entry)
    for path in isos.iterdir():
        path.unlink()
    return "\n".join(progress.printable(str(entry.path)) for entry in found)


DOMAIN = b"""<domain type='kvm'><name>old</name><uuid>4dea22b3-1d52-d8f3-2516-782e98ab3fa0</uuid>
<memory unit='KiB'>524288</memory><vcpu>2</vcpu><os><type arch='x86_64' machine='pc-q35-6.2'>hvm</type>
<loader type='pflash'>/usr/share/OVMF/OVMF_CODE.fd</loader><nvram>/var/lib/n.fd</nvram></os><devices>
<disk type='file' device='disk'><driver type='qcow2'/><source file='/d.img'/><target dev='vdb' bus='virtio'/></disk>
<interface type='bridge'><mac address='52:54:00:00:00:01'/><source bridge='br0'/><model type='virtio'/></interface>
</devices></domain>"""


def files(pattern: str, folder: Path) -> Seeds:
    return [path.read_bytes() for path in sorted(ROOT.glob(pattern))]


LIST = b"%b  debian.iso\nSHA256 (debian.iso) = %b\n" % (b"a" * 64, b"b" * 64)
ACCESS = b'{"public_key": "ssh-rsa A", "private_key": "", "root_password": "", "password_hashes": {"md5": "x"}, '
ACCESS += b'"nonce": "0", "host_keys": ["ssh-rsa A"]}'
JOURNAL = (
    b'{"name": "a", "root": "/r/s/t", "pid": 1}\n{"make": ["/a/b/c"]}\n{"commit": "/a/b/c"}\n{"committed": true}\n'
)
JOURNAL += b'{"publish": [["/a/b/c", "/a/b/d", "/a/b/.e"]]}\n{"published": true}\n'
TARGETS = (
    Target(name="tdl", run=see_tdl, seeds=partial(files, "examples/*.tdl"), words=(*HOSTILE, *XML, *NUMBERS)),
    Target(name="config", run=see_config, seeds=partial(files, "oz.cfg"), words=(*HOSTILE, *NUMBERS, b"[", b"=")),
    Target(
        name="domain", run=see_domain, seeds=texts(DOMAIN), words=(*HOSTILE, *XML, *NUMBERS)
    ),
    Target(name="checksums", run=see_checksums, seeds=texts(LIST, b"a" * 64), words=(*HOSTILE, b"SHA256 (", b")")),
    Target(name="access", run=see_access, seeds=texts(ACCESS), words=(*HOSTILE, *JSON)),
    Target(name="note", run=see_note, seeds=texts(b'{"digests": {}, "inode": 1}'), words=(*HOSTILE, *JSON)),
    Target(name="journal", run=see_journal, seeds=texts(JOURNAL), words=(*HOSTILE, *JSON)),
    Target(
        name="cache", run=see_cache, seeds=texts(b"a.iso\na.iso.json\n.a.iso.x.tmp\nb.part"), words=(*HOSTILE, b".lock")
    ),
)  # fmt: skip
