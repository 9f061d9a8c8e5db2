"""Make the demo clips and their manifest with free speech synthesisers.

Needs flite, espeak-ng and festival (Debian's packages of these names), NumPy and soundfile:

    python datasets/demo/make.py

Synthesis and noise are deterministic, so on one machine every run writes the same bytes.
"""

import csv
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import soundfile as sf

Samples = npt.NDArray[np.float64]
NoiseKind = Literal["white", "pink", "babble"]

DEMO = Path(__file__).resolve().parent
ROOT = DEMO.parents[1]
CLIPS = DEMO / "clips"

SAMPLING_RATE = 16_000  # Hz
TELEPHONE_RATE = 8_000  # Hz
TELEPHONE_BAND = (300, 3_400)  # Hz, what an analogue line lets through
MU = 255  # of the mu-law curve in ITU-T G.711

SPEECH_LEVEL = 10 ** (-29 / 20)  # RMS; leaves room for the loudest vowel
ROOM_LEVEL = 10 ** (-52 / 20)  # RMS; a quiet room, not digital silence
MARGIN = 0.25  # seconds of silence before and after speech
PARAGRAPH_PAUSE = 1.5  # seconds


@dataclass(frozen=True, slots=True)
class Noise:
    kind: NoiseKind
    snr: float  # in dB


@dataclass(frozen=True, slots=True)
class Clip:
    name: str
    speaker: str
    text: str
    condition: Literal["clean", "noise", "telephone", "long", "no speech"] = "clean"
    noise: Noise | None = None


UTTERANCES = [
    Clip(
        "weather",
        "flite-slt",
        "Rain moves in from the west this afternoon and clears by midnight. Tomorrow starts "
        "foggy, with a high of seventeen degrees.",
    ),
    Clip(
        "recipe",
        "flite-rms",
        "Fold the egg whites into the batter in three parts, and bake it for twenty-five "
        "minutes. Do not open the oven door.",
    ),
    Clip(
        "train",
        "flite-awb",
        "The nine fifteen to Glasgow is delayed by about twelve minutes. Please listen for further announcements.",
    ),
    Clip(
        "doctor",
        "flite-slt",
        "The patient reports a dry cough for ten days, no fever, and mild chest pain on the "
        "left side. I have prescribed an inhaler, two puffs every six hours.",
    ),
    Clip(
        "umbrella",
        "espeak-en-gb-x-rp",
        "Hi Daniel, this is Julia. I left my blue umbrella in your car. Could you bring it to work on Thursday?",
    ),
    Clip(
        "museum",
        "flite-awb",
        "The oldest clock in this room was built by two sisters from Norwich. It loses four seconds a year.",
    ),
    Clip(
        "standup",
        "flite-rms",
        "Yesterday I fixed the login page. Today I want to find out why the nightly backup takes three hours.",
    ),
    Clip(
        "garden",
        "espeak-en-us",
        "Water the tomatoes in the morning, not in the evening, and leave the basil alone until Sunday.",
    ),
    Clip(
        "football",
        "flite-slt",
        "She shoots from the edge of the box, it hits the post, and somehow the goalkeeper "
        "ends up with the ball in her arms!",
    ),
    Clip(
        "pilot",
        "flite-rms",
        "Good evening from the flight deck. We expect to land in Lisbon at ten to eight, a "
        "little early, thanks to a strong wind behind us.",
    ),
    Clip(
        "names",
        "espeak-en-gb-scotland",
        "Present were Doctor Hannah Becker, Mister Omar Haddad, and Professor Campbell, who took the minutes.",
    ),
    Clip(
        "bees",
        "festival-kal",
        "A single hive can hold fifty thousand bees, and in winter nearly all of them do "
        "nothing but shiver to keep the queen warm.",
    ),
    Clip(
        "bedtime",
        "flite-slt",
        "No, the dragon is not hungry. He had soup at your grandmother's house, and now he "
        "is looking for his other slipper.",
    ),
    Clip(
        "lost-dog",
        "flite-awb",
        "We are looking for a small brown dog with one white ear. He answers to Biscuit, and to the sound of a fridge.",
        condition="noise",
        noise=Noise("white", snr=20),
    ),
    Clip(
        "workshop",
        "flite-rms",
        "Measure twice before you drill, and wear the yellow goggles. The red ones are for visitors.",
        condition="noise",
        noise=Noise("pink", snr=15),
    ),
    Clip(
        "cafe",
        "flite-slt",
        "Could I have an oat milk latte and a slice of the lemon cake, please? And may I pay by card?",
        condition="noise",
        noise=Noise("babble", snr=14),
    ),
    Clip(
        "ferry",
        "flite-awb",
        "Passengers without a car should board through the blue door. The crossing takes "
        "fifty minutes, and the sea is rough today.",
        condition="noise",
        noise=Noise("pink", snr=10),
    ),
    Clip(
        "market",
        "espeak-en-gb-x-rp",
        "Six oranges for two pounds, the last strawberries of the summer, and free parsley for anybody who smiles.",
        condition="noise",
        noise=Noise("babble", snr=15),
    ),
    Clip(
        "pizza",
        "flite-rms",
        "I would like two large pizzas with mushrooms, one garlic bread, and a bottle of "
        "sparkling water. The address is forty-one Mill Lane.",
        condition="telephone",
    ),
    Clip(
        "library",
        "flite-slt",
        "Thank you for calling the city library. To renew a book, press one. For opening hours, press two.",
        condition="telephone",
    ),
    Clip(
        "parcel",
        "flite-awb",
        "My order number is four seven one, nine zero six, and the parcel has still not arrived.",
        condition="telephone",
    ),
    Clip(
        "heating",
        "festival-kal",
        "This is Margaret Olsen from room twelve. The radiator is making that whistling "
        "noise again, and nobody can sleep.",
        condition="telephone",
    ),
    Clip(
        "lighthouse",
        "flite-slt",
        """\
Welcome to the lighthouse. My name is Ellen, and I will be your guide for the next half hour. \
Before we climb, a word about the stairs. There are one hundred and ninety-six of them, they \
are narrow, and there is no lift. If you feel dizzy, sit down and let the others pass.

The tower was finished in eighteen fifty-eight. The builders carried the stone across the sand \
on carts, and they could only work for five hours a day, because twice a day the tide covered \
the road. On the first floor you can still see the mark that the highest wave left on the wall.

For ninety years a family lived here. They kept chickens on the balcony and grew potatoes in \
old boats filled with earth. The children went to school by rowing boat, and in bad weather \
they did not go at all. One of them, Arthur, learned to read from the labels on tins of fish.

There is a story about the winter of nineteen twelve. Snow fell for eleven days, the supply boat \
stayed in the harbour, and the family had nothing left but turnips and tea. On the twelfth day \
the mother opened the window and saw a cow on the beach. Nobody ever found out whose cow it \
was. They called her Monday, and she gave milk until the spring.

Above us is the lamp. At first it burned oil, and somebody had to wind a clock every four \
hours, all night long, to keep the lens turning. Today the light is electric and looks after \
itself. On a clear night a ship can see it from twenty miles away.

A few practical things. You may take as many photographs as you like, but please do not use a \
flash near the lens. The toilets are in the white building behind us, next to the shop. The \
shop sells postcards, honey from the island, and a very good carrot cake. It closes at half \
past five, and so does the road, because the tide comes back at six and does not wait for \
anybody.

When we reach the top, please hold on to your hats. Last summer the wind took three of them, \
and one was found on a beach in Denmark. Are there any questions? No? Then mind your head, and \
follow me.""",
        condition="long",
    ),
    Clip("empty-room", "none", "", condition="no speech"),
]


