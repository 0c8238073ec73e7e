"""What every phase works in: a name that is held, a journal, a private directory beside the result.

output_dir/.NAME.oz-partial/    everything half-made; renamed or removed at the end, also after a kill
output_dir/NAME.dsk NAME.xml NAME.oz/    what a finished build leaves
"""

import errno
import os
import platform
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from oz.config import IMAGE_FORMATS, Config
from oz.errors import HostError, UsageError
from oz.guests.base import Guest
from oz.host import disk, journal, kvm, locks
from oz.model import Network, Rng, Settings, Tdl
from oz.progress import add_view, note, remove_view
from oz.protocols import Hypervisor
from oz.recording import Recording

EMULATION_FACTOR = 10.0
"""How much longer everything may take without hardware virtualization: an installation measured at 140 s
with it takes 1,400 s under TCG."""

_HOST_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}
"""What may befall any file that is written; every other OSError that nobody foresaw is a fault of ours."""

_IMAGE_SUFFIXES = {".dsk", ".img", ".raw", *(f".{name}" for name in disk.FORMATS)}

_SAME_CPU = {"i386": {"x86_64", "i686", "i386"}, "armv7l": {"armv7l", "aarch64"}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a program's command line adds to oz.cfg and the template."""

    disk_bus: str | None = None
    nic_model: str | None = None
    mac: str | None = None
    firmware: Literal["bios", "efi"] | None = None
    answer_file: Path | None = None
    install_limit_s: float | None = None
    force_download: bool = False
    force_media: bool = False
    replace: bool = False
    disk_path: Path | None = None
    xml_path: Path | None = None
    keep_failed: bool = False
    is_attended: bool = False
    """Somebody sits at the terminal: a guest that failed, and is to be kept, goes on until they have seen it."""
    ssh_key: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """A build in progress: what was asked for, by whom, and where it is done."""

    tdl: Tdl
    guest: Guest
    config: Config
    settings: Settings
    options: Options
    work: Path
    """A private directory on the file system of the result."""
    journal: journal.Journal
    hypervisor: Callable[[], Hypervisor]
    """Connects at the first call; what is still running when the build ends is ended."""
    resources: ExitStack
    """What is held until the build ends."""
    recording: Recording


def settle(config: Config, tdl: Tdl, options: Options, *, probe: bool = True) -> Settings:
    """The settings that the options, the template, oz.cfg and this host come to, in this order.

    Probes /dev/kvm, once per boot of this host; without `probe`, for plans, its presence is enough. Raises HostError
    where type = kvm cannot be.
    """
    arch, virtual = tdl.arch, tdl.virtual
    native = platform.machine() in _SAME_CPU.get(arch, {arch})
    domain_type = config.type
    if domain_type == "auto":
        has_kvm = kvm.probe(config.data_dir / "cache") if native and probe else os.access("/dev/kvm", os.R_OK | os.W_OK)
        domain_type = "kvm" if native and has_kvm else "qemu"
    elif domain_type == "kvm" and not native:
        raise HostError(
            f"type = kvm cannot run a {arch} guest on {platform.machine()}",
            hint="set type = auto in oz.cfg: such guests run under software emulation",
        )
    return Settings(
        domain_type=domain_type,
        cpus=virtual.cpus or config.cpus,
        memory_bytes=virtual.memory_bytes or config.memory_bytes,
        network=_network(config),
        rng=Rng(
            model=config.rng_model,
            device=config.rng_device,
            rate_bytes=config.rng_rate_bytes,
            rate_period_ms=config.rng_rate_period,
        ),
        image_format=_image_format(config, options),
        disk_bus=options.disk_bus,
        nic_model=options.nic_model,
        mac=options.mac,
        firmware=options.firmware or virtual.firmware,
        machine_type=virtual.machine_type,
        virtio_win=tdl.drivers or config.virtio_win,
        win32_openssh=config.win32_openssh,
        answer=_read_answer(options.answer_file),
        install_limit_s=options.install_limit_s or config.install_s,
        limit_factor=1.0 if domain_type == "kvm" else EMULATION_FACTOR,
    )


def _image_format(config: Config, options: Options) -> str:
    """By the name that the image is to have, where that ends in one; else by oz.cfg."""
    suffix = options.disk_path.suffix[1:].lower() if options.disk_path else ""
    return suffix if suffix in IMAGE_FORMATS else config.image_type


def _network(config: Config) -> Network:
    if config.bridge_name:
        return Network(kind="bridge", source=config.bridge_name)
    if config.network_name:
        return Network(kind="network", source=config.network_name)
    return Network()


def _read_answer(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"the answer file {path} cannot be read: {error}", hint="give a readable UTF-8 file to -a"
        ) from error


@contextmanager
def open_build(
    tdl: Tdl, guest: Guest, config: Config, settings: Settings, options: Options, *, image: Path
) -> Iterator[Build]:
    """Hold the image's name and make a work directory beside it, whether it is to be made or worked on.

    What killed builds left is finished or undone first. A name in use is refused at once (HostError, with
    its holder's pid). At the end the work directory is gone, whatever happened.
    """
    builds, directory, name = config.data_dir / "builds", image.parent, image_name(image)
    make_directory(directory, mode=0o755)
    for path in (builds, config.data_dir / "cache"):
        make_directory(path)
    for recovered in journal.recover(builds, commit=disk.commit):
        note(f"finished or removed what a killed build of {recovered} had left")
    lock = directory / f".{name}.lock"
    with (
        journal.open_journal(builds, name=name, lock=lock) as log,
        locks.hold(lock, what=f"the name {name}", wait=False),
    ):
        work = directory / f".{name}.oz-partial"
        log.will_make(work)
        # not one that somebody else made here a moment ago: keys will lie in it
        make_directory(work, is_new=True)
        recording = Recording(directory=work)
        add_view(recording.view)
        with ExitStack() as stack:
            stack.callback(remove_view, recording.view)

            @cache
            def connect() -> Hypervisor:
                cache_dir = config.data_dir / "cache"
                own = (work, config.data_dir)
                from oz.host import hypervisor

                connection = hypervisor.connect(config.uri, root=log.root, cache_dir=cache_dir, own=own)
                return stack.enter_context(connection)

            try:
                yield Build(
                    tdl=tdl,
                    guest=guest,
                    config=config,
                    settings=settings,
                    options=options,
                    work=work,
                    journal=log,
                    hypervisor=connect,
                    resources=stack,
                    recording=recording,
                )
            except OSError as error:
                if error.errno not in _HOST_ERRORS:
                    raise
                raise HostError(
                    f"{error.filename or work.parent}: cannot be written: {os.strerror(error.errno)}",
                    hint="is there room in output_dir, data_dir and screenshot_dir?",
                ) from error


def image_name(image: Path) -> str:
    """What an image and all that lies beside it are called: its file name, less an ending that says its format."""
    return image.stem if image.suffix in _IMAGE_SUFFIXES else image.name


def make_directory(path: Path, *, mode: int = 0o700, is_new: bool = False) -> None:
    """Make a directory, for its owner alone unless `mode` says more. Unless it must be new it may be there already.

    Raises HostError.
    """
    try:
        path.mkdir(mode=mode, parents=True, exist_ok=not is_new)
    except OSError as error:
        raise HostError(
            f"the directory {path} cannot be made: {error.strerror}",
            hint="set output_dir and data_dir in oz.cfg to places you may write to",
        ) from error


def random_mac() -> str:
    """A MAC address in QEMU's own range."""
    return "52:54:00:" + ":".join(f"{secrets.randbelow(256):02x}" for _ in range(3))
