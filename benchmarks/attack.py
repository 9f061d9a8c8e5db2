"""What clients can do to `asrkit serve`: each attack's cost in memory, and how long others wait beside it.

    python benchmarks/attack.py                            # everything, 30 to 60 minutes
    python benchmarks/attack.py --quick                    # small sizes, under a minute
    python benchmarks/attack.py --only trailers json-      # attacks whose names begin so
    python benchmarks/attack.py --model openai/whisper-tiny.en --only prompts
    python benchmarks/attack.py --list

The server is a process of its own on this machine, new for each attack. Beside an attack another process asks for
`/healthz` and for a transcript that is known, four times a second each. Bounds, of which one broken makes the exit
status 1: no attack takes more than 600 MB above an idle server; no good request waits longer than 5 s, what was refused
and tried again included, or, with a real model, 5 s and one call of the model; no good answer is wrong or lost, also
not at SIGTERM; after 200 clients for a minute, some of them bad, the server holds at most 50 MB more than before.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import attack_bodies
import attack_sound
import attack_stop
import attack_unusual
import attack_wire
from attack_client import HOST, MEGABYTE, TURBO, Target, exchange, post
from attack_good import CANNED, CLIPS, TEXT, Probe, Tally, clips
from attack_server import Server

MODELS = (CANNED + TEXT, "openai/whisper-tiny.en")
SOON = 2.0  # seconds in which a good request is answered when nothing attacks
CALM = 60.0  # seconds for which the aftermath of an attack is looked at
TOKEN = "a token that attackers have not".replace(" ", "-")
# Without --model a real model is attacked by these alone: to the others it makes no difference.
OF_MODELS = ("nothing", "prompts", "wishes", "keyterms", "queue-clips", "stalled-uploads-5", "opus-long", "wav-1Hz")
# Attackers without the token that the server requires.
WITHOUT_TOKEN = (
    "trailers-many",
    "json-empty-objects",
    "queue-empty-objects",
    "stalled-uploads-5",
    "chunks-of-one-byte",
)
QUICK = (
    *("nothing", "trailers-many", "leading-crlf", "malformed", "stalled-uploads-5", "json-empty-objects"),
    *("json-bytes-no-end", "queue-empty-objects", "form-100000-parts", "flac-3"),
)
QUICK_STOPS = ("stalled-uploads",)
COLUMNS = (
    f"{'attack':34} {'s':>5} {'peak MB':>8} {'health s':>8} {'good s':>7} {'ok':>5} {'429':>4} {'bad':>4}  verdict"
)


@dataclass(frozen=True)
class Bounds:
    """What is allowed.

    Args:
        memory: megabytes above an idle server.
        wait: seconds that a good request takes.
        growth: megabytes that a server may hold more after the soak.
    """

    memory: float
    wait: float
    growth: float


@dataclass(frozen=True)
class How:
    """How a model is attacked.

    Args:
        model: that is served.
        bounds: what is allowed.
        quick: with small sizes.
        source: address from which attackers connect.
        without_token: whether the server requires a token that attackers do not have, in every attack.
    """

    model: str
    bounds: Bounds
    quick: bool = False
    source: str = HOST
    without_token: bool = False


@dataclass(frozen=True)
class Found:
    """What one attack did."""

    seconds: float
    peak: float  # bytes above idle
    health: Tally
    good: Tally
    broken: Sequence[str]
    notes: Sequence[str]

    def row(self, name: str) -> str:
        bad = self.good.wrong + self.good.lost
        verdict = f"over: {'; '.join(self.broken)}" if self.broken else "ok"
        notes = f"   ({', '.join(self.notes)})" if self.notes else ""
        right = len(self.good.answered) - bad
        return (
            f"{name:34} {self.seconds:5.1f} {self.peak / MEGABYTE:8.0f} {self.health.longest:8.2f} "
            f"{self.good.longest:7.2f} {right:5} {self.good.refused:4} {bad:4}  {verdict}{notes}"
        )


def all_attacks() -> dict[str, Callable[[Target], None]]:
    return {
        "nothing": lambda target: time.sleep(target.seconds / 2),
        **attack_unusual.attacks(),
        **attack_wire.attacks(),
        **attack_bodies.attacks(),
        **attack_sound.attacks(),
    }


def run(attack: Callable[[Target], None], how: How, *, token: str | None, call: float) -> Found:
    """One attack on a server of its own."""
    bounds, quick = how.bounds, how.quick
    with Server(how.model, token=token) as server:
        target = Target(server.port, how.model, source=how.source)
        target.seconds, target.scale = (1.5, 0.02) if quick else (8.0, 1.0)
        probe = Probe(server.port, clips(target, token), token)
        try:
            idle = server.settled_memory(0.5 if quick else 2.0)
            server.peak = 0.0
            began = time.monotonic()
            try:
                attack(target)
            except OSError as error:
                target.complaints.append(f"the attack ended by {error!r}")
            is_calm = probe.wait_until_calm(CALM, SOON + call) if server.is_alive else False
            seconds = time.monotonic() - began
            health, good = probe.report()
        finally:
            probe.close()
        broken = list(dict.fromkeys(target.complaints))
        peak = max(0.0, server.peak - idle)
        if server.was_killed:
            broken.append(f"killed at {server.most / MEGABYTE:,.0f} MB")
        elif not server.is_alive:
            broken.append(f"the server ended: {server.last_words()[-300:]}")
        elif not is_calm:
            broken.append(f"not calm after {CALM:.0f} s")
        if peak > bounds.memory * MEGABYTE:
            broken.append(f"{peak / MEGABYTE:,.0f} MB")
        broken += _broken_waits(health, good, bounds, call)
        if call and bounds.wait < good.longest <= bounds.wait + call:
            target.notes.append("waited for one call of the model")
        return Found(seconds, peak, health, good, broken, target.notes)


def _broken_waits(health: Tally, good: Tally, bounds: Bounds, call: float) -> list[str]:
    broken = []
    if health.longest > bounds.wait:
        broken.append(f"/healthz took {health.longest:.1f} s")
    if good.longest > bounds.wait + call:
        broken.append(f"a good request took {good.longest:.1f} s")
    if health.wrong or health.lost:
        broken.append(f"{health.wrong + health.lost} of /healthz failed")
    if good.wrong or good.lost:
        broken.append(f"{good.wrong} good answers wrong, {good.lost} lost")
    return broken


def measure_call(model: str) -> float:
    """Seconds of one full call of the model, for which a clip that comes later has to wait."""
    if model.startswith(CANNED):
        return 0.0
    import base64

    sound = (CLIPS / "04-doctor.flac").read_bytes()
    with Server(model) as server:
        target = Target(server.port, model)
        request = post(TURBO, json.dumps({"audio": base64.b64encode(sound).decode()}).encode())
        replies = attack_wire.together(16, lambda _: exchange(target, *request))
        return max(reply.elapsed for reply in replies)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="beginnings of names, see --list")
    parser.add_argument("--quick", action="store_true", help="a few attacks with small sizes, on canned answers")
    parser.add_argument(
        "--model", action="append", help="may be repeated; canned answers and whisper-tiny.en if not given"
    )
    parser.add_argument("--memory", type=float, default=600.0, metavar="MB", help="bound above idle (%(default)s)")
    parser.add_argument("--wait", type=float, default=5.0, metavar="SECONDS", help="bound (%(default)s)")
    parser.add_argument("--growth", type=float, default=50.0, metavar="MB", help="bound after the soak (%(default)s)")
    parser.add_argument("--source", default=HOST, help="address of attackers, such as 127.0.0.2 (%(default)s)")
    parser.add_argument("--without-token", action="store_true", help="attackers lack the token that is required")
    parser.add_argument("--list", action="store_true", help="the names of all attacks")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that no server is left behind
    if options.list:
        stops = [f"stop-{name}" for name in attack_stop.PRESENT]
        print("\n".join([*all_attacks(), *(f"{name}-without-token" for name in WITHOUT_TOKEN), *stops, "soak"]))
        return 0
    bounds = Bounds(options.memory, options.wait, options.growth)
    spec = importlib.util.find_spec("asrkit")
    print(f"asrkit serve of {spec.origin if spec else 'an unknown place'}")
    broken = total = 0
    began = time.monotonic()
    for model in options.model or (MODELS[:1] if options.quick else MODELS):
        model = CANNED + TEXT if model in ("canned", CANNED) else model
        is_chosen = _choice(options.only, model, options.quick, is_given=bool(options.model))
        how = How(model, bounds, options.quick, options.source, options.without_token)
        for is_well in _all_of(how, is_chosen):
            total, broken = total + 1, broken + (not is_well)
    print(
        f"\n{total} attacks in {time.monotonic() - began:,.0f} s: {total - broken} within their bounds, {broken} over"
    )
    return 1 if broken or not total else 0


def _choice(only: Sequence[str] | None, model: str, quick: bool, is_given: bool) -> Callable[[str], bool]:
    def is_chosen(name: str) -> bool:
        if only:
            return name.startswith(tuple(only))
        if quick:
            return name in (*QUICK, *(f"stop-{name}" for name in QUICK_STOPS), "soak")
        return model.startswith(CANNED) or is_given or name.startswith((*OF_MODELS, "stop-"))

    return is_chosen


def _all_of(how: How, is_chosen: Callable[[str], bool]) -> list[bool]:
    """All chosen attacks on one model, printed as they are done; gives for each whether it kept its bounds."""
    results = []
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    known = all_attacks()
    chosen = [(name, name, TOKEN if how.without_token else None) for name in known if is_chosen(name)]
    titles = [(f"{name}-without-token", name, TOKEN) for name in WITHOUT_TOKEN]
    chosen += [each for each in titles if is_chosen(each[0])]
    call = measure_call(how.model) if chosen else 0.0
    said = f", one call of the model {call:.1f} s" if call else ""
    print(f"\n{how.model}: {os.cpu_count()} cores, load {load:.1f}{said}\n{COLUMNS}", flush=True)
    for title, name, token in chosen:
        found = run(known[name], how, token=token, call=call)
        print(found.row(title), flush=True)
        results.append(not found.broken)
    results += _stops(how.model, is_chosen)
    if is_chosen("soak"):
        results.append(_soak(how))
    return results


def _stops(model: str, is_chosen: Callable[[str], bool]) -> list[bool]:
    names = [name for name in attack_stop.PRESENT if is_chosen(f"stop-{name}")]
    if names:
        print(f"\nSIGTERM, a grace of {attack_stop.GRACE:g} s  seconds to the end, answers   verdict", flush=True)
    results = []
    for name in names:
        stop = attack_stop.stop_beside(name, model)
        took = "killed" if stop.seconds is None else f"{stop.seconds:.1f}"
        print(
            f"stop-{name:29} {took:>6} {stop.answered:4} of {stop.asked}   {'ok' if stop.is_well else 'over'}",
            flush=True,
        )
        results.append(stop.is_well)
    return results


def _soak(how: How) -> bool:
    count, seconds = (20, 4.0) if how.quick else (200, 60.0)
    with Server(how.model) as server:
        target = Target(server.port, how.model)
        found = attack_stop.soak(server, target, clips(target, None), count, seconds)
    is_well = not (found.wrong or found.lost) and found.right > 0 and found.growth <= how.bounds.growth * MEGABYTE
    print(
        f"\nsoak: {count} clients for {seconds:.0f} s: {found.right} right, {found.wrong} wrong, {found.lost} lost, "
        f"{found.refused} x 429, {found.others[0]} cut, {found.others[1]} garbage; longest {found.longest:.2f} s; "
        f"peak {found.peak / MEGABYTE:+.0f} MB, afterwards {found.growth / MEGABYTE:+.0f} MB   "
        f"{'ok' if is_well else 'over'}",
        flush=True,
    )
    return is_well


if __name__ == "__main__":
    sys.exit(main())