def speak(text: str, speaker: str) -> Samples:
    """Speech at 16 kHz by a speaker such as ``flite-slt`` or ``espeak-en-gb-scotland``."""
    synthesiser, voice = speaker.split("-", maxsplit=1)
    with tempfile.TemporaryDirectory() as folder:
        wav = f"{folder}/speech.wav"
        command = {
            "flite": ["flite", "-voice", voice, "-t", text, "-o", wav],
            "espeak": ["espeak-ng", "-v", voice, "-s", "150", "-w", wav, text],
            "festival": ["text2wave", "-eval", f"(voice_{voice}_diphone)", "-o", wav],
        }[synthesiser]
        # text2wave reads the text from standard input, the others ignore it.
        subprocess.run(command, input=text, text=True, check=True)
        samples, sampling_rate = sf.read(wav)
    speech = resample(samples, sampling_rate, SAMPLING_RATE)
    return speech * SPEECH_LEVEL / rms(speech)


def read_aloud(clip: Clip) -> Samples:
    """The paragraphs of a clip, with a pause after each but the last."""
    margin, pause = silence(MARGIN), silence(PARAGRAPH_PAUSE)
    parts = [margin]
    for number, paragraph in enumerate(clip.text.split("\n\n")):
        parts += [pause] * (number > 0) + [speak(paragraph, clip.speaker)]
    return np.concatenate([*parts, margin])


def silence(duration: float) -> Samples:
    return np.zeros(round(duration * SAMPLING_RATE))


def rms(samples: Samples) -> float:
    return float(np.sqrt(np.mean(samples**2)))


def resample(samples: Samples, old_rate: int, new_rate: int) -> Samples:
    """Change the sampling rate by cutting or padding the spectrum."""
    n_samples = round(len(samples) * new_rate / old_rate)
    return np.fft.irfft(np.fft.rfft(samples), n_samples) * new_rate / old_rate


