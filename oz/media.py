"""Install media: fetched, looked at, and edited so that the installer finds its answer file."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

from oz.build import Build, make_directory
from oz.errors import HostError, MediumError, TdlError
from oz.host import cache, disk, fetch, initrd, iso
from oz.inspection import look_at
from oz.model import Drive, Floppy, InstallPlan, Kernel, MediaPlan, Medium, MediumEdit, Seed
from oz.progress import note, step

USER_NETWORK_HOST = "10.0.2.2"
"""This host, for a guest on QEMU's user network (QEMU: docs/system/devices/net.rst)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BootFiles:
    """What the installer boots from and reads: a medium, edited or as it is, a kernel and an initrd, a floppy, a
    second CD, and one with drivers."""

    medium: Drive | None = None
    kernel: Kernel | None = None
    floppy: Drive | None = None
    seed: Drive | None = None
    drivers: Drive | None = None

    @property
    def cdroms(self) -> tuple[Drive, ...]:
        return tuple(drive for drive in (self.medium, self.seed, self.drivers) if drive)


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
    """The medium, if there is one, and the certainty that it is what the template names, or that the user wants it all
    the same. Raises MediumError."""
    path = files.get("iso")
    if path is None:
        return None
    with step(f"Inspect {path.name}"):
        medium = look_at(path, media, build.tdl, build.guest, insists=build.options.force_media)
    note(f"medium: {medium.volume_id}")
    return medium


def check_beside(plan: InstallPlan) -> None:
    """Return if what the plan takes from this host beside the medium is there, and a CD of drivers the right one.

    Raises HostError, MediumError.
    """
    for path in plan.seed.copies.values() if plan.seed else ():
        _read_copied(path)
    if plan.drivers is None:
        return
    hint = "name virtio-win.iso in <drivers> of the template, or as virtio_win in oz.cfg"
    try:
        there = {path.lower() for path in iso.inspect(plan.drivers).paths}
    except MediumError as error:
        raise MediumError(f"the CD of drivers {error.message}", hint=hint) from error
    for wanted in plan.drivers_paths:
        if not any(path.startswith(f"{wanted.lower()}/") for path in there):
            raise MediumError(f"{plan.drivers} is no CD of drivers for this release: it has no {wanted}", hint=hint)


def remaster(
    plan: InstallPlan, medium: Medium | None, files: Mapping[str, Path], build: Build, *, as_iso: bool
) -> BootFiles:
    """Put the answer file, and what else the plan changes, where the installer finds it: onto the medium, into the
    initrd, on a floppy, on a second CD.

    An edited medium is an overlay on the original, or with `as_iso` a whole ISO.
    """
    edits = [*plan.edits, *_extras(build, plan)]
    drive = None
    if medium is not None and medium.path is not None:
        drive = Drive(path=medium.path)
        if edits or as_iso:
            drive = _edit_medium(medium, medium.path, edits, build, as_iso=as_iso)
    return BootFiles(
        medium=drive,
        kernel=_plan_kernel(plan, files, build.work) if plan.command_line is not None else None,
        floppy=_make_floppy(plan.floppy, medium, files, build.work) if plan.floppy else None,
        seed=_make_seed(plan.seed, build.work) if plan.seed else None,
        drivers=Drive(path=plan.drivers) if plan.drivers else None,
    )


def _edit_medium(medium: Medium, original: Path, edits: list[MediumEdit], build: Build, *, as_iso: bool) -> Drive:
    form: Literal["raw", "qcow2"] = "raw" if as_iso else "qcow2"
    out = build.work / ("medium.iso" if as_iso else "medium.qcow2")
    with step("Remaster the medium"):
        disk.apply_patches(original, iso.remaster(medium, edits), out, format=form)
    return Drive(path=out, format=form)


def _plan_kernel(plan: InstallPlan, files: Mapping[str, Path], work: Path) -> Kernel:
    with step("Add the answer file to the initrd"):
        made = initrd.add_files(files["initrd"], plan.initrd_files, work / "initrd", format=plan.initrd_format)
    return Kernel(kernel=files["kernel"], initrd=made, command_line=plan.command_line or "")


def _make_floppy(plan: Floppy, medium: Medium | None, files: Mapping[str, Path], work: Path) -> Drive:
    base = None
    if plan.base == "fetched":
        base = files["floppy"].read_bytes()
    elif plan.base == "boot-image":
        assert medium is not None
        base = iso.read_floppy_boot_image(medium)
    with step("Make the floppy"):
        return Drive(path=iso.floppy(plan.files, work / "floppy.img", base=base))


def _make_seed(plan: Seed, work: Path) -> Drive:
    with step("Make the second CD"):
        files = {**plan.files, **{name: _read_copied(path) for name, path in plan.copies.items()}}
        return Drive(path=iso.seed(plan.label, files, work / "seed.iso"))


def _read_copied(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise HostError(f"{path}: {error.strerror}", hint="mend its name in oz.cfg") from error


def keep_beside(boot_files: BootFiles, build: Build) -> None:
    """Keep what was made for the installer in NAME.oz: for booting it again by hand. The medium must be a whole one: an
    overlay would lie on an original that may go."""
    beside = build.work / "oz"
    if boot_files.medium and boot_files.medium.path.parent == build.work:
        (beside / boot_files.medium.path.name).hardlink_to(boot_files.medium.path)
    for small in (boot_files.floppy, boot_files.seed):
        if small:
            shutil.copyfile(small.path, beside / small.path.name)
    if boot_files.kernel:
        shutil.copyfile(boot_files.kernel.kernel, beside / "kernel")
        shutil.copyfile(boot_files.kernel.initrd, beside / "initrd")
        (beside / "command_line").write_text(boot_files.kernel.command_line + "\n")


def _extras(build: Build, plan: InstallPlan) -> list[MediumEdit]:
    """The template's extras; directories first, so that a file given apart wins. Raises TdlError for one in the place
    of what the plan puts onto the medium."""
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
    planned = {edit.path.lower() for edit in plan.edits if not edit.in_efi_image}
    for edit in edits:
        if edit.path.lower() in planned:
            where = build.tdl.where("os/install/extras")
            raise TdlError(
                f"{where}: {edit.path} is written by Oz itself, expected another destination",
                hint="give -a FILE for another answer file, <kernelparam> for more kernel parameters",
            )
    return edits
