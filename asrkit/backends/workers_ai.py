"""Cloudflare Workers AI over REST: many requests at once, paced, tried again as errors deserve, never over a cap."""

from __future__ import annotations

import json
import math
import threading
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from ..audio import Audio, Encoded, encode
from ..cloudflare.account import API, Account, Gateway
from ..cloudflare.answers import transcript_of
from ..cloudflare.codes import CODES, Then, then
from ..cloudflare.message import Query, message
from ..cloudflare.models import Model, check_options, model_of
from ..cloudflare.prices import price_of, warn_if_old
from ..errors import (
    AnswerError,
    BackendError,
    ConnectionLostError,
    CredentialsError,
    OptionError,
    QuotaError,
    RateLimitError,
    RefusedError,
    TimedOutError,
    UnavailableError,
)
from ..hosts import host_of, is_loopback
from ..printable import printable
from ..transcript import Transcript
from ..upload import Upload
from ..version import VERSION
from .base import Preferences
from .ledger import Book, Ledger, Spending
from .option_types import check_types
from .traffic import RetryBudget, Stopped, Traffic, full_jitter
from .whisper_languages import known_code
from .wire import Wire, body_of

if TYPE_CHECKING:
    import httpx2

__all__ = ["WorkersAI"]

# Raised when the same model and options may give another text, or more of what was asked for beside it. Version 2 of
# the dialect of Deepgram asks for the language to be found out, and keeps speakers, channels and further answers.
RESULT_VERSION, RESULT_VERSIONS = 1, {"deepgram": 2}
PER_MINUTE = 720.0  # requests for speech recognition, an account (Workers AI, page "Limits")
AT_ONCE = 32
LONGEST = 15 * 60.0  # seconds; no limit is published, 15 minutes are reported to work
MAX_BYTES = 25_000_000  # of a request; no limit is published, more is reported to be refused
TRIES = 4  # of one request that meets errors worth another try
TRIES_UNANSWERED = 2  # of one that was sent and not answered: each may have been billed
LONGEST_CROWD = 600.0  # seconds that one clip waits for a full service
LONGEST_RETRY_AFTER = 120.0  # seconds; a service that asks for more is left alone
CONNECT_SECONDS, ANSWER_SECONDS, PER_SECOND = 10.0, 60.0, 0.5  # time-outs; the last for each second of audio
SLOWEST = 125_000  # bytes a second that a line carries upwards; what takes longer has more time
SHAPES = ("raw", "array", "base64")
UNAUTHORIZED_AT_GATEWAY = 2009
PLAYER = "x-asrkit-model"  # header of ``asrkit serve``: the model that answered, percent-encoded
MOST_PLAYER, MOST_PLAYERS = 200, 8  # characters of a name; names, should a server send another with each answer
QUOTED = 500  # characters of the service's own words in a message
MAX_ANSWER, ANSWER_PER_SECOND = 4 * 2**20, 16 * 2**10  # bytes; fast speech with every detail has about 2 kB a second
UNPAID = (RefusedError, RateLimitError, CredentialsError, QuotaError)  # a clear no, before any work


