"""The kinds of value a TDL holds: what each one accepts, what it becomes, and how an error names it.

A kind's check returns the value as the rest of Oz may trust it, or raises ValueError with the words that
follow the value in a message, such as "has '..' in it".
"""

import base64
import binascii
import difflib
import ipaddress
import re
import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Literal
from urllib.parse import SplitResult, quote, urlsplit

from oz.model import Content
from oz.units import MIB, TIB, parse_size

BLANKS = " \t\r\n"
"""What XML takes for blanks. Python's own idea of them would eat a no-break space at the end of a password."""

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_CONTROL_BUT_LINES = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_ARMOR = re.compile(r"-----BEGIN ([A-Z ]*PUBLIC KEY(?: BLOCK)?)-----\n.*\n-----END \1-----\n", re.DOTALL)


def shown(value: str) -> str:
    """A value from a template, quoted, cut and made printable for a message."""
    return ascii(value) if len(value) <= 80 else f"{value[:60]!a}..."


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant; looks at the first 200, since each look is slow."""
    by_case = {name.lower(): name for name in islice(known, 200)}
    close = difflib.get_close_matches(word.lower(), by_case, n=1, cutoff=0.6) if len(word) <= 64 else []
    return by_case[close[0]] if close else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """`expected` completes "expected ..."; secrets are not shown in messages."""

    expected: str
    check: Callable[[str], str]
    may_be_empty: bool = False
    may_have_lines: bool = False
    may_have_anything: bool = False
    is_secret: bool = False

    def read(self, text: str) -> str:
        """The value, trimmed and checked. Raises ValueError."""
        value = text.strip(BLANKS)
        if not value and not self.may_be_empty:
            raise ValueError("is empty")
        control = (_CONTROL_BUT_LINES if self.may_have_lines else _CONTROL).search(value)
        if control and not self.may_have_anything:
            names = {"\n": "a line break", "\r": "a line break", "\t": "a tab"}
            raise ValueError(f"has {names.get(control[0], f'the control character {control[0]!a}')} in it")
        return self.check(value) if value else value

    def quote(self, text: str) -> str:
        """How a message shows a value: with a blank before it, or not at all."""
        value = text.strip(BLANKS)
        return "" if self.is_secret or not value else f" {shown(value)}"


def _any(value: str) -> str:
    return value


def _matching(pattern: str, words: str) -> Callable[[str], str]:
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise ValueError(words)
        return value

    return check


def _one_of(*known: str, meant: dict[str, str] | None = None) -> Kind:
    """One of a few words; `meant` says what people write instead."""

    def check(value: str) -> str:
        if value not in known:
            guess = (meant or {}).get(value.lower()) or nearest(value, known)
            raise ValueError(f"is unknown (did you mean {guess}?)" if guess else "is unknown")
        return value

    return Kind(expected=f"one of {', '.join(known)}" if len(known) > 1 else known[0], check=check)


def _check_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", value) or value in (".", ".."):
        raise ValueError("is not a name")
    return value


def _check_yes_no(value: str) -> str:
    word = {"yes": "yes", "true": "yes", "no": "no", "false": "no"}.get(value.lower())
    if word is None:
        raise ValueError("is neither")
    return word


def _check_size(value: str) -> str:
    try:
        return f"{parse_size(value)} B"
    except ValueError as error:
        raise ValueError(str(error).removeprefix(f"{value!r} ")) from error


def _check_memory(value: str) -> str:
    if value.isdigit():
        raise ValueError("has no unit (write 2 GiB or 2048 MiB)")
    size = _check_size(value)
    if not 32 * MIB <= int(size.split()[0]) <= 16 * TIB:
        raise ValueError("is out of range")
    return size


def _check_partition_size(value: str) -> str:
    return value if value == "rest" else _check_size(value)


def _check_cpus(value: str) -> str:
    if not re.fullmatch(r"[1-9][0-9]{0,2}", value) or int(value) > 255:
        raise ValueError("is none")
    return value


def _check_words(value: str) -> str:
    try:
        shlex.split(value)
    except ValueError as error:
        raise ValueError("has an open quote" if "quotation" in str(error) else "ends with a backslash") from error
    return value


# ------------------------------------------------------------------ paths


def _check_components(path: str) -> str:
    if len(path) > 1024:
        raise ValueError("is too long")
    components = [component for component in path.split("/") if component not in ("", ".")]
    if ".." in components:
        raise ValueError("has '..' in it")
    if not components:
        raise ValueError("names no file")
    return "/".join(components)


def _check_guest_path(value: str) -> str:
    drive = value[:2] if re.match("[A-Za-z]:/", value) else ""
    if not value.removeprefix(drive).startswith("/"):
        raise ValueError("is not absolute")
    return f"{drive}/" + _check_medium_file(value.removeprefix(drive))


def _check_medium_file(value: str) -> str:
    path = _check_components(value)
    if value.endswith(("/", "/.")):
        raise ValueError("names a directory")
    return path


# They hold what is needed before any other file system is mounted, or are none on a disk (hier(7)).
_ROOT_ONLY = ("bin", "dev", "etc", "lib", "lib32", "lib64", "proc", "root", "run", "sbin", "sys")


def _check_mount(value: str) -> str:
    if value in ("swap", "/"):
        return value
    if not value.startswith("/"):
        raise ValueError("is not absolute")
    if len(value) > 128:
        raise ValueError("is too long")
    components = value[1:].split("/")
    if any(component in ("", ".", "..") for component in components):
        raise ValueError("is not in its shortest form (no '..', no '.', no '/' twice or at the end)")
    if not all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", component) for component in components):
        raise ValueError("has other characters than letters, digits and . _ - in it")
    if components[0] in _ROOT_ONLY:
        raise ValueError("must be on the root file system")
    if value == "/boot/efi" or value.startswith("/boot/efi/"):
        raise ValueError("is made by itself where the firmware needs it")
    return value


# ------------------------------------------------------------------ URLs


def is_own_host(host: str) -> bool:
    """Whether a host name means, to any machine, that machine itself."""
    name = host.lower().rstrip(".")
    if name in ("localhost", "localhost.localdomain", "ip6-localhost") or name.endswith(".localhost"):
        return True
    if re.fullmatch(r"127(\.[0-9]+){0,3}|0+", name):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_unspecified


def _check_url(value: str, schemes: tuple[str, ...], *, is_for_guest: bool = False) -> str:
    if not _URL.match(value):
        raise ValueError("is not a URL")
    if " " in value:
        raise ValueError("has a blank in it (write %20)")
    try:
        parts = urlsplit(value)
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"is not a URL ({error})") from error
    if parts.scheme not in schemes:
        raise ValueError(f"has the scheme {parts.scheme}://")
    if parts.scheme == "file":
        if host not in (None, "localhost") or not parts.path.startswith("/"):
            raise ValueError("has no absolute path (write file:///DIRECTORY/FILE)")
    elif not host:
        raise ValueError("has no host")
    elif is_for_guest and is_own_host(host):
        raise ValueError(
            "is the guest itself, as the guest sees it (write 10.0.2.2 for this host in the user network, or its name)"
        )
    if is_for_guest:
        _check_characters(value, parts)
    return parts.scheme + value[len(parts.scheme) :]


def _check_characters(value: str, parts: SplitResult) -> None:
    """Return if the URL has those of RFC 3986 alone, and no fragment, which no server ever sees: it goes into files in
    which others, and a #, mean something."""
    host = re.sub(r"\[[0-9A-Fa-f:.]*\]", "", parts.netloc)
    other = re.search(r"[^A-Za-z0-9._~:/?@!$&'()*+,;=%-]", host + "".join(parts[2:4]))
    if other:
        raise ValueError(f"has {other[0]} in it (write {quote(other[0])})")
    if "#" in value:
        raise ValueError("has a # in it (write %23)")


