"""Ears and eyes for a notebook: hear a clip, correct a frame, look through many rows.

Each widget is a class here and one ES module in ``static/``; nothing is bundled and nothing is fetched. What they
share:

``assets``
    ``module(name)`` is ``common.js`` followed by ``<name>.js`` (which ends in ``export default { render }``), for
    ``_esm``; ``style()`` is for ``_css``.
``base.Widget``
    The page asks, Python answers: a message ``{"op": "clip", "ask": 7, ...}`` calls ``answer_clip(message, buffers)``
    under ``self.lock``; what that returns (a ``Reply``, or None) goes back with the same ``op`` and ``ask``. An error
    that asrkit raises goes back as ``{"op": "error", "of": "clip", "code": ..., "message": ...}``. Subclasses name
    their module, build on ``fallback()`` (HTML for a notebook without kernel) and ``offline()`` (the questions whose
    answers ``to_html`` stores).
``clips.Clips``
    Cells of audio by item id -> ``Clip``: WAV that every browser plays, peaks for the waveform, a mel spectrogram.
    ``base.Widget`` answers ``clip``, ``overview`` and ``mel`` from ``self.clips``.
``aligned``
    A reference and a hypothesis as the score aligns them: ``marks`` for the page, ``card`` as HTML, and the counts.

In ``static/common.js``: ``h`` (elements; the only way to make one that takes the focus), ``guardKeys``, ``Cleanup``,
``Channel`` (``ask`` and ``on``), ``ClipStore`` (Blob URLs, prefetch), ``Transport`` (play, seek, loop, speed),
``Waveform``, ``drawMel``, ``WordLine``, ``diff``, ``Status``, ``Outbox`` (what Python has not acknowledged yet).
"""
