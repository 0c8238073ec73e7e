"""Install media: what is on one, the same one edited, and small new ones.

Reading and editing use oz.iso9660: pycdlib takes 0.9 s to open an image of 10,000 files, believes what sizes a
damaged image tells, and its writer moves everything. It makes the new images (seed), where none of that matters.
"""

from oz.host.iso.edit import remaster
from oz.host.iso.fat import floppy
from oz.host.iso.image import inspect, read_floppy_boot_image
from oz.host.iso.seed import seed

__all__ = ["floppy", "inspect", "read_floppy_boot_image", "remaster", "seed"]
