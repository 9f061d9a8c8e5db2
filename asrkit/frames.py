"""FFmpeg's frames -> arrays, with the channels counted as the frame counts them.

Two habits of PyAV end the process where a file has many channels, so neither is used here:

- ``AudioFrame.planes``, and with it ``to_ndarray``, counts pointers until one is null. FFmpeg sets all eight of a
  frame with eight channels, and keeps those of more channels in a list without a null at its end, so it reads on.
- An ``AudioLayout`` is a copy that shares the list of channels of a custom layout, and frees it as if it were its own.
  The frame or the codec frees it again. A layout that may have such a list is therefore kept for ever: some bytes for
  each, in rare files.
"""

from __future__ import annotations

import ctypes
import re
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from av import AudioFrame
    from av.audio.layout import AudioLayout
    from av.audio.stream import AudioStream

__all__ = ["frame_samples", "set_plain_layout", "settle"]

# FFmpeg's sample formats without the "p" of planar ones.
TYPES: dict[str, type[np.number[Any]]] = {
    "u8": np.uint8,
    "s16": np.int16,
    "s32": np.int32,
    "s64": np.int64,
    "flt": np.float32,
    "dbl": np.float64,
}
# Names of layouts that have no list: "stereo", "5.1(side)", "16 channels", but not "2 channels (FR+FL)". Demuxers turn
# a list that says the same as a name into that name.
PLAIN = re.compile(r"[a-z]+(\([a-z]+\))?|\d+\.\d+(\.\d+)?(\([a-z-]+\))?|\d+ channels")


def frame_samples(frame: AudioFrame) -> np.ndarray[Any, Any]:
    """The samples of a frame as they are, shape ``(channels, n_samples)``.

    Raises:
        ValueError: a sample format that is not known here.
    """
    from av.audio.plane import AudioPlane

    name = frame.format.name
    dtype = TYPES.get(name.removesuffix("p"))
    if dtype is None:
        raise ValueError(f"expected samples in one of {', '.join(TYPES)}, got {name}")
    channels, count = frame.layout.nb_channels, frame.samples

    def plane(index: int, values: int) -> np.ndarray[Any, Any]:
        memory: Any = AudioPlane(frame, index)  # a buffer, as memoryview is
        return np.frombuffer(memory, dtype, values)

    if not frame.format.is_planar:
        return plane(0, count * channels).reshape(count, channels).T
    if channels == 1:
        return plane(0, count)[None]
    return np.stack([plane(index, count) for index in range(channels)])


def settle(frames: list[AudioFrame]) -> list[AudioFrame]:
    """The same frames, which may now be let go of; to be called with all frames of a packet at once."""
    for frame in frames:
        _keep_if_custom(frame.layout)
    return frames


def set_plain_layout(stream: AudioStream) -> None:
    """Replace a custom layout of a stream by one that only counts, before anything else asks for it.

    The order of channels does not matter here, and the frames of most codecs take their layout from it.
    """
    codec = stream.codec_context
    layout = codec.layout
    if _keep_if_custom(layout) and not codec.is_open:
        codec.layout = f"{layout.nb_channels} channels"


def _keep_if_custom(layout: AudioLayout) -> bool:
    """Keep the layout for ever unless its name shows that it has no list of channels."""
    try:
        is_plain = PLAIN.fullmatch(layout.name) is not None
    except (RuntimeError, ValueError):  # it has no name, or none that is text
        is_plain = False
    if not is_plain:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(layout))
    return not is_plain
