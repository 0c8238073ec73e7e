"""Every kind of failure a user can meet, each with the exit status its program ends with.

A message names the object and the value that are wrong; a hint says what to do about it. Anything
that is not an OzError is a fault of Oz itself, and its traceback is shown (status 1).
"""


class OzError(Exception):
    """A failure that is explained to the user without a traceback."""

    exit_status = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  hint: {self.hint}" if self.hint else self.message


class UsageError(OzError):
    """The command line asks for something that cannot be done as asked."""

    exit_status = 2


class TdlError(OzError):
    """The template is not one that Oz can follow; the message begins with FILE:LINE."""

    exit_status = 2


class ConfigError(OzError):
    """oz.cfg cannot be read or holds a wrong value."""

    exit_status = 3


class UnsupportedError(OzError):
    """No guest for this system, release, architecture or install type."""

    exit_status = 4


class MediumError(OzError):
    """The install medium cannot be had, is damaged, or is not the one the template names."""

    exit_status = 5


class GuestError(OzError):
    """A command inside the guest failed, or the guest could not be reached."""

    exit_status = 6


class NotReadyError(GuestError):
    """The guest does not answer yet; trying again may help."""


class UnresponsiveError(GuestError):
    """The guest was logged in to, and answers or obeys no longer: its screen and its console may tell why."""


class HostKeyError(GuestError):
    """What answers by ssh is not the guest that was installed: no secret is for it."""


class InstallError(OzError):
    """The installer did not finish: it hung, crashed, rebooted, or powered off without its marker."""

    exit_status = 7


class HostError(OzError):
    """Something on this host is missing or broke: a tool, space, a permission, the hypervisor."""

    exit_status = 8


class Terminated(BaseException):
    """SIGTERM or SIGHUP arrived; raised in the main thread so that every context manager cleans up."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.signal_number = signal_number