def _check_file_url(value: str) -> str:
    url = _check_url(value, ("file", "http", "https", "ftp"))
    if url.startswith("file:") and url.endswith("/"):
        raise ValueError("names a directory")
    return url


def _check_local_url(value: str) -> str:
    return _check_url(_check_file_url(value), ("file",))


def _check_directory_url(value: str) -> str:
    return _check_url(value, ("file", "ftp"))


def _check_tree_url(value: str) -> str:
    if "?" in value:
        raise ValueError("has a query, to which no path of a file can be added")
    return _check_url(value, ("http", "https", "ftp"), is_for_guest=True)


_APT_LINE = re.compile(r"deb\s+(?:\[[^\[\]]*\]\s*)?([^\s\[]\S*)\s+(\S+)((?:\s+\S+)*)")


def _check_repository_url(value: str) -> str:
    """A URL, or a whole line of apt's sources.list, which some templates give here."""
    if not value.startswith("deb "):
        return _check_url(value, ("file", "http", "https", "ftp"), is_for_guest=True)
    line = _APT_LINE.fullmatch(value)
    if not line or line[2].endswith("/") == bool(line[3]):
        raise ValueError("is not a line for apt")
    _check_url(line[1], ("file", "http", "https", "ftp"), is_for_guest=True)
    return value


