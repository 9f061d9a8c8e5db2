"""Words whose company decides what a figure or a numeral means: months, chapters, rulers, times, scores."""

from __future__ import annotations

__all__ = [
    "ABBREVIATIONS",
    "BIBLE",
    "CLOCK_AFTER",
    "CLOCK_BEFORE",
    "COUNTED",
    "MODAL_BEFORE",
    "MONTHS",
    "MONTHS_SHORT",
    "NUMBER_BEFORE",
    "POINT_AFTER",
    "PRICE_FOLLOWED_BY",
    "RULERS",
    "SCORE_AFTER",
    "SCORE_BEFORE",
    "SINGLE_LETTER_COUNTED",
    "words_of",
]


def words_of(text: str) -> frozenset[str]:
    """The words of a list that is written as one text."""
    return frozenset(text.split())


MONTHS = {
    name: number
    for number, name in enumerate(
        [
            "january",
            "february",
            "march",
            "april",
            "may",
            "june",
            "july",
            "august",
            "september",
            "october",
            "november",
            "december",
        ],
        1,
    )
}
MONTHS_SHORT = {name[:3]: name for name in MONTHS if name != "may"} | {"sept": "september"}
# After these "may" and "march" are verbs, whatever number follows.
MODAL_BEFORE = words_of(
    "i you he she it we they who that this these those there which what one ones people to will would can could shall "
    "should must not and or but as so then also"
)

# A Roman numeral after these is a cardinal: chapter iv.
COUNTED = words_of(
    "chapter part volume vol book act scene section article appendix title type class phase stage figure table "
    "schedule category unit lesson level mark war bowl olympiad rocky episode round grade division region group "
    "amendment canto sonnet psalm paragraph exhibit tier generation symphony opus no number vatican apollo saturn "
    "wrestlemania fantasy trauma factor nerve corps zone annex plan series season day auto"
)
# Only after these may a numeral be the single letter v or x; after the others it is a name (type x, plan v).
SINGLE_LETTER_COUNTED = words_of(
    "chapter part volume vol book act scene section article title war bowl amendment canto sonnet psalm paragraph "
    "saturn apollo rocky episode phase stage auto"
)
# A Roman numeral after these is an ordinal with "the": Henry VIII.
RULERS = words_of(
    "henry louis charles edward elizabeth george james john paul richard william philip philippe napoleon frederick "
    "friedrich wilhelm catherine nicholas alexander ptolemy ramses ramesses rameses thutmose amenhotep seti pius "
    "benedict gregory leo clement innocent boniface urban julius sixtus alexius constantine justinian theodosius "
    "leopold ferdinand francis joseph maximilian rudolf rudolph otto conrad sigismund albert alfonso carlos juan pedro "
    "peter ivan boris fyodor mary anne victoria isabella margaret christian gustav gustavus adolf eric erik harald "
    "haakon olaf magnus oscar valdemar canute cnut edmund ethelred robert malcolm david baldwin bela casimir "
    "sigmund stephen stefan vladislav umberto emmanuel amadeus xerxes darius cyrus artaxerxes cambyses antiochus "
    "seleucus mithridates attalus cleopatra nectanebo psamtik sargon rama mehmed mehmet selim murad suleiman bayezid "
    "abdulhamid mahmud osman ahmed akbar hussein abdullah mohammed muhammad hassan faisal farouk fuad celestine "
    "honorius adrian hadrian eugene martin nicholas callixtus sylvester anastasius stephanus theodore michael basil "
    "romanos manuel andronikos umberto felipe alfonse beatrix juliana wilhelmina willem albrecht ernest "
    "augustus gilgamesh tiglath shalmaneser nebuchadnezzar ashurnasirpal jean"
)

# "ten thirty" is a time of day after or before these ...
CLOCK_BEFORE = words_of("at by until till til around before after since from between about past")
CLOCK_AFTER = words_of("am pm o'clock tonight tomorrow today sharp gmt utc est pst cet")
BIBLE = words_of(
    "john matthew mark luke acts romans corinthians galatians ephesians philippians colossians thessalonians timothy "
    "titus philemon hebrews james peter jude revelation genesis exodus leviticus numbers deuteronomy joshua judges "
    "ruth samuel kings chronicles ezra nehemiah esther job proverbs ecclesiastes isaiah jeremiah lamentations ezekiel "
    "daniel hosea joel amos obadiah jonah micah nahum habakkuk zephaniah haggai zechariah malachi"
)
# ... and a number after these.
NUMBER_BEFORE = words_of(
    "room flight route highway interstate freeway road bus train line track channel page pages section gate suite "
    "apartment apt extension code pin number numbers lot box block building boeing airbus model hymn bill "
    "proposition form rule order unit car lane exit year years in cost costs price priced pay paid worth enter dial "
    "press weighs score scored bench unit id ticket locker seat row chapter psalm account reference version windows "
    "over under than only nearly pounds dollars euros studio class course catalog no"
)

# Only after these, or at the beginning, "point five" is 0.5: at this point five people left.
POINT_AFTER = words_of(
    "by of than about only is was are be to from and or with for just around nearly almost over under equals times "
    "plus minus negative between into in at per x approximately roughly exactly within up down rose fell gained lost"
)
# Only before these, or at an end, "three dollars fifty" is an amount.
PRICE_FOLLOWED_BY = words_of(
    "and or for a an the per each to is was are were in at on from but more less of please today with which that if "
    "when as so then because by he she it i we they you apiece every plus"
)

SCORE_BEFORE = words_of(
    "won win wins winning lost lose loses losing beat beats beaten beating defeat defeated defeats score scores lead "
    "leads led leading trail trails trailed draw drew tied finished victory ended final"
)
SCORE_AFTER = words_of("lead win victory defeat loss draw tie decision scoreline aggregate shootout record")

# Abbreviations that are words as well: they are written out beside a number or with their full stop.
ABBREVIATIONS = {
    "approx": "approximately",
    "apt": "apartment",
    "ave": "avenue",
    "blvd": "boulevard",
    "bros": "brothers",
    "corp": "corporation",
    "ext": "extension",
    "fig": "figure",
    "govt": "government",
    "hwy": "highway",
    "inc": "incorporated",
    "ltd": "limited",
    "vol": "volume",
    "ww": "world war",
    "ch": "chapter",
    "mon": "monday",
    "tue": "tuesday",
    "tues": "tuesday",
    "wed": "wednesday",
    "weds": "wednesday",
    "thu": "thursday",
    "thur": "thursday",
    "thurs": "thursday",
    "fri": "friday",
    "sat": "saturday",
    "sun": "sunday",
}
