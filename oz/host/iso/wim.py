"""What an image archive of an installer (WIM, ESD) says of the systems in it: the one resource that is never packed.

Microsoft's white paper on the WIM file format: a header of 208 bytes, with the XML's length at 72 and its place at 80.
"""

from oz.errors import MediumError
from oz.iso9660.records import SECTOR, Read
from oz.iso9660.walk import File
from oz.model import Edition
from oz.tdlxml import Element, Unreadable, read_elements

ARCHIVES = ("/sources/install.wim", "/sources/install.esd", "/sources/install.swm")
_HEADER_BYTES = 208
_MAX_XML_BYTES = 4 * 1024**2
_IS_PACKED = 4
_ARCHES = {"0": "i386", "9": "x86_64", "12": "aarch64"}
"""PROCESSOR_ARCHITECTURE_* of winnt.h."""


def read_editions(read: Read, file: File) -> tuple[Edition, ...]:
    """The systems in the archive, in its order. Raises MediumError for what is none."""
    try:
        header = _read(read, file, 0, _HEADER_BYTES)
        length, place = int.from_bytes(header[72:79], "little"), int.from_bytes(header[80:88], "little")
        if not header.startswith(b"MSWIM\0\0\0") or header[79] & _IS_PACKED or length > _MAX_XML_BYTES:
            raise MediumError("is no image archive of an installer")
        root = read_elements(_read(read, file, place, length))
        return tuple(_edition(image) for image in root.all("IMAGE"))
    except Unreadable as error:
        raise MediumError(f"{file.path}: its list of systems, line {error.line}: {error.message}") from error
    except MediumError as error:
        raise MediumError(f"{file.path}: {error.message}") from error


def _read(read: Read, file: File, offset: int, length: int) -> bytes:
    """Bytes of a file, which may lie in several extents."""
    pieces = []
    for block, size in file.extents:
        taken = max(0, min(length, size - offset))
        if taken:
            pieces.append(read(block * SECTOR + offset, taken))
        offset, length = max(0, offset - size), length - taken
    if length:
        raise MediumError("ends before its list of systems does")
    return b"".join(pieces)


def _edition(image: Element) -> Edition:
    """Told by the one element that has a VERSION below it, whose name is the system's."""
    about = next((child for child in image.children if child.all("VERSION")), image)

    def text(element: Element, path: str) -> str:
        found = element.all(path)
        return found[0].text.strip()[:200] if found else ""

    kernel = [text(about, f"VERSION/{part}") for part in ("MAJOR", "MINOR", "BUILD")]
    return Edition(
        index=_number(image.attributes.get("INDEX", "")) or 0,
        name=text(image, "DISPLAYNAME") or text(image, "NAME"),
        edition_id=text(about, "EDITIONID") or text(image, "FLAGS"),
        version="" if None in map(_number, kernel) else ".".join(kernel),
        arch=_ARCHES.get(text(about, "ARCH"), ""),
        is_server=text(about, "PRODUCTTYPE") == "ServerNT" or text(about, "INSTALLATIONTYPE").startswith("Server"),
        language=text(about, "LANGUAGES/DEFAULT"),
    )


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
