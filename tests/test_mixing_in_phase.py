"""What two channels hold in phase survives whatever louder sound they hold in antiphase."""

from __future__ import annotations

import numpy as np
import pytest
from test_mixing import RATE, likeness, voice

from asrkit.mixing import Mixer

VOICE = np.concatenate([np.append(voice(seed, 1.5), np.zeros(RATE // 2, np.float32)) for seed in range(3)])
TIME = np.arange(len(VOICE)) / RATE
BESIDE = {
    "a tone": 0.3 * np.sin(2 * np.pi * 440 * TIME),
    "a high tone": 0.5 * np.sin(2 * np.pi * 2_000 * TIME),
    "noise": np.random.default_rng(1).normal(0, 0.2, len(VOICE)),
    "another voice": 1.4 * np.concatenate([voice(seed) for seed in (11, 12, 13)]),
}


@pytest.mark.parametrize("beside", BESIDE.values(), ids=BESIDE.keys())
def test_a_voice_in_the_middle_is_kept_beside_louder_sound_in_antiphase(beside):
    mixer = Mixer(None)

    mono = mixer.mix(np.stack([VOICE + beside, VOICE - beside]).astype(np.float32), RATE)

    assert likeness(mono[: RATE * 5], VOICE[: RATE * 5]) > 0.95
    assert [warning[:9] for warning in mixer.warnings] == ["cancelled"]


@pytest.mark.parametrize("hiss", [0.0003, 0.003, 0.01])
def test_hiss_in_each_channel_does_not_hide_a_voice_in_antiphase(hiss):
    noise = np.random.default_rng(2).normal(0, hiss, (2, len(VOICE)))

    mono = Mixer(None).mix((np.stack([VOICE, -VOICE]) + noise).astype(np.float32), RATE)

    assert likeness(mono, VOICE) > 0.95


def test_two_voices_at_once_on_their_own_sides_are_no_loss():
    mixer = Mixer(None)

    mono = mixer.mix(np.stack([VOICE, VOICE[::-1]]), RATE)

    assert likeness(mono, VOICE + VOICE[::-1]) > 0.99
    assert mixer.warnings == {}