def _checksum(algorithm: str, digits: int) -> Kind:
    def check(value: str) -> str:
        if _URL.match(value):
            return _check_file_url(value)
        if not re.fullmatch(r"[0-9A-Fa-f]+", value):
            raise ValueError("is neither")
        if len(value) != digits:
            raise ValueError(f"has {len(value)} digits")
        return value.lower()

    return Kind(expected=f"the URL of a list of digests, or an {algorithm} digest of {digits} hex digits", check=check)


def _check_public_key(value: str) -> str:
    if _URL.match(value):
        return _check_file_url(value)
    text = "".join(f"{line.strip(BLANKS)}\n" for line in value.splitlines())
    if not _ARMOR.fullmatch(text):
        raise ValueError("is neither")
    return text


# ------------------------------------------------------------------ bodies of files and commands


def content(text: str, form: str, *, may_be_empty: bool) -> Content:
    """What an element of type raw, base64 or url holds. Raises ValueError."""
    body = text.strip(BLANKS)
    if form == "url":
        return Content(url=FILE_URL.read(text))
    if form == "base64":
        try:
            data = base64.b64decode("".join(body.split()), validate=True)
        except (binascii.Error, ValueError) as error:
            raise ValueError("is not base64") from error
    else:
        data = body.encode()
    if not data.strip() and not may_be_empty:
        raise ValueError("is empty")
    return Content(data=data)


def key_content(value: str) -> Content:
    """What a checked PUBLIC_KEY holds."""
    return Content(url=value) if _URL.match(value) else Content(data=value.encode())


# ------------------------------------------------------------------ the kinds

_NAME_WORDS = "1 to 64 letters, digits or . _ -"
_URL_WORDS = "a file, http, https or ftp URL"

