"""Small new images. Only importer of pycdlib."""

import io
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from oz.errors import HostError, MediumError
from oz.iso9660.names import joliet_identifier, mangle_joliet, short_identifier, split_path

if TYPE_CHECKING:
    import pycdlib


def seed(label: str, files: Mapping[str, bytes], out: Path) -> Path:
    """`out`: a new image with Rock Ridge and Joliet names, readable by its owner only (answer files have secrets).

    `files` maps paths to contents; directories are made. Raises MediumError for a label or path that cannot be,
    HostError if the image cannot be written.
    """
    if not 1 <= len(label) <= 16 or not label.isascii() or not label.isprintable():
        raise MediumError(f"{label!r} cannot be a volume label", hint="use 1 to 16 letters, digits and '_'")
    import pycdlib

    contents = {split_path(path): data for path, data in files.items()}
    image = pycdlib.PyCdlib()
    try:
        image.new(interchange_level=1, vol_ident=label, joliet=3, rock_ridge="1.09")
        _fill(image, contents)
    except MediumError:
        raise
    except Exception as error:  # bare KeyErrors and the like among its PyCdlibExceptions
        raise MediumError(f"{out}: the image cannot be made of {', '.join(files)}: {error}") from error
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{out.name}-", dir=out.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                image.write_fp(file)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(out)
        except BaseException:
            with suppress(FileNotFoundError):
                Path(name).unlink()
            raise
    except OSError as error:
        raise HostError(f"{out}: {error.strerror}", hint=f"see to space and permissions in {out.parent}") from None
    finally:
        image.close()
    return out


def _fill(image: "pycdlib.PyCdlib", contents: Mapping[tuple[str, ...], bytes]) -> None:
    short: dict[tuple[str, ...], str] = {(): ""}
    taken: dict[tuple[str, ...], set[bytes]] = {(): set()}
    for parts, data in contents.items():
        for depth in range(1, len(parts) + 1):
            here, above = parts[:depth], parts[: depth - 1]
            if here in short:
                if depth == len(parts) or here not in taken:
                    raise MediumError(f"/{'/'.join(here)} would be both a file and a directory")
                continue
            is_directory = depth < len(parts)
            identifier = short_identifier(here[-1], is_directory=is_directory, taken=taken[above])
            joliet_identifier(here[-1], has_version=True)
            taken[above].add(identifier)
            short[here] = f"{short[above]}/{identifier.decode()}"
            joliet = "/" + "/".join(map(mangle_joliet, here))
            if is_directory:
                taken[here] = set()
                image.add_directory(short[here], rr_name=here[-1], joliet_path=joliet)
            else:
                image.add_fp(io.BytesIO(data), len(data), short[here], rr_name=here[-1], joliet_path=joliet)
