"""Edits of a medium that has boot menus."""

from collections.abc import Mapping
from typing import Literal

from oz.errors import MediumError
from oz.model import Medium, MediumEdit


def plan_edits(
    medium: Medium,
    firmware: Literal["bios", "efi"],
    menu: str,
    menus: Mapping[str, str],
    files: Mapping[str, str | bytes],
) -> tuple[MediumEdit, ...]:
    """New files, and new boot menus in the place of those that the medium has, by path; a menu in a directory EFI also
    inside the EFI boot image, where firmware comes to it first. `menu` is what this machine boots by.

    Raises MediumError for a medium that does not boot under the firmware.
    """
    if menu not in medium.paths:
        raise MediumError(
            f"{medium.path or 'the medium'} does not boot under {firmware} firmware: it has no {menu}",
            hint="set the firmware to bios or efi, as the medium has it",
        )
    there = {path: text for path, text in menus.items() if path in medium.paths}
    has_efi_image = any(image.platform == "efi" for image in medium.boot_images)
    edits = []
    for path, text in {**files, **there}.items():
        content = text.encode() if isinstance(text, str) else text
        edits.append(MediumEdit(path=path, content=content))
        if path in there and path.startswith("/EFI/") and has_efi_image:
            edits.append(MediumEdit(path=path, content=content, in_efi_image=True))
    return tuple(edits)
