"""Earlier versions of the normalizers: reached by name, their texts as they were."""
# ruff: noqa: RUF001 -- letters that look like others are what this is about

from __future__ import annotations

import hashlib
import pickle
import random

import pytest

from asrkit.errors import OptionError
from asrkit.normalizers import NAMES, English, Multilingual, Normalizer, find, version_1


def listed(text: str) -> list[str]:
    return text.split()


# Words and signs that the rules of version 1 read, in texts of which the digest is below.
WORDS = listed(
    "one two three nine twenty thirty hundred thousand million first second half quarter point dot and a i o "
    "oh double minus percent dollars cents pounds euros pence km kg mph am pm p.m. o'clock B.B.C. U.S.A. b c "
    "Mr. Dr. St. Main don't it's he'd Mario's gonna ER uh um hm mm-hmm colour Centre 1 2 12 007 1,000 3.14 "
    "1.10.1 $5 $5.20 5€ £2m 50% 21st 1980s 10:30 5:00 1/2 9/11 919-696-3901 (919) 3(b) [noise] <unk> café "
    "naïve İstanbul ISPARTA किताबें كِتَاب می\u200cروم שלום ｃａｆé ½ ² – … ’ É ß Œ ş ț ŞI ＡＢＣ ٣ ١٢٫٥ 你好， L’été "
    "O’Brien AT&T Wi-Fi e-mail"
)
DIGESTS = [
    (version_1.English(), "e0e08d00b7875294"),
    (version_1.Multilingual(), "6908513203bac30e"),
    (version_1.Multilingual("tr"), "4b431be256954d74"),
    (version_1.Multilingual(harakat=False), "75c337717842a0d1"),
]


def texts() -> list[str]:
    chosen = random.Random(20261128)
    return [
        "".join(
            chosen.choice(WORDS) + chosen.choice([" ", " ", ", ", ". ", "-", ""]) for _ in range(chosen.randint(1, 8))
        )
        for _ in range(4000)
    ]


@pytest.mark.parametrize("normalizer, digest", DIGESTS, ids=lambda given: getattr(given, "name", ""))
def test_version_1_gives_the_texts_of_asrkit_0_1_0(normalizer, digest):
    lines = "".join(f"{normalizer(text)}\n" for text in texts())

    assert hashlib.sha256(lines.encode()).hexdigest()[:16] == digest


@pytest.mark.parametrize(
    "text, expected",
    [
        ("one thousand, one hundred", "1000 100"),
        ("I, I, I think", "iii think"),
        ("the ER", "the"),
        ("5-6", "56"),
        ("(919)", ""),
        ("5€", "5"),
        ("at ten thirty", "at 1030"),
    ],
)
def test_version_1_keeps_its_faults(text, expected):
    assert find("english-1")(text) == expected != find("english")(text)


@pytest.mark.parametrize(
    "name, recorded",
    [
        ("english-1", ("english", "1")),
        ("english-2", ("english", "2")),
        ("english", ("english", "2")),
        ("multilingual-1", ("multilingual", "1")),
        ("multilingual-2", ("multilingual", "2")),
        ("multilingual", ("multilingual", "2")),
    ],
)
def test_a_version_is_asked_for_by_name_and_recorded_as_old_scores_have_it(name, recorded):
    normalizer = find(name)

    assert (normalizer.name, normalizer.version) == recorded
    assert isinstance(normalizer, Normalizer)
    assert pickle.loads(pickle.dumps(normalizer)) == normalizer


def test_a_version_of_multilingual_knows_the_language():
    assert find("multilingual-1", language="tr")("ISPARTA") == "ısparta"
    assert find("multilingual-1", language="tr").name == "multilingual-tr"


def test_the_name_alone_is_the_newest_version():
    assert find("english") == find("english-2") == English() != find("english-1")
    assert find("multilingual") == find("multilingual-2") == Multilingual()
    assert not any(name[-1].isdigit() for name in NAMES)


def test_a_version_that_there_is_not_is_refused_with_those_that_there_are():
    with pytest.raises(OptionError, match=r"no normalizer 'english-3' .*the versions english-1, english-2, multiling"):
        find("english-3")
