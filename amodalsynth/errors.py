"""Every error that a user can cause, and the exit status that the command line gives it.

    AmodalSynthError                     1
    ├── ConfigurationError (ValueError)  2   a wrong field, flag, preset or argument
    │   └── OutputConflict               2   the output folder holds something else: another configuration, unfinished work, a second writer
    ├── DataError (ValueError)           3   a data set or annotation file that cannot be read, or was judged and has faults
    ├── AssetError                       4   an asset is missing, damaged or unusable
    │   ├── AssetMissing                 4   not fetched, not added, not at the path given
    │   ├── AssetDamaged                 4   wrong hash, truncated, an archive that must not be unpacked
    │   └── CutoutError                  4   a photo from which no cutout can be made
    └── OutputError (OSError)            5   the output could not be written: full disk, read-only folder

A message says what is wrong, where, what was expected, what was found and what to do, on one line. `SceneRejected` is no error
of the user's: it tells `generate_sample` to draw the scene again.
"""

from __future__ import annotations


class AmodalSynthError(Exception):
    """Base of every error below; the command line prints it on one line and exits with `exit_status`."""

    exit_status = 1


class ConfigurationError(AmodalSynthError, ValueError):
    """A field, flag, preset or argument that cannot be used."""

    exit_status = 2


class OutputConflict(ConfigurationError):
    """The output folder holds work that this command must not touch."""


class DataError(AmodalSynthError, ValueError):
    """A data set or annotation file that cannot be read, or that has faults."""

    exit_status = 3


class AssetError(AmodalSynthError):
    """An asset is missing, damaged or unusable."""

    exit_status = 4


class AssetMissing(AssetError):
    """An asset was neither fetched nor added, or is not at the path given."""


class AssetDamaged(AssetError):
    """A download or an archive that is not what its manifest says, or that must not be unpacked."""


class CutoutError(AssetError):
    """A photo from which no cutout can be made; the message is the reason alone, the caller names the file."""


class OutputError(AmodalSynthError, OSError):
    """The output could not be written."""

    exit_status = 5


class SceneRejected(Exception):
    """A scene with an instance that is not visible enough; it is drawn again as a whole (paper, section 3.1)."""
