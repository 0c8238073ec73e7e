"""The cache of installed systems: a second build of an equal plan starts from the first one's disk."""

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from oz.build import Build, make_directory
from oz.customize import carry_out, commit
from oz.dryrun import placeholder, plan_json
from oz.host import access as access_files
from oz.host import cache, disk, fetch
from oz.marks import read_marks
from oz.model import Access, Drive, Machine, MediaPlan, Medium
from oz.progress import note, step
from oz.session import Image, open_session, power_off


def find(media: MediaPlan, medium: Medium | None, files: Mapping[str, Path], build: Build) -> tuple[str, Path | None]:
    """The key of the build's system, and the cached one if there is one.

    The key is made of all that goes into it (plan, media, size, password), but for the secrets that each
    build has of its own.
    """
    plan = build.guest.plan_install(build.tdl, medium, placeholder(build.tdl, build.guest), build.settings)
    parts = [plan_json(media, replace(plan, limit_s=0, inactivity_s=0), ()), str(build.tdl.disk_bytes)]
    parts.append(build.settings.image_format)
    parts.append(hashlib.sha256((build.tdl.rootpw or "").encode()).hexdigest())
    memory = build.config.data_dir / "cache" / "digests"
    with step("Look for a cached installation"):
        digests = {role: fetch.digest(path, "sha256", memory=memory) for role, path in files.items()}
        build.recording.facts |= {f"{role} sha256": digest for role, digest in digests.items()}
        parts += digests.values()
        key = cache.plan_key(*parts)
        if build.options.force_download:
            return key, None
        return key, cache.find_jeos(build.config.data_dir, key)


def start_from(cached: Path, machine: Machine, access: Access, build: Build) -> Access:
    """Copy a cached system's disk to the machine's and give it secrets of its own: the access that opens it.

    It is booted once for that, with the access that lies in the cache.
    """
    note(f"using the cached installation {cached.name[:16]}")
    assert machine.disk is not None
    build.resources.enter_context(cache.pin(cached))
    with step("Copy the cached disk"):
        disk.copy(Drive(path=cached / "disk", format=machine.disk.format), machine.disk.path)
    old = build.work / "jeos"
    make_directory(old)
    for file in cached.iterdir():
        if file.name == "vars.fd" and machine.nvram:
            shutil.copyfile(file, machine.nvram)
        elif file.name != "disk":
            shutil.copyfile(file, old / file.name)
    image = Image(machine=machine, disk=machine.disk, directory=old)
    with open_session(image, build) as session:
        with step("Renew keys, password and identity"):
            output = carry_out(build.guest.plan_renewal(access), session.shell, build)
        power_off(session, build)
    commit(image, session, build)
    return replace(access, host_keys=read_marks(output.splitlines()).host_keys)


def store(key: str, machine: Machine, access: Access, build: Build) -> None:
    """Keep a copy of the installed disk, with the access that opens it."""

    def fill(directory: Path) -> None:
        assert machine.disk is not None
        disk.copy(machine.disk, directory / "disk")
        access_files.save(access, directory)
        if machine.nvram and machine.nvram.is_file():
            shutil.copyfile(machine.nvram, directory / "vars.fd")

    with step("Keep the installed system in the cache"):
        cache.store_jeos(build.config.data_dir, key, fill)
