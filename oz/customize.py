"""Customize an installed image: boot an overlay, carry out the guest's actions, commit what came out."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from oz.build import Build
from oz.errors import GuestError, HostError
from oz.host import access, disk, fetch
from oz.host.fetch.urls import local_path
from oz.manifest import take_manifest
from oz.model import Action, Content, Manifest, PutFile
from oz.progress import step
from oz.protocols import Shell
from oz.session import (
    BOOT_BYTES,
    CHANGE_BYTES,
    Image,
    Session,
    command_limit_s,
    open_session,
    power_off,
)

CONTENT_LIMIT_BYTES = 1024**3
"""The most that a file or command named by URL may hold."""


def customize(
    image: Image,
    build: Build,
    *,
    change: bool = True,
    list_packages: bool = False,
    seal: bool = False,
) -> Manifest | None:
    """Carry out the template's changes, list the packages, seal: what is asked for, in one boot.

    The image changes only when everything has succeeded; a failure leaves it bit for bit as it was. Raises
    GuestError with the failing command's own output.
    """
    if change or seal:
        check_changeable(image)
    actions = build.guest.plan_customize(build.tdl) if change else ()
    fetched = fetch_contents(actions)
    manifest = None
    with open_session(image, build, room_bytes=CHANGE_BYTES if change else BOOT_BYTES) as session:
        if change:
            with step("Customize"):
                carry_out(fetched, session.shell, build)
        if list_packages:
            manifest = take_manifest(session.shell, build)
        if not (change or seal):
            return manifest
        if seal:
            with step("Seal"):
                carry_out(build.guest.plan_seal(), session.shell, build)
        power_off(session, build, is_sealed=seal)
    commit(image, session, build)
    if seal:
        access.seal(image.directory)
    return manifest


def check_changeable(image: Image) -> None:
    """Raises HostError where what a session makes of the image could not be kept: before it begins."""
    places = [(image.disk.path, os.R_OK | os.W_OK)]
    if image.machine.nvram:
        places.append((image.machine.nvram.parent, os.W_OK | os.X_OK))
    for path, mode in places:
        if not os.access(path, mode):
            raise HostError(f"{path} is missing or not writable", hint="run as its owner, or work on a copy")


def commit(image: Image, session: Session, build: Build) -> None:
    """Write a session's changes into the image. A killed commit is repeated by the next command.

    Raises HostError: before anything is written where there is no room for it.
    """
    with step("Write the changes into the image"):
        needed_bytes = disk.info(session.overlay, format="qcow2").allocated_bytes
        disk.check_space(image.disk.path.parent, needed_bytes, f"writing the changes into {image.disk.path.name}")
        if session.nvram and image.machine.nvram:
            _publish_nvram(session.nvram, image.machine.nvram, build)
        build.journal.commit_overlay(session.overlay, disk.commit)
        disk.flush(image.disk.path)


def _publish_nvram(made: Path, target: Path, build: Build) -> None:
    """By way of a file beside it: the XML may name a place on another file system."""
    beside = target.with_name(f".{target.name}.{build.journal.root.name}")
    build.journal.will_make(beside)
    try:
        beside.touch(mode=0o600)
        shutil.copyfile(made, beside)
    except OSError as error:
        raise HostError(f"{beside}: cannot be written: {error.strerror or error}") from error
    build.journal.publish([(beside, target)])


def check_contents(actions: Sequence[Action]) -> None:
    """That the files of this host which they name are there. Raises MediumError: in time, before an installation."""
    for action in actions:
        url = (action.content if isinstance(action, PutFile) else action.script).url
        if url is not None and urlsplit(url).scheme == "file":
            local_path(url)


def fetch_contents(actions: Sequence[Action]) -> tuple[Action, ...]:
    """The actions with every URL in them replaced by what it holds, so that a dead link fails before a boot."""
    return tuple(_fetch_one(action) for action in actions)


def carry_out(actions: Sequence[Action], shell: Shell, build: Build) -> str:
    """Do the actions in their order; their output, for who looks for something in it."""
    output = []
    limit_s = command_limit_s(build)
    for action in actions:
        if isinstance(action, PutFile):
            with step(f"Write {action.path}"):
                shell.put(_data(action.content), action.path, mode=action.mode)
            continue
        with step(action.label):
            ran = shell.run(_data(action.script), timeout_s=limit_s, label=action.label)
        text = ran.stdout.decode(errors="replace")
        output.append(text)
        if ran.status == 0:
            continue
        words = (text + ran.stderr.decode(errors="replace")).strip()[-4000:]
        raise GuestError(f"{action.label} failed with status {ran.status}:\n{words}")
    return "".join(output)


def _fetch_one(action: Action) -> Action:
    content = action.content if isinstance(action, PutFile) else action.script
    if content.url is None:
        return action
    what = action.path if isinstance(action, PutFile) else action.label
    with step(f"Fetch {what}"):
        data = fetch.fetch_bytes(content.url, limit_bytes=CONTENT_LIMIT_BYTES, what=what)
    fetched = Content(data=data)
    if isinstance(action, PutFile):
        return PutFile(path=action.path, content=fetched, mode=action.mode)
    return type(action)(label=action.label, script=fetched)


def _data(content: Content) -> bytes:
    if content.data is None:
        raise AssertionError("contents are fetched before they are used")
    return content.data
