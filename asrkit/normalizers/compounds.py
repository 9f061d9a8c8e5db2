"""Compounds written apart or together: white paper, whitepaper."""

from __future__ import annotations

from ..errors import OptionError

__all__ = ["check_needs_no_reference", "merge_compounds"]

LONGEST = 8  # parts of one compound; more are a sentence without blanks


def merge_compounds(reference: str, hypothesis: str) -> tuple[str, str]:
    """Both texts, the hypothesis' compounds written as the reference writes them.

    Words of one text that together are one word of the other count as right, as in kaldialign's
    ``merge_compounds=True``, which the Open ASR Leaderboard uses. The reference stays as it is, so the number of
    its words does too. Blanks are the only difference that is folded, and only where that saves errors.

    >>> merge_compounds("the white paper on everyday life", "the whitepaper on every day live")
    ('the white paper on everyday life', 'the white paper on everyday live')
    """
    ref, hyp = reference.split(), hypothesis.split()
    if _joined(ref).isdisjoint(hyp) and _joined(hyp).isdisjoint(ref):
        return reference, hypothesis
    merged = _merged(ref, hyp)
    return reference, " ".join(merged) if merged != hyp else hypothesis


def check_needs_no_reference(normalizer: object, what: str) -> None:
    """Refuse a normalizer with compounds where no text is the reference.

    Raises:
        OptionError: it writes compounds as the reference does.
    """
    if getattr(normalizer, "compounds", False):
        raise OptionError(f"compounds are written as the reference writes them, and {what} has none; pass 'english'")


def _joined(words: list[str]) -> set[str]:
    return {
        "".join(words[start:end])
        for start in range(len(words))
        for end in range(start + 2, min(start + LONGEST, len(words)) + 1)
    }


def _merged(ref: list[str], hyp: list[str]) -> list[str]:
    """The hypothesis along the path of fewest errors, compounds free; the fewest compounds among equals."""
    width = len(hyp) + 1
    error = len(ref) + len(hyp) + 1  # an error weighs more than all compounds that there can be
    rows = [[column * error for column in range(width)]]  # the last few: a compound reaches back
    moves = [bytearray([_code(0, 1)] * width)]
    for i, word in enumerate(ref, 1):
        above = rows[-1]
        cost = [i * error]
        move = bytearray([_code(1, 0)])
        for j, heard in enumerate(hyp, 1):
            best, step = above[j - 1] + (error if word != heard else 0), _code(1, 1)
            if above[j] + error < best:
                best, step = above[j] + error, _code(1, 0)
            if cost[j - 1] + error < best:
                best, step = cost[j - 1] + error, _code(0, 1)
            if word[-1] == heard[-1] and word != heard:
                for a, b in ((_parts(ref, i, heard), 1), (1, _parts(hyp, j, word))):
                    if a and b:
                        before = rows[-a][j - b]
                        if before + 1 < best:
                            best, step = before + 1, _code(a, b)
            cost.append(best)
            move.append(step)
        rows = [*rows[1 - LONGEST :], cost]
        moves.append(move)
    out: list[str] = []
    i, j = len(ref), len(hyp)
    while i or j:
        a, b = divmod(moves[i][j], LONGEST + 1)
        if a > 1:
            out += reversed(ref[i - a : i])
        elif b > 1:
            out.append(ref[i - 1])
        elif b:
            out.append(hyp[j - 1])
        i, j = i - a, j - b
    return out[::-1]


def _code(a: int, b: int) -> int:
    """A step over ``a`` words of the reference and ``b`` of the hypothesis."""
    return a * (LONGEST + 1) + b


def _parts(words: list[str], end: int, whole: str) -> int:
    """How many words before ``end`` make up ``whole``; 0 where none do."""
    left = len(whole)
    for count in range(1, min(LONGEST, end) + 1):
        word = words[end - count]
        left -= len(word)
        if left < 0 or not whole.startswith(word, left):
            return 0
        if left == 0:
            return count if count > 1 else 0
    return 0
