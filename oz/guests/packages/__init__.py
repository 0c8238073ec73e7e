"""Package managers, a row each: how to add a repository, install packages, list what is installed, read that list."""

from oz.guests.packages import apk, apt, features, pacman, pkg, rpm, up2date, urpmi, yum, zypper
from oz.guests.packages.manager import PackageManager

MANAGERS: dict[str, PackageManager] = {
    **apk.MANAGERS,
    **apt.MANAGERS,
    **features.MANAGERS,
    **pacman.MANAGERS,
    **pkg.MANAGERS,
    **rpm.MANAGERS,
    **up2date.MANAGERS,
    **urpmi.MANAGERS,
    **yum.MANAGERS,
    **zypper.MANAGERS,
}
"""By the name that a release's facts give."""

__all__ = ["MANAGERS", "PackageManager"]
