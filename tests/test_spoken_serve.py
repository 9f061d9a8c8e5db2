"""The server settles the languages of a recording's windows as a run does."""

from __future__ import annotations

import io

import numpy as np
import soundfile
from test_serve import RUN, TURBO, ask
from test_serve import as_base64 as body
from test_spoken import CHANGING, DOUBTFUL, Guesser

import asrkit.serve
from asrkit import transcribe
from asrkit.serve import Settings


def test_a_recording_through_the_server_reads_as_in_a_run():
    backend = Guesser(batch_size=4)
    [*alone] = transcribe([DOUBTFUL, CHANGING], model=Guesser(batch_size=4), progress=False)

    with asrkit.serve.background(Settings(model=backend, port=0)) as server:
        for (sound, rate), expected in zip((DOUBTFUL, CHANGING), alone, strict=True):
            file = io.BytesIO()
            soundfile.write(file, np.asarray(sound), rate, format="WAV")
            result = ask(server, f"{RUN}/{TURBO}", body(file.getvalue())).result
            assert result["text"] == expected.text
            assert result["transcription_info"]["language"] == expected.language
