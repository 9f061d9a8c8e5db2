"""Whether a film is shorter than the header at its beginning says.

The sound of a film may end before its picture, so that a length in seconds tells nothing about the end of the file.
AVI and ASF state their size in bytes.
"""

from __future__ import annotations

import struct

from .containers import Readable

__all__ = ["is_cut_film"]

ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
ASF_HEADER = 1 << 16  # bytes that are searched for them
ASF_IS_LIVE = 1  # a flag: the size is not valid
UNKNOWN = (0, 0xFFFFFFFF)


def is_cut_film(file: Readable, name: str) -> bool:
    """Whether an AVI (``avi``) or ASF (``asf``) file ends before its header says."""
    size = file.seek(0, 2)
    file.seek(0)
    head = file.read(ASF_HEADER)
    if name == "avi" and len(head) >= 12:
        (promised,) = struct.unpack_from("<I", head, 4)
        return promised not in UNKNOWN and size < promised + 8
    at = head.find(ASF_FILE_PROPERTIES)
    if name == "asf" and 0 <= at <= len(head) - 104:
        (promised,) = struct.unpack_from("<Q", head, at + 40)
        (flags,) = struct.unpack_from("<I", head, at + 88)
        return not flags & ASF_IS_LIVE and size < promised
    return False