class WorkersAI:
    """A speech recogniser of Cloudflare Workers AI.

    Args:
        model: ``@cf/openai/whisper``, ``@cf/openai/whisper-tiny-en``, ``@cf/openai/whisper-large-v3-turbo``,
            ``@cf/deepgram/nova-3``, ``@cf/nvidia/nemotron-speech-streaming-en-0.6b``, or another one whose sound
            travels as Base64.
        account_id: else ``CLOUDFLARE_ACCOUNT_ID``.
        api_token: else ``CLOUDFLARE_API_TOKEN``; or ``api_key`` with ``api_email``.
        api_key: else ``CLOUDFLARE_API_KEY``.
        api_email: else ``CLOUDFLARE_EMAIL``.
        base_url: else ``CLOUDFLARE_BASE_URL``, else Cloudflare's own. Where another host answers, such as
            ``asrkit serve``, no row has a cost, since nobody knows what that host asks for.
        gateway: name of an AI Gateway.
        gateway_token: of an authenticated gateway, as all new ones are; else ``CF_AIG_TOKEN``.
        cache_ttl: seconds that the gateway keeps an answer.
        skip_cache: whether the gateway's cache is passed by.
        metadata: up to five entries for the gateway's log.
        language: of all clips, where the model has the option. Without, it is found out; nova-3 is asked to do so.
        prompt: text that could have come before, where the model has the option.
        max_cost: dollars at list price that are never passed, those of requests on their way counted. With a journal
            this holds for a call and its repetitions together: what runs that were killed, stopped or capped have paid
            for rows of this call, with this model and these options, counts until a run has done all of its rows.
            Two processes that work on the same rows share it. Without a journal it holds for this object alone.
            Where another host answers in Cloudflare's place, the list price is counted all the same: it may be a proxy.
        per_minute: requests a minute that the account may make; asrkit keeps 5 % below. None: no limit.
        at_once: most requests at the same time; how many there are adapts to the service.
        longest: seconds of one request; longer recordings are cut at pauses.
        max_bytes: of one request.
        timeout: seconds for a whole exchange, from the name's address to the answer's last byte; half a second more
            for each second of audio, and one for each 125 kB that are sent.
        shape: ``raw``, ``array`` or ``base64``, in place of the model's best.
        speech_gate: send nothing where nobody speaks. Off: what comes back is the service's own.
        transport: of httpx2, for tests.
        options: the model's own, by the names of its schema, such as ``vad_filter=True`` or ``diarize=True``. Of
            nova-3 ``keyterm``, ``keywords``, ``redact``, ``replace``, ``search``, ``custom_topic`` and
            ``custom_intent`` take a string or a list of them. With ``multichannel=True`` every channel is paid.

    Raises:
        CredentialsError: account or token are missing.
        OptionError: an option that the model does not have.
    """

    def __init__(
        self,
        model: str = "@cf/openai/whisper",
        *,
        account_id: str | None = None,
        api_token: str | None = None,
        api_key: str | None = None,
        api_email: str | None = None,
        base_url: str | None = None,
        gateway: str | None = None,
        gateway_token: str | None = None,
        cache_ttl: int | None = None,
        skip_cache: bool | None = None,
        metadata: Mapping[str, str | int | float | bool] | None = None,
        language: str | None = None,
        prompt: str | None = None,
        max_cost: float | None = None,
        per_minute: float | None = PER_MINUTE,
        at_once: int = AT_ONCE,
        longest: float = LONGEST,
        max_bytes: int = MAX_BYTES,
        timeout: float = ANSWER_SECONDS,
        shape: str | None = None,
        speech_gate: bool = False,
        transport: httpx2.BaseTransport | None = None,
        **options: Any,
    ) -> None:
        self.name = model
        self.model: Model = model_of(model)
        check_types("text", account_id=account_id, api_token=api_token, api_key=api_key, api_email=api_email)
        check_types("text", base_url=base_url, gateway=gateway, gateway_token=gateway_token, language=language)
        check_types("text", prompt=prompt, shape=shape)
        check_types("a whole number", at_once=at_once, max_bytes=max_bytes)
        check_types("a number", max_cost=max_cost, per_minute=per_minute, longest=longest, timeout=timeout)
        check_types("True or False", speech_gate=speech_gate)
        if prompt is not None:
            options = {self._option_for("prompt", self.model.prompt): prompt, **options}
        check_options(self.model, options)
        self.options = {name: list(value) if isinstance(value, tuple) else value for name, value in options.items()}
        self.language = language and self.language_code(language)
        shapes = self.model.shapes if self.model.is_known else SHAPES
        if shape is not None and shape not in shapes:
            raise OptionError(f"{model} takes sound as {' or '.join(shapes)}, not as {shape!r}")
        self.shape = shape or self.model.shapes[0]
        for name, value, least in (
            ("at_once", at_once, 1),
            ("longest", longest, 1),
            ("max_bytes", max_bytes, 4_096),
            ("timeout", timeout, 0.001),
            ("per_minute", 1 if per_minute is None else per_minute, 0.001),
        ):
            if not value >= least:
                raise OptionError(f"expected {name} above 0 and of {least:,} at least, got {value}")
        self.speech_gate, self.longest, self.max_bytes, self.timeout = speech_gate, longest, max_bytes, timeout
        self.ledger = Ledger(price_of(model), max_cost)
        self.paid_before = 0.0  # dollars, by earlier runs of the same call that did not finish
        if gateway is None and (gateway_token or cache_ttl or skip_cache or metadata):
            raise OptionError("gateway_token, cache_ttl, skip_cache and metadata are for a gateway; name one")
        check_types("a whole number", cache_ttl=cache_ttl)
        check_types("True or False", skip_cache=skip_cache)
        check_types("a dict", metadata=metadata)
        through = Gateway(gateway, gateway_token, cache_ttl, skip_cache, metadata) if gateway else None
        self.account = Account.find(account_id, api_token, api_key, api_email, base_url, through)
        self.traffic = Traffic(per_minute=per_minute, most=at_once)
        self.budget = RetryBudget()
        self._players: set[str] = set()  # models that answered in this one's name, as a server elsewhere says
        self._transport = transport
        self._client: httpx2.Client | None = None
        self._wire = Wire()
        self._opening = threading.Lock()

    def __repr__(self) -> str:
        return f"WorkersAI({self.name!r}, account_id={self.account.account_id!r}, host={self.account.host!r})"

    @property
    def fingerprint(self) -> Mapping[str, Any]:
        """Everything on this side that can change the text; the service names no revision."""
        return {
            "backend": "workers-ai",
            "version": RESULT_VERSIONS.get(self.model.dialect, RESULT_VERSION),
            "model": self.name,
            "service": self.account.host,
            "shape": self.shape,
            "language": self.language,
            "options": self._asked(self.language),
            "speech_gate": self.speech_gate,
            "longest": self.longest,
            "max_bytes": self.max_bytes,
        }

    @property
    def preferred(self) -> Preferences:
        """Files, one a request, many requests at once."""
        growth = 1.0 if self.shape == "raw" else 4 / 3 if self.shape == "base64" else 4.0  # "255," for a byte
        return Preferences(
            longest=self.longest,
            speech_gate=self.speech_gate,
            at_once=self.traffic.most,
            upload=Upload(self.model.containers, int(self.max_bytes / growth) - 1_000, self.hears_channels),
            is_fingerprinted=self.account.base_url == API,  # at another address nobody knows what answers
            answers=self.model.dialect == "deepgram",
        )

    @property
    def hears_channels(self) -> bool:
        """Whether each channel is heard, and paid, by itself."""
        return bool(self.options.get("multichannel"))

    def _asked(self, language: str | None) -> dict[str, Any]:
        asks = self.model.detects if not language else None
        return {**({asks: True} if asks else {}), **self.options}

    @property
    def spending(self) -> Spending:
        """What this backend has spent so far."""
        elsewhere = self.account.elsewhere
        spent = self.ledger.spending
        return spent if elsewhere is None else replace(spent, is_known=False, elsewhere=elsewhere)

    @property
    def answered_by(self) -> str | None:
        """What answered in the model's name so far, where it was not Cloudflare: a model or else a host."""
        return ", ".join(sorted(self._players)) or self.account.elsewhere

    @property
    def label(self) -> str:
        """The model's name, and behind it who answered where that was not Cloudflare.

        >>> WorkersAI("@cf/openai/whisper", base_url="http://127.0.0.1:8000/client/v4").label
        '@cf/openai/whisper (answered by 127.0.0.1:8000)'
        """
        host = self.account.elsewhere
        if host is None:
            return self.name
        if not self._players:
            return f"{self.name} (answered by {host})"
        where = "here" if is_loopback(host_of(host)) else f"at {host}"
        return f"{self.name} (played {where} by {self.answered_by})"

    def _cost(self, costs: Sequence[float]) -> float | None:
        """What requests cost together; None if unknown. What was never sent, or refused, costs nothing anywhere."""
        total = sum(costs)
        is_known = self.ledger.price.is_known and (self.account.elsewhere is None or not total)
        return total if is_known else None

    def language_code(self, language: str) -> str:
        """The language as the model takes it.

        Raises:
            OptionError: the model cannot be told a language.
        """
        self._option_for("language", "language" if "language" in self.model.options else None)
        code = language.strip()
        takes_codes = self.model.dialect in ("turbo", "deepgram")
        if takes_codes and len(code) > 3 and code.isalpha() and code.lower() != "multi":  # a name
            return known_code(code)
        return code.lower() if self.model.dialect == "turbo" else code

    def _option_for(self, word: str, option: str | None) -> str:
        if option is None and self.model.is_known:
            raise OptionError(f"{self.name} takes no {word}; @cf/openai/whisper-large-v3-turbo does")
        return option or word

    def transcribe(self, batch: Sequence[Audio | Encoded], *, languages: Sequence[str | None]) -> list[Transcript]:
        """See ``Backend``; files are sent as they are, samples as FLAC. May be called by many threads at once."""
        return [
            self._one(clip if isinstance(clip, Encoded) else encode(clip), language or self.language)
            for clip, language in zip(batch, languages, strict=True)
        ]

    def begin(self, book: Book | None = None) -> None:
        """See ``Remote``."""
        warn_if_old(self.ledger.price)
        self.paid_before = self.ledger.open(book)
        self.traffic.resume()
        self.budget.reset()

    def halt(self) -> None:
        """See ``Remote``."""
        self.traffic.stop()

    def abandon(self) -> None:
        """See ``Remote``."""
        self.traffic.stop()
        with self._opening:
            client, wire = self._client, self._wire
            self._client, self._wire = None, Wire()
        wire.abort()  # first: the threads that wait for an answer let go of what the client closes
        if client is not None:
            client.close()

    # -- one clip: tries until it is answered or given up -----------------------------------------------------

    def _one(self, clip: Encoded, language: str | None) -> Transcript:
        import tenacity

        tries = _Tries(self.traffic, self.budget, TRIES_UNANSWERED if self.ledger.may_send_again else 1)
        costs: list[float] = []

        def once() -> Transcript:
            heard = self._request(clip, language, costs)
            self.traffic.answered()
            self.budget.success(retried=tries.made > 0)
            return heard

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(tries.is_worth_another),
            wait=lambda state: tries.wait,
            stop=tenacity.stop_never,
            sleep=self.traffic.sleep,
            reraise=True,
        )
        try:
            heard = retrying(once)
        except BackendError as error:
            error.cost = self._cost(costs)
            raise
        except Stopped:
            stopped = BackendError("not sent: the run was stopped before", code="interrupted")
            stopped.cost = self._cost(costs) if costs else None
            raise stopped from None
        return replace(heard, cost=self._cost(costs))

    def _request(self, clip: Encoded, language: str | None, costs: list[float]) -> Transcript:
        """Send it once. What it costs, or may cost, is added to ``costs``."""
        options = self._asked(language) | ({"language": language} if language else {})
        content, headers, query = message(self.model, self.shape, clip, options)
        with self.traffic.place():
            reservation = self.ledger.reserve(clip.duration, clip, clip.channels if self.hears_channels else 1)
            began = time.perf_counter()
            try:
                with _translated(self.account.host):
                    status, answered, body = self._exchange(content, headers, query, clip.duration)
                result = _result(status, answered, body, self.name)
            except BackendError as error:
                if error.stops_run:
                    self.traffic.stop()  # before anybody takes this place
                elif isinstance(error, RefusedError):
                    self.traffic.answered()
                is_unpaid = isinstance(error, UNPAID) or error.code == "no-connection"
                close = self.ledger.release if is_unpaid else self.ledger.doubt
                costs.append(close(reservation))
                raise
            except BaseException:
                costs.append(self.ledger.doubt(reservation))
                raise
        is_cached = answered.get("cf-aig-cache-status", "").upper() == "HIT"
        costs.append(self.ledger.settle(reservation, is_free=is_cached))
        self._note_player(answered)
        heard = transcript_of(self.model, result, clip.duration, language)
        return replace(heard, elapsed=time.perf_counter() - began)

    def _note_player(self, headers: Mapping[str, str]) -> None:
        """Remember which model a server elsewhere says to have answered with."""
        player = printable(unquote(headers.get(PLAYER, "")), MOST_PLAYER)
        if player and self.account.elsewhere is not None and len(self._players) < MOST_PLAYERS:
            self._players.add(player)

    def _exchange(
        self, content: bytes, headers: Mapping[str, str], query: Query, duration: float
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body; given up in time, whatever the service does."""
        import httpx2

        patience = self.timeout + PER_SECOND * duration + len(content) / SLOWEST
        most = MAX_ANSWER + int(ANSWER_PER_SECOND * duration)
        client, wire = self._opened()
        with (
            wire.exchange(self.account.host, patience, most) as exchange,
            client.stream(
                "POST",
                self.account.url(self.name),
                content=content,
                headers={**self.account.headers, **headers},
                params=query,
                timeout=httpx2.Timeout(patience, connect=min(CONNECT_SECONDS, patience)),
            ) as response,
        ):
            body = body_of(response, exchange)
            return response.status_code, {**response.headers}, body

    def _opened(self) -> tuple[httpx2.Client, Wire]:
        """The connection pool that all threads share, and what its sockets belong to."""
        import httpx2

        with self._opening:
            if self._client is None:
                most = self.traffic.most
                self._client = httpx2.Client(
                    transport=self._transport,
                    limits=httpx2.Limits(max_connections=most, max_keepalive_connections=most),
                    headers={
                        "User-Agent": f"asrkit/{VERSION}",
                        "Accept": "application/json",
                        "Accept-Encoding": "identity",  # so that nothing small unpacks to something huge
                    },
                )
                self._wire.guard(self._client)
                weakref.finalize(self, self._client.close)  # until then its connections serve the next run
            return self._client, self._wire


class _Tries:
    """Whether a clip that met an error is tried again, and when."""

    def __init__(self, traffic: Traffic, budget: RetryBudget, most_unanswered: int = TRIES_UNANSWERED) -> None:
        self.traffic, self.budget, self.most_unanswered = traffic, budget, most_unanswered
        self.made = 0
        self.unanswered = 0
        self.wait = 0.0

    def is_worth_another(self, error: BaseException) -> bool:
        """Called by tenacity after each error; sets ``wait``."""
        self.wait = 0.0
        if isinstance(error, RateLimitError):
            return self._wait_with_all(error)
        if isinstance(error, AnswerError):
            self.budget.take()  # a page of somebody else's, for every row: an outage of its own kind
            self._stop_at_outage(error)
        if not isinstance(error, UnavailableError) or error.stops_run:
            return False
        self.traffic.failed()
        self.unanswered += isinstance(error, TimedOutError) or error.code == "connection"
        self.made += 1
        is_paid_for = self.budget.take()
        if self._stop_at_outage(error):
            return False
        if self.made >= TRIES or self.unanswered >= self.most_unanswered or not is_paid_for:
            return False
        self.wait = max(full_jitter(self.made), error.retry_after or 0.0)
        return True

    def _stop_at_outage(self, error: BackendError) -> bool:
        if not self.budget.is_outage:
            return False
        self.traffic.stop()
        error.stops_run = True
        error.args = (f"{error}; nothing has been answered for long, so the run was stopped",)
        return True

    def _wait_with_all(self, error: RateLimitError) -> bool:
        """A full service costs no try, only time."""
        if error.stops_run:
            return False
        if self.traffic.full_for > LONGEST_CROWD:
            self.traffic.stop()
            error.stops_run = True
            error.args = (f"{error}; for {LONGEST_CROWD / 60:.0f} minutes now, so the run was stopped",)
            return False
        self.traffic.refused(error.retry_after)
        return True


@contextmanager
def _translated(host: str) -> Iterator[None]:
    """The errors of httpx2 as ours; their messages hold no header, so no secret."""
    import httpx2

    try:
        yield
    except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
        raise ConnectionLostError(f"{host} cannot be reached ({_said(error)})", code="no-connection") from None
    except httpx2.TimeoutException as error:
        raise TimedOutError(f"{host} did not answer in time ({_said(error)})") from None
    except httpx2.DecodingError as error:
        raise ConnectionLostError(f"{host} sent an answer that cannot be unpacked ({_said(error)})") from None
    except (httpx2.TransportError, httpx2.StreamError, RuntimeError) as error:
        raise ConnectionLostError(f"{host} ended the connection before its answer ({_said(error)})") from None


def _said(error: Exception) -> str:
    import httpx2

    is_quoting = isinstance(error, httpx2.LocalProtocolError)  # it may show a header
    return type(error).__name__ if is_quoting or not str(error) else f"{type(error).__name__}: {error}"


def _result(status: int, headers: Mapping[str, str], body: bytes, model: str) -> Mapping[str, Any]:
    """What is in the envelope, or the error that it stands for."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        answer = None
    if isinstance(answer, dict):
        result = answer.get("result", answer if "results" in answer or "text" in answer else None)
        if status < 300 and answer.get("success", True) and isinstance(result, dict):
            return result
        told = _first_error(answer)
        code, message = told.get("code", told.get("internalCode")), printable(told.get("message") or "", QUOTED)
        number = int(code) if isinstance(code, int) or (isinstance(code, str) and code.isdigit()) else None
        if number is not None or status >= 400:
            raise _error(status, number, message, headers, model)
        raise AnswerError(f"{model}: HTTP {status} with neither a result nor an error in it")
    shown = " ".join(body[:200].decode("utf-8", "replace").split())
    if status < 400:
        raise AnswerError(f"{model}: HTTP {status}, expected JSON, got {shown[:100]!r}", code="not-json")
    raise _error(status, None, f"no JSON but {shown[:100]!r}", headers, model)


def _error(status: int, code: int | None, message: str, headers: Mapping[str, str], model: str) -> BackendError:
    known = None if code is None else CODES.get(code)
    number = "" if code is None else f" / {code}"
    said = f"{model}: HTTP {status}{number}: {message or (known.message if known else 'no reason given')}"
    retry_after = _retry_after(headers)
    match then(status, code, message):
        case Then.STOP_CREDENTIALS if code == UNAUTHORIZED_AT_GATEWAY:
            return CredentialsError(f"{said}; check the name of the gateway and CF_AIG_TOKEN or gateway_token=")
        case Then.STOP_CREDENTIALS:
            return CredentialsError(
                f"{said}; check CLOUDFLARE_ACCOUNT_ID and CLOUDFLARE_API_TOKEN (permission Workers AI Read)"
            )
        case Then.STOP_SPENT:
            when = "when its window is over" if not retry_after else f"in {_hours(retry_after)}"
            return QuotaError(
                f"{said}; a spend limit of the AI Gateway is reached: raise it (dashboard, AI Gateway, Settings, Spend "
                f"limits), or call again {when}"
            )
        case Then.STOP_QUOTA if status == 402:
            return QuotaError(f"{said}; add credit to the account, then call again")
        case Then.STOP_QUOTA:
            return QuotaError(
                f"{said}; the allocation is renewed at 00:00 UTC, in {_until_midnight()}. Call again then, or move "
                "the account to a paid plan"
            )
        case Then.STOP_MODEL:
            refused = RefusedError(f"{said}; name another model, or ask for access to this one", code="model")
            refused.stops_run = True
            return refused
        case Then.WAIT:
            if retry_after is None or retry_after <= LONGEST_RETRY_AFTER:
                return RateLimitError(said, retry_after=retry_after)
            full = RateLimitError(f"{said}; {_asked(retry_after)}", retry_after=retry_after)
            full.stops_run = True
            return full
        case Then.AGAIN:
            failed = TimedOutError(said) if status == 408 else UnavailableError(said)
            failed.retry_after = retry_after
            if retry_after is not None and retry_after > LONGEST_RETRY_AFTER:
                failed.stops_run = True
                failed.args = (f"{said}; {_asked(retry_after)}",)
            return failed
        case Then.ROW:
            return RefusedError(said)


def _asked(seconds: float) -> str:
    return f"the service asks to wait {seconds:.0f} s, so the run was stopped: call again then"


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds, from a number or a date (RFC 9110, section 10.2.3), or OpenAI's milliseconds."""
    lower = {name.lower(): value for name, value in headers.items()}
    try:
        if "retry-after-ms" in lower:
            return max(0.0, float(lower["retry-after-ms"]) / 1000)
        if "retry-after" not in lower:
            return None
        told = lower["retry-after"]
        if told.replace(".", "", 1).isdigit():
            return float(told)
        return max(0.0, (parsedate_to_datetime(told) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def _until_midnight() -> str:
    now = datetime.now(UTC)
    midnight = datetime(now.year, now.month, now.day, tzinfo=UTC) + timedelta(days=1)
    return _hours((midnight - now).total_seconds())


def _hours(seconds: float) -> str:
    minutes = math.ceil(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02} min"


def _first_error(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """Workers AI lists ``errors``; a gateway has ``error``, or its words at the top."""
    for name in ("errors", "error"):
        told = answer.get(name)
        for item in told if isinstance(told, list) else [told]:
            if isinstance(item, dict):
                return item
            if isinstance(item, str) and item:
                more = answer.get("message")
                return {**answer, "message": f"{item}: {more}" if isinstance(more, str) and more else item}
    return answer
