"""Install media: fetched, looked at, and edited so that the installer finds its answer file."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

from oz import cpio
from oz.build import Build, make_directory
from oz.host import cache, disk, fetch, iso
from oz.model import Drive, InstallPlan, Kernel, MediaPlan, Medium, MediumEdit
from oz.progress import note, step

USER_NETWORK_HOST = "10.0.2.2"
"""This host, for a guest on QEMU's user network (QEMU: docs/system/devices/net.rst)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BootFiles:
    """What the installer boots from: an edited medium, or a kernel and an initrd."""

    medium: Drive | None = None
    kernel: Kernel | None = None


def fetch_media(media: MediaPlan, build: Build) -> Mapping[str, Path]:
    """What the plan wants, by role. A download that is not to be cached goes to the work directory."""
    config = build.config
    cached = cache.downloads_directory(config.data_dir)
    directory = cached if config.cache_original_media else build.work / "media"
    make_directory(directory)
    files: dict[str, Path] = {}
    for wanted in media.fetches:
        with step(f"Fetch {wanted.role}"):
            files[wanted.role] = fetch.fetch(
                _as_seen_here(wanted.url, build),
                directory=directory,
                checksum=wanted.checksum,
                force=build.options.force_download,
                label=wanted.role,
            )
        if files[wanted.role].parent == cached:
            build.resources.enter_context(cache.pin(files[wanted.role]))
    return files


def _as_seen_here(url: str, build: Build) -> str:
    """A tree that this host serves itself has, for the guest, the user network's address of the host."""
    parts = urlsplit(url)
    if build.settings.network.kind != "user" or parts.hostname != USER_NETWORK_HOST:
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.replace(USER_NETWORK_HOST, "127.0.0.1", 1)))


def inspect(files: Mapping[str, Path], media: MediaPlan, build: Build) -> Medium | None:
    """The medium, if there is one, and the certainty that it is what the template names. Raises MediumError."""
    path = files.get("iso")
    if path is None:
        return None
    with step(f"Inspect {path.name}"):
        medium = iso.inspect(path, read=media.read)
        build.guest.check_medium(build.tdl, medium)
    note(f"medium: {medium.volume_id}")
    return medium


def remaster(
    plan: InstallPlan, medium: Medium | None, files: Mapping[str, Path], build: Build, *, as_iso: bool
) -> BootFiles:
    """Put the answer file, and what else the plan changes, onto the medium or into the initrd.

    An edited medium is an overlay on the original, or with `as_iso` a whole ISO.
    """
    if medium is None or medium.path is None:
        return BootFiles(kernel=_append_to_initrd(plan, files, build.work))
    form: Literal["raw", "qcow2"] = "raw" if as_iso else "qcow2"
    out = build.work / ("medium.iso" if as_iso else "medium.qcow2")
    edits = [*plan.edits, *_extras(build)]
    with step("Remaster the medium"):
        disk.apply_patches(medium.path, iso.remaster(medium, edits), out, format=form)
    return BootFiles(medium=Drive(path=out, format=form))


def keep_beside(boot_files: BootFiles, build: Build) -> None:
    """Keep what the installer booted from in NAME.oz: for booting it again by hand."""
    beside = build.work / "oz"
    if boot_files.medium:
        disk.copy(boot_files.medium, beside / boot_files.medium.path.name)
    if boot_files.kernel:
        shutil.copyfile(boot_files.kernel.kernel, beside / "kernel")
        shutil.copyfile(boot_files.kernel.initrd, beside / "initrd")
        (beside / "command_line").write_text(boot_files.kernel.command_line + "\n")


def _append_to_initrd(plan: InstallPlan, files: Mapping[str, Path], work: Path) -> Kernel:
    with step("Add the answer file to the initrd"):
        initrd = work / "initrd"
        shutil.copyfile(files["initrd"], initrd)
        with initrd.open("ab") as file:
            # the kernel looks for the next archive at a multiple of four bytes
            file.write(bytes(-initrd.stat().st_size % 4) + cpio.archive(plan.initrd_files))
    return Kernel(kernel=files["kernel"], initrd=initrd, command_line=plan.command_line or "")


def _extras(build: Build) -> list[MediumEdit]:
    """The template's extras; directories first, so that a file given apart wins."""
    edits: list[MediumEdit] = []
    directory = build.work / "extras"
    for extra in sorted(build.tdl.extras, key=lambda extra: extra.kind):
        make_directory(directory)
        target = "/" + extra.destination.strip("/")
        with step(f"Fetch {extra.source}"):
            if extra.kind == "file":
                edits.append(MediumEdit(path=target, content=fetch.fetch(extra.source, directory=directory)))
                continue
            for name, path in fetch.list_tree(extra.source, directory=directory):
                edits.append(MediumEdit(path=f"{target.rstrip('/')}/{name}", content=path))
    return edits
