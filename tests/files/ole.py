"""Write small OLE compound files, as much of the format as tests of readers need."""

from __future__ import annotations

import itertools
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SECTOR, MINI, CUTOFF = 512, 64, 4096
FREE, END, FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD


def write_ole(path: Path, streams: dict[str, bytes]) -> Path:
    """Write streams named ``folder/name`` (or ``name``) into a version 3 file."""
    sectors: list[bytes] = []
    fat: list[int] = []

    def store(data: bytes) -> int:
        if not data:
            return END
        first = len(sectors)
        pieces = [data[i : i + SECTOR] for i in range(0, len(data), SECTOR)]
        for number, piece in enumerate(pieces):
            sectors.append(piece.ljust(SECTOR, b"\0"))
            fat.append(first + number + 1 if number < len(pieces) - 1 else END)
        return first

    mini, mini_fat = b"", []
    places = {}
    for name, data in streams.items():
        if len(data) >= CUTOFF:
            places[name] = store(data)
            continue
        first, count = len(mini_fat), max(1, -(-len(data) // MINI))
        mini += data.ljust(count * MINI, b"\0")
        mini_fat += [*range(first + 1, first + count), END]
        places[name] = first

    folders: dict[str, list[str]] = {}
    for name in streams:
        folders.setdefault(name.rpartition("/")[0], []).append(name)
    top = [name for name in folders if name] + folders.get("", [])
    order = ["", *top]
    order += [name for folder in folders if folder for name in folders[folder]]
    where = {name: number for number, name in enumerate(order)}
    right = {}
    for family in (top, *(names for folder, names in folders.items() if folder)):
        right.update(dict(itertools.pairwise(family)))

    root = store(mini)
    entries = b""
    for name in order:
        is_folder = name in folders and name not in streams
        children = top if name == "" else folders.get(name, []) if is_folder else []
        kind = 5 if name == "" else 1 if is_folder else 2
        start, size = (root, len(mini)) if name == "" else (0, 0)
        if kind == 2:
            start, size = places[name], len(streams[name])
        text = ("Root Entry" if name == "" else name.rpartition("/")[2]) + "\0"
        encoded = text.encode("utf-16-le")
        entries += encoded.ljust(64, b"\0")
        entries += struct.pack("<HBB", len(encoded), kind, 1)
        entries += struct.pack(
            "<III",
            FREE,
            where[right[name]] if name in right else FREE,
            where[children[0]] if children else FREE,
        )
        entries += bytes(36) + struct.pack("<IQ", start, size)
    directory = store(entries.ljust(-(-len(entries) // SECTOR) * SECTOR, b"\0"))
    mini_first = store(struct.pack(f"<{len(mini_fat)}I", *mini_fat))
    mini_count = -(-len(mini_fat) * 4 // SECTOR)

    per_sector = SECTOR // 4
    fat_count = 1
    while fat_count * per_sector < len(fat) + fat_count:
        fat_count += 1
    fat_first = len(sectors)
    fat += [FAT] * fat_count
    fat += [FREE] * (fat_count * per_sector - len(fat))
    difat = [*range(fat_first, fat_first + fat_count)] + [FREE] * (109 - fat_count)
    header = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(16)
    header += struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    header += struct.pack(
        "<IIIIIIIII",
        *(0, fat_count, directory, 0, CUTOFF),
        *(mini_first, mini_count, END, 0),
    )
    header += struct.pack("<109I", *difat)
    body = b"".join(sectors) + struct.pack(f"<{len(fat)}I", *fat)
    path.write_bytes(header + body)
    return path
