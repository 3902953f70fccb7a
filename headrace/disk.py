"""The disk: whether it has room for what must be written down, and what keeps a new file's name."""

import os
from pathlib import Path


def free_bytes(folder: Path) -> int:
    """Bytes that we may still write where `folder` is, or will be. Raises OSError if that cannot be told."""
    there = folder.absolute()
    while not there.exists() and there != there.parent:
        there = there.parent
    room = os.statvfs(there)
    return room.f_bavail * room.f_frsize


def is_short(folder: Path, min_free_bytes: int) -> bool:
    """Whether less than `min_free_bytes` is free: take on nothing that must be stored."""
    return free_bytes(folder) < min_free_bytes


def sync_folder(folder: Path) -> None:
    """Have the names of its files survive a crash of the machine. Raises OSError."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
