"""Whose spool a folder is. `spool.toml` says which stream of batches it belongs to and its epoch; `lock` is held by the
process that forwards from it."""

from __future__ import annotations

import errno
import json
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, NoReturn

from ..errors import SpoolError, SpoolFull, SpoolInUse

if sys.platform == "win32":
    raise ImportError("the spool needs a POSIX system, as Linux or macOS; Gateway.push and query work without one")

import fcntl

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True)
class Identity:
    """Content of `spool.toml`."""

    producer: str
    table: str
    encoding: str
    epoch: int
    version: int = 1

    def __str__(self) -> str:
        return f"producer {json.dumps(self.producer, ensure_ascii=False)}, table {self.table!r}, encoding {self.encoding}"

    def text(self) -> str:
        """It as TOML. JSON's strings are strings of TOML too."""
        values = {
            "version": self.version,
            "producer": self.producer,
            "table": self.table,
            "encoding": self.encoding,
            "epoch": self.epoch,
        }
        return "".join(f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in values.items())


def take(folder: Path, wanted: Identity) -> tuple[BinaryIO, int]:
    """Takes a folder, which is made where it is missing: gives its lock, to be held open, and its epoch. A new one gets
    `wanted.epoch`; one that is there keeps its own, since the numbers in it belong to that."""
    lock_path, path = folder / "lock", folder / "spool.toml"
    try:
        _make(folder)
        lock = open(lock_path, "ab")  # noqa: SIM115
    except OSError as error:
        fail(folder, error)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            raise SpoolInUse(folder, "it is in use by another process or object") from None
        fail(lock_path, error)
    try:
        if not path.exists():
            write_durably(path, wanted.text().encode())
            return lock, wanted.epoch
        # A process that was killed between naming the file and syncing the folder has left a name in memory only. Batches
        # are sent under this epoch from now on, so it must be the one after a loss of power.
        sync_folder(folder)
        found = _read(path)
        if replace(found, epoch=wanted.epoch) != wanted:
            raise SpoolError(folder, f"it is of {found}, not of {wanted}; give each stream of batches a folder of its own")
        return lock, found.epoch
    except BaseException:
        lock.close()
        raise


def _make(folder: Path) -> None:
    """Makes a folder, durably where this user may read the one that holds it; one that is there is fine."""
    was_there = folder.is_dir()
    folder.mkdir(parents=True, exist_ok=True)
    # What this user may not read, somebody else has made.
    if not was_there or os.access(folder.parent, os.R_OK):
        sync_folder(folder.parent)


def _read(path: Path) -> Identity:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
        producer, table, encoding = (str(values[name]) for name in ("producer", "table", "encoding"))
        return Identity(producer, table, encoding, int(values["epoch"]), int(values["version"]))
    except OSError as error:
        fail(path, error)
    except (ValueError, KeyError, TypeError) as error:
        raise SpoolError(path, f"it has an unknown form ({error!r})") from error


def write_durably(path: Path, content: bytes) -> None:
    """Writes a small file so that it is either there as a whole or as it was before."""
    new_path = path.with_suffix(".new")
    try:
        with open(new_path, "wb") as file:
            file.write(content)
            file.flush()
            sync(file.fileno())
        os.replace(new_path, path)
    except OSError as error:
        fail(path, error)
    sync_folder(path.parent)


def sync(descriptor: int) -> None:
    """Brings what was written to a file to its disk, through the disk's own cache where the system does that on demand."""
    if sys.platform == "darwin":
        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    else:
        os.fsync(descriptor)


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder durable."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        fail(folder, error)


def fail(path: Path, error: OSError) -> NoReturn:
    """Raises an error of the file system as one of the spool."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        raise SpoolFull(path, "its disk is full; the batch is not taken") from error
    raise SpoolError(path, error.strerror or str(error)) from error
