"""Every error ATLAS raises on purpose, grouped by what the operator does about it.

    AtlasError                  exit 1   the command failed; the message says what to do
    ├── ChildFailed             its own a process ATLAS started has failed: see its words
    ├── UsageError              exit 2   the command line was wrong: call it again, corrected
    ├── DataError               exit 65  an input file or payload is wrong: mend the file
    ├── UnavailableError        exit 69  something outside is not there: start it, or try again
    │   ├── ExchangeError                the exchange refused or could not be reached
    │   └── DatabaseError                the database could not be reached or refused
    ├── InternalError           exit 70  a fault of ATLAS itself: report it
    ├── TemporaryError          exit 75  try again later
    │   └── AlreadyRunning               another daemon holds this account
    │       └── SetupTaken               another shard has entered this setup
    ├── CredentialError         exit 77  a key or password is missing or refused
    └── ConfigurationError      exit 78  the configuration is wrong: mend it
        ├── UnknownProduct               the product is not in the exchange's listing
        └── MigrationPending             the database needs `atlas db upgrade`

The message of each says what was wrong, with the value, and what to do. Exit codes follow sysexits.h.
"""

from typing import ClassVar


class AtlasError(Exception):
    """The base of all errors ATLAS raises on purpose. `exit_code` is what a command ends with."""

    exit_code: ClassVar[int] = 1


class ChildFailed(AtlasError):
    """A process ATLAS started has failed; the command ends with the same exit code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.exit_code = code  # type: ignore[misc]  # of this one failure, not of the class


class UsageError(AtlasError):
    """The command line was wrong."""

    exit_code = 2


class DataError(AtlasError):
    """An input file or a payload is wrong; the message names file, line and value."""

    exit_code = 65


class UnavailableError(AtlasError):
    """Something outside ATLAS is not there."""

    exit_code = 69


class ExchangeError(UnavailableError):
    """The exchange refused a request or could not be reached."""


class DatabaseError(UnavailableError):
    """The database could not be reached or refused."""


class InternalError(AtlasError):
    """A fault of ATLAS itself."""

    exit_code = 70


class TemporaryError(AtlasError):
    """Try again later."""

    exit_code = 75


class AlreadyRunning(TemporaryError):
    """Another daemon holds this account."""


class SetupTaken(AlreadyRunning):
    """Another shard of the group has entered this setup."""


class CredentialError(AtlasError):
    """A key or password is missing or was refused."""

    exit_code = 77


class ConfigurationError(AtlasError):
    """The configuration is wrong."""

    exit_code = 78


class UnknownProduct(ConfigurationError):
    """The product is not in the exchange's listing, or a needed field of it is missing."""


class MigrationPending(ConfigurationError):
    """The database's schema is not the one this version needs."""