def add_noise(speech: Samples, noise: Noise, rng: np.random.Generator) -> Samples:
    background = {"white": white, "pink": pink, "babble": babble}[noise.kind](len(speech), rng)
    level = rms(speech) / 10 ** (noise.snr / 20)
    return speech + background * level / rms(background)


def white(n_samples: int, rng: np.random.Generator) -> Samples:
    return rng.standard_normal(n_samples)


def pink(n_samples: int, rng: np.random.Generator) -> Samples:
    """Noise whose power falls by 3 dB an octave, from 20 Hz on."""
    spectrum = np.fft.rfft(rng.standard_normal(n_samples))
    frequencies = np.fft.rfftfreq(n_samples, 1 / SAMPLING_RATE)
    return np.fft.irfft(spectrum / np.sqrt(np.maximum(frequencies, 20)), n_samples)


def babble(n_samples: int, rng: np.random.Generator) -> Samples:
    """Eight people of the other clips talking at once, each from somewhere in their text."""
    crowd = np.zeros(n_samples)
    for talker in rng.choice(len(talkers()), size=8, replace=False):
        speech = talkers()[talker]
        start = rng.integers(len(speech))
        crowd += np.resize(np.roll(speech, -start), n_samples)
    return crowd


@cache
def talkers() -> list[Samples]:
    return [speak(clip.text, clip.speaker) for clip in UTTERANCES if clip.condition == "clean"]


def telephone(speech: Samples) -> Samples:
    """Speech as it comes out of a telephone, at 8 kHz: narrow band, 8-bit mu-law."""
    spectrum = np.fft.rfft(speech)
    frequencies = np.fft.rfftfreq(len(speech), 1 / SAMPLING_RATE)
    low, high = TELEPHONE_BAND
    spectrum[(frequencies < low) | (frequencies > high)] = 0
    narrow = resample(np.fft.irfft(spectrum, len(speech)), SAMPLING_RATE, TELEPHONE_RATE)

    compressed = np.sign(narrow) * np.log1p(MU * np.abs(narrow)) / np.log1p(MU)
    steps = np.round(compressed * 127) / 127
    expanded: Samples = np.sign(steps) * np.expm1(np.abs(steps) * np.log1p(MU)) / MU
    return expanded


def empty_room(duration: float, rng: np.random.Generator) -> Samples:
    """A quiet room with the hum of a transformer on 50 Hz mains."""
    n_samples = round(duration * SAMPLING_RATE)
    seconds = np.arange(n_samples) / SAMPLING_RATE
    hum: Samples = np.sum([np.sin(2 * np.pi * 100 * k * seconds) / k for k in (1, 2, 3)], axis=0)
    air = pink(n_samples, rng)
    room = air / rms(air) + hum / rms(hum)
    return room * ROOM_LEVEL / rms(room)


def render(clip: Clip, rng: np.random.Generator) -> tuple[Samples, int]:
    """The samples of a clip and their sampling rate."""
    if clip.condition == "no speech":
        return empty_room(5.0, rng), SAMPLING_RATE
    speech = read_aloud(clip)
    if clip.condition == "telephone":
        return telephone(speech), TELEPHONE_RATE
    if clip.noise is not None:
        return add_noise(speech, clip.noise, rng), SAMPLING_RATE
    return speech, SAMPLING_RATE


def write(samples: Samples, sampling_rate: int, stem: Path) -> Path:
    """Store as FLAC what is short and as MP3 what is long."""
    if len(samples) < 60 * sampling_rate:
        path = stem.with_suffix(".flac")
        sf.write(path, samples, sampling_rate, subtype="PCM_16")
    else:
        # Two minutes of FLAC would be half of the folder; this is about 25 kbit/s. Not Opus:
        # libsndfile gives every Ogg file a random serial number, so no two runs would agree.
        path = stem.with_suffix(".mp3")
        sf.write(path, samples, sampling_rate, bitrate_mode="VARIABLE", compression_level=0.8)
    return path


def main() -> None:
    CLIPS.mkdir(exist_ok=True)
    with (DEMO / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        manifest = csv.writer(file, lineterminator="\n")
        manifest.writerow(["path", "text", "speaker", "condition"])
        for number, clip in enumerate(UTTERANCES, start=1):
            # A seed for each clip, so that a longer text does not change the next one's noise.
            samples, sampling_rate = render(clip, np.random.default_rng(number))
            path = write(samples, sampling_rate, CLIPS / f"{number:02}-{clip.name}")
            text = " ".join(clip.text.split())
            relative = path.relative_to(ROOT).as_posix()
            manifest.writerow([relative, text, clip.speaker, clip.condition])


if __name__ == "__main__":
    main()
