"""Languages as tables spell them: codes of two or three letters, regions, and what says that nobody knows."""

from __future__ import annotations

import pytest

from asrkit.backends.whisper_languages import known_code
from asrkit.batch import checked_language
from asrkit.errors import OptionError
from asrkit.language_codes import known_language, main_code


class Knows:
    """A backend that knows Whisper's languages."""

    def language_code(self, language: str) -> str:
        return known_code(language)


@pytest.mark.parametrize("written", ["de", "DE", "deu", "ger", "de-AT", "de_CH", "german", " German "])
def test_one_language_has_one_code_however_it_is_written(written):
    assert checked_language(Knows(), written) == "de"


@pytest.mark.parametrize("written", [None, "", " ", "und", "auto", "unknown", float("nan")])
def test_what_says_that_nobody_knows_is_no_language(written):
    assert known_language(written) is None
    assert checked_language(Knows(), written) is None


def test_a_language_that_does_not_exist_is_refused_by_name():
    with pytest.raises(OptionError, match="unknown language 'xx'"):
        checked_language(Knows(), "xx")


def test_a_code_that_is_not_listed_stays_itself():
    assert main_code("tlh-Latn") == "tlh"