LANGUAGE_VERSION = _one_of("1.0")
NAME = Kind(expected=_NAME_WORDS, check=_check_name)
DESCRIPTION = Kind(expected="text", check=_any, may_be_empty=True, may_have_lines=True)
ARCH = _one_of(
    "i386", "x86_64", "ppc64", "ppc64le", "aarch64", "armv7l", "s390x",
    meant={"amd64": "x86_64", "x64": "x86_64", "x86-64": "x86_64", "x86": "i386", "ppc64el": "ppc64le",
           "arm64": "aarch64", "armhf": "armv7l", "arm": "armv7l", "i486": "i386", "i586": "i386", "i686": "i386"},
)  # fmt: skip
KERNEL_PARAMETERS = Kind(expected="one line of kernel parameters", check=_any, may_be_empty=True)
PASSWORD = Kind(expected="a password of one line, or no <rootpw> for a random one", check=_any, is_secret=True)
EDITION = Kind(expected="an edition's name, number or identifier", check=_matching(r".{1,100}", "is too long"))
LICENCE_KEY = Kind(expected="a licence key of one line", check=_any, is_secret=True)
INSTALL_TYPE = _one_of("iso", "url")
TREE_URL = Kind(
    expected="the http, https or ftp URL of an install tree, one that the guest can reach", check=_check_tree_url
)
FILE_URL = Kind(expected=f"{_URL_WORDS} of a file", check=_check_file_url)
LOCAL_URL = Kind(expected="the file URL of a file on this host", check=_check_local_url)
DIRECTORY_URL = Kind(expected="the file or ftp URL of a directory", check=_check_directory_url)
MEDIUM_FILE = Kind(expected="a file's path on the install medium, without '..'", check=_check_medium_file)
MEDIUM_DIRECTORY = Kind(expected="a directory's path on the install medium, without '..'", check=_check_components)
MD5 = _checksum("md5", 32)
SHA1 = _checksum("sha1", 40)
SHA256 = _checksum("sha256", 64)
COMMAND_LINE = Kind(expected="a command line", check=_any)
DISK_SIZE = Kind(expected="a size such as 10 GiB", check=_check_size)
PARTITION_LAYOUT = _one_of("plain", "lvm")
MOUNT = Kind(expected="/, a path such as /var/log, or swap", check=_check_mount)
PARTITION_SIZE = Kind(expected="a size such as 10 GiB, or rest", check=_check_partition_size)
FILESYSTEM = _one_of(
    "ext2", "ext3", "ext4", "xfs", "btrfs", "reiserfs", "jfs", "vfat", "ntfs", "ufs", "zfs", "swap",
    meant={"fat32": "vfat", "fat": "vfat", "msdos": "vfat", "linux-swap": "swap"},
)  # fmt: skip
FIRMWARE = _one_of("bios", "efi", meant={"uefi": "efi", "ovmf": "efi", "seabios": "bios", "legacy": "bios"})
CPUS = Kind(expected="a number of processors from 1 to 255", check=_check_cpus)
MEMORY = Kind(expected="a size from 32 MiB to 16 TiB with its unit, such as 2 GiB", check=_check_memory)
MACHINE_TYPE = Kind(
    expected="a machine type of QEMU's, such as q35",
    check=_matching(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", "is no machine type"),
)
PACKAGE = Kind(
    expected="a letter or digit, then letters, digits or . _ + - : ~ @ * = /",
    check=_matching(r"[A-Za-z0-9][A-Za-z0-9._+:~@*=/-]{0,255}", "is not a package's name"),
)
ARGUMENTS = Kind(expected="words for the package manager's command line, quoted as in a shell", check=_check_words)
GUEST_PATH = Kind(expected="the absolute path of a file in the guest, without '..'", check=_check_guest_path)
CONTENT_TYPE = _one_of("raw", "base64", "url")
LABEL = Kind(expected="a name of at most 256 characters for messages", check=_matching(r".{1,256}", "is too long"))
POSITION = Kind(expected="a whole number from 1", check=_matching(r"[1-9][0-9]{0,5}", "is not a position"))
YES_NO = Kind(expected="yes or no (or true or false)", check=_check_yes_no)
REPOSITORY_URL = Kind(
    expected=f"{_URL_WORDS}, or a line for apt: deb [OPTIONS] URL SUITE COMPONENT...", check=_check_repository_url
)
PUBLIC_KEY = Kind(
    expected=f"{_URL_WORDS} of a file, or an armored public key (-----BEGIN PGP PUBLIC KEY BLOCK-----)",
    check=_check_public_key,
    may_have_lines=True,
)
BODY = Kind(expected="text", check=_any, may_be_empty=True, may_have_anything=True)
"""Of files and commands; `content` decides, since it depends on their type."""

ContentType = Literal["raw", "base64", "url"]
