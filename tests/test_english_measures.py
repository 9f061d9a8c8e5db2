"""English days, weights, times, fractions, speeds and products, written and spoken: what meets and what does not."""
# ruff: noqa: RUF001 -- the multiplication sign is meant

from __future__ import annotations

import random
from itertools import combinations

import pytest

from asrkit.normalizers import English

normalize = English()

SAME = """\
17 May|May 17th|the seventeenth of May|May 17|17th May|seventeen may
on 5 March|on the fifth of March|on March 5th
he came on 2 May.|he came on the second of May|he came on May 2
from 3 May until 9 May|from the third of May until the ninth of May
31 March was cold|March 31st was cold|the thirty first of March was cold
she gained ten pounds|she gained 10 lbs
he lost about one hundred and fifty pounds|he lost about 150 lbs
½ lb of butter|half a pound of butter|1/2 pound of butter
£5|five pounds
9.30 am|9:30 a.m.|nine thirty am|9.30am|9:30AM
10.15pm|ten fifteen p m|10:15 p.m.
9.00 am|nine am|9:00 a.m.
9.30 to 10.15 am|9:30 to 10:15 am|nine thirty to ten fifteen am
½ cup|half a cup|a half cup|1/2 cup|one half cup
½ hour|half an hour|a half hour
half a mile|1/2 mile|a half mile
¼ mile|a quarter mile|a quarter of a mile|quarter of a mile
⅛ inch|an eighth of an inch|one eighth inch|an eighth inch
⅓ cup|a third of a cup|one third of a cup
¾ of an inch|three quarters of an inch|3/4 inch
⅔ cup|two thirds of a cup
0.5%|half a percent|point five percent|half a per cent|½%|a half percent
0.25%|a quarter of a percent|1/4 percent
0.1%|a tenth of a percent
2.5%|two and a half percent|2 1/2%|2½ percent
eighty km/h|80 km/h|eighty kilometers per hour|80 kmh|eighty kilometres an hour
five m/s|5 m/s|five meters per second
ten kg|10kg|ten kilos
twenty °C|20°C|twenty degrees Celsius
sixty mph|60 mph|sixty miles an hour
eight oz|8oz|eight ounces
six ft|6ft|six feet
nine hundred, sixty|960|nine hundred and sixty
$19.95|nineteen dollars and ninety-five cents|nineteen dollars ninety-five
$1995|nineteen ninety-five dollars
33 1/3|thirty three and a third|33⅓|thirty-three and one third
2 1/6|two and a sixth|2⅙
0800 hours|oh eight hundred hours|zero eight hundred hours
at 0800 hours|at eight hundred hours
at 1430 hours|at fourteen thirty hours
0830 hours|oh eight thirty hours
5 x 6|five times six|5 × 6|5x6
5 × 6 = 30|five times six equals thirty
"""
DIFFERENT = """\
17 may go|May 17th go
all five may|May 5th
5 may be late|May 5th be late
on the fifth may be|on May 4th be
those 3 may|May 3rd
we march 3 miles|we march 3rd miles
in May|in March
17 May|17 March
17 May|7 May
5 lbs|£5
he paid five pounds|he paid 5 lbs
he lost five million pounds|he lost 5 million lbs
5 lbs|5 kg
she gained ten pounds|she gained £10
9.30 am|9.13 am
9.30 am|9.30 pm
9.30|9:30
it rose 9.30|it rose 9:30
9.75 am|9:75 am
½ cup|1 cup
half a cup|half a pint
half a cup|a quarter of a cup
½ cup|cup
one half|half
a half|half
a third of a cup|the third cup
a third of them|1/3 cup
half an hour|an hour and a half
0.5%|5%
half a percent|half a percentage
half a percent|50%
a quarter of a percent|25%
eighty km/h|eighty km
80 km/h|80 m/h
ten kg|ten g
twenty °C|twenty °F
nine hundred, sixty|900, 60, 5
one hundred, two hundred|102 hundred
of nine hundred, sixty came|of 960 came
two thousand, five people|2005 people
two hundred, five people|205 people
nine hundred, sixty, seventy|960, 70
$19.95|$1995
33 1/3|33 1/4
five and a third of them|5 1/3 of them
five and a fourth man|5 1/4 man
0800 hours|800 hours
eight hundred hours|eighty hours
at 0800 hours|at 8 hours
5 x 6|56
five times six|5 plus 6
five times six people|5 by 6 people
five times|five by
night/day|night per day
"""
SAME_TEXTS = [line.split("|") for line in SAME.splitlines()]
DIFFERENT_TEXTS = [line.split("|") for line in DIFFERENT.splitlines()]


@pytest.mark.parametrize("texts", SAME_TEXTS, ids=lambda texts: texts[0])
def test_measures_written_and_spoken_meet(texts):
    assert len({normalize(text) for text in texts}) == 1, {text: normalize(text) for text in texts}


@pytest.mark.parametrize("one, other", DIFFERENT_TEXTS)
def test_measures_of_something_else_stay_apart(one, other):
    assert normalize(one) != normalize(other)


def test_no_two_groups_that_mean_something_else_become_one():
    forms = [(texts[0], normalize(texts[0])) for texts in SAME_TEXTS]

    assert [(one, other) for (one, a), (other, b) in combinations(forms, 2) if a == b] == []


@pytest.mark.parametrize("month", ["January", "March", "April", "May", "June", "September", "December"])
def test_every_day_of_a_month_without_a_year_meets_its_ordinal(month):
    for day in range(1, 32):
        ending = {1: "st", 2: "nd", 3: "rd"}.get(day % 10 if day not in (11, 12, 13) else 0, "th")
        written = {
            f"on {day} {month}",
            f"on {month} {day}{ending}",
            f"on the {day}{ending} of {month}",
            f"on {month} {day}",
        }

        assert len({normalize(text) for text in written}) == 1, (month, day)


@pytest.mark.parametrize(
    "text", ["you may go", "we march on", "they may not", "all of the 5 may go", "five may be enough"]
)
def test_the_verbs_may_and_march_stay_words(text):
    assert not any(word[-2:] in ("st", "nd", "rd", "th") for word in normalize(text).split()[-2:])


@pytest.mark.parametrize("seed", range(4))
def test_measures_in_any_company_are_the_same_when_they_are_normalised_again(seed):
    rng = random.Random(seed)
    words = [word for line in (SAME + DIFFERENT).splitlines() for text in line.split("|") for word in text.split()]
    for _ in range(600):
        text = " ".join(rng.choice(words) + rng.choice(["", "", "", ","]) for _ in range(rng.randint(1, 9)))
        once = normalize(text)

        assert normalize(once) == once, text
