"""The same medium with files replaced and added, as patches."""

import stat
from collections.abc import Sequence
from pathlib import Path

from oz.errors import MediumError
from oz.host.iso.fat import edit_fat
from oz.host.iso.image import Image, open_image, shown_volume
from oz.iso9660.edit import edit_trees, write_volumes
from oz.iso9660.names import split_path
from oz.iso9660.records import SECTOR, BootEntry, Volume, read_boot_catalog, read_volumes, u32
from oz.iso9660.tree import Change, Layout, Location
from oz.iso9660.walk import walk
from oz.model import BootImage, Medium, MediumEdit, Patch, Remaster

MAX_FAT_BYTES = 256 * 1024**2
INLINE_BYTES = 8 * 1024**2
"""Larger contents stay in their file until the patches are written."""
PADDING_SECTORS = 150
"""After the last file, as mkisofs -pad has them. GRUB for BIOS reads 32 KiB at a time, and after a read past the end of
the disc SeaBIOS reads no more of it from an AHCI drive: GRUB found no menu at all where the menu was the last file."""


def remaster(medium: Medium, edits: Sequence[MediumEdit]) -> Remaster:
    """The patches that make the edited medium of the original, which is only read.

    ISO 9660, Rock Ridge and Joliet agree afterwards; a UDF file system on the same medium stays as it was.
    A boot image that is replaced keeps its boot entry, and the tables that boot loaders expect in it.
    Raises MediumError for an edit the medium cannot take, and for damage; HostError if mtools are missing.
    """
    if medium.path is None:
        raise MediumError("there is no medium to edit: this one is only assumed")
    checked = [(split_path(edit.path), edit) for edit in edits]
    with open_image(medium.path) as image:
        if image.size_bytes != medium.size_bytes:
            raise MediumError("has changed since it was looked at", hint="try again")
        volumes, catalog = read_volumes(image.read, image.size_bytes)
        entries = read_boot_catalog(image.read, catalog) if catalog else []
        layout = Layout(image.read, image.size_bytes)
        changes = [_change(layout, parts, edit) for parts, edit in checked if not edit.in_efi_image]
        replaced: dict[int, Location] = {}
        if fat_edits := [("/".join(parts), edit) for parts, edit in checked if edit.in_efi_image]:
            efi = next((one for one in medium.boot_images if one.platform == "efi"), None)
            if efi is None:
                raise MediumError("has no EFI boot image to edit", hint="install it with BIOS firmware")
            if any(parts in _names_of(image, volumes, efi.lba) for parts, edit in checked if not edit.in_efi_image):
                raise MediumError("its EFI boot image cannot be edited and replaced at once")
            if enlarged := _edit_efi_image(image, layout, efi, fat_edits):
                replaced[efi.lba] = enlarged
                changes += [Change(parts, *enlarged) for parts in _names_of(image, volumes, efi.lba)]
        if changes:
            replaced |= edit_trees(volumes, layout, changes)
        for entry in entries:
            if entry.block in replaced:
                _move_boot_image(image, layout, entry, replaced[entry.block])
        if layout.end > layout.old_end:
            layout.end += PADDING_SECTORS
        write_volumes(volumes, layout)
        size_bytes = layout.end * SECTOR if layout.end > layout.old_end else image.size_bytes
        return Remaster(size_bytes=size_bytes, patches=merge(layout.patches))


def _names_of(image: Image, volumes: Sequence[Volume], block: int) -> list[tuple[str, ...]]:
    """The paths of the files that lie at a block."""
    files = walk(image.read, shown_volume(volumes), image.size_bytes)
    return [
        split_path(file.path) for file in files if file.extents and file.extents[0][0] == block and file.extents[0][1]
    ]


def _change(layout: Layout, parts: tuple[str, ...], edit: MediumEdit) -> Change:
    if isinstance(edit.content, bytes):
        return Change(parts, layout.append(edit.content), len(edit.content))
    size_bytes = _source_bytes(edit, edit.content)
    if size_bytes > INLINE_BYTES:
        return Change(parts, layout.append_file(edit.content, size_bytes), size_bytes)
    data = edit.content.read_bytes()
    return Change(parts, layout.append(data), len(data))


def _source_bytes(edit: MediumEdit, source: Path) -> int:
    try:
        status = source.stat()
    except OSError as error:
        raise MediumError(f"{source}, wanted as {edit.path}: {error.strerror}", hint="name an existing file") from None
    if not stat.S_ISREG(status.st_mode):
        raise MediumError(f"{source}, wanted as {edit.path}, is not a file", hint="name an existing file")
    return status.st_size


def _edit_efi_image(
    image: Image, layout: Layout, efi: BootImage, edits: list[tuple[str, MediumEdit]]
) -> Location | None:
    """Put files into the FAT file system of the EFI boot image where it lies. Where it has no room for them,
    an enlarged copy is laid out, whose place is returned."""
    if not 0 < efi.size_bytes <= MAX_FAT_BYTES:
        raise MediumError(f"its EFI boot image has {efi.size_bytes} bytes, which is none to edit")
    start = efi.lba * SECTOR
    old = image.read(start, efi.size_bytes)
    new = edit_fat(old, {path: edit.content for path, edit in edits})
    if len(new) > len(old):
        return layout.append(new), len(new)
    layout.put_changes(start, old, new)
    return None


def _move_boot_image(image: Image, layout: Layout, entry: BootEntry, new: Location) -> None:
    """Point a boot entry elsewhere, and give the new image the addresses its loader reads in itself."""
    layout.put(entry.position + 8, new[0].to_bytes(4, "little"))
    if entry.platform == 0xEF:
        # 0 lets UEFI firmware take all up to the end of the medium.
        sectors = -(-new[1] // 512)
        layout.put(entry.position + 6, (sectors if sectors <= 0xFFFF else 0).to_bytes(2, "little"))
        return
    start = entry.block * SECTOR
    old = image.read(start, min(2560, image.size_bytes - start))
    if len(old) == 2560 and int.from_bytes(old[2548:2556], "little") == entry.block * 4 + 5 and new[1] >= 2556:
        # xorriso --grub2-boot-info: where the rest of GRUB begins, in sectors of 512 bytes
        layout.put(new[0] * SECTOR + 2548, (new[0] * 4 + 5).to_bytes(8, "little"))
    if u32(old, 8) == 16 and u32(old, 12) == entry.block and new[1] >= 64:
        # mkisofs -boot-info-table: descriptor, block, bytes, sum of the 32-bit words from byte 64 on
        content = merge([patch for patch in layout.patches if patch.offset // SECTOR >= new[0]])[0].data[: new[1]]
        words = content[64:] + bytes(-len(content) % 4)
        total = sum(u32(words, at) for at in range(0, len(words), 4)) & 0xFFFFFFFF
        table = b"".join(number.to_bytes(4, "little") for number in (16, new[0], new[1], total))
        layout.put(new[0] * SECTOR + 8, table + bytes(40))


def merge(patches: Sequence[Patch]) -> tuple[Patch, ...]:
    """The patches in order and apart: a later one counts where it overlaps an earlier one."""
    merged: list[Patch] = []
    for patch in sorted(patches, key=lambda patch: patch.offset):
        last = merged[-1] if merged else None
        if last is None or patch.offset >= last.end:
            merged.append(patch)
            continue
        if last.source or patch.source:
            raise MediumError("a boot image of the medium cannot be replaced by so large a file")
        at = patch.offset - last.offset
        data = last.data[:at] + patch.data + last.data[at + len(patch.data) :]
        merged[-1] = Patch(offset=last.offset, data=data)
    return tuple(merged)
