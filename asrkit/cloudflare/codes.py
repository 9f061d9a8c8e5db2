"""The error codes of Workers AI, Cloudflare's API and AI Gateway: what each means, and whether to try again.

Sources: the page "Errors" of Cloudflare's Workers AI documentation (2026-09-17); the codes marked *seen* are in no
table, but in users' reports.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

__all__ = ["CODES", "STATUSES", "Code", "Then", "then"]


class Then(Enum):
    """What to do after an error."""

    ROW = "the row fails, the others go on"
    AGAIN = "another try, later each time"
    WAIT = "everybody waits, then another try"
    STOP_CREDENTIALS = "no request can succeed: the credentials are refused"
    STOP_QUOTA = "no request can succeed today: the allocation is spent"
    STOP_SPENT = "no request can succeed before a gateway's spend limit has its next window"
    STOP_MODEL = "no request can succeed: this model is not to be had"


@dataclass(frozen=True, slots=True)
class Code:
    """One row of the table."""

    code: int
    status: int
    message: str
    then: Then


_SPENT = (
    "you have used up your daily free allocation of 10,000 neurons, please upgrade to Cloudflare's Workers Paid plan "
    "if you would like to continue usage."
)

_SPEND_LIMIT = re.compile(  # also spend_limit_exceeded, SpendLimitExceeded and spend-limit
    r"(?<![^\W_])(spend(ing)?|budget|costs?)[\W_]*(limit|cap(?![^\W_]))|"
    r"(?<![^\W_])budget.*(exceeded|reached|exhausted)|(limit|cap)[\W_]+(of|on|for)[\W_]+(spend(ing)?|costs?)\b",
    re.I,
)

CODES: Mapping[int, Code] = {
    code.code: code
    for code in (
        Code(5007, 400, "No such model {model} or task", Then.STOP_MODEL),
        Code(5004, 400, "Invalid data type for base64 input: {type}", Then.ROW),
        Code(3039, 400, "Finetune is missing required files", Then.STOP_MODEL),
        Code(3003, 400, "Request is missing headers or body: {what}", Then.ROW),
        Code(5018, 403, "The account is not allowed to access this model", Then.STOP_MODEL),
        Code(3041, 403, "The account is not allowed to access this model", Then.STOP_MODEL),
        Code(5016, 403, "User has not agreed to Llama3.2 model terms", Then.STOP_MODEL),
        Code(3023, 403, "Service unavailable for account", Then.STOP_MODEL),
        Code(5035, 403, "This model requires a Workers Paid plan", Then.STOP_MODEL),
        Code(5019, 405, "Request trying to use deprecated SDK version", Then.STOP_MODEL),
        Code(5005, 405, "The model does not support LoRa inference", Then.STOP_MODEL),
        Code(3042, 404, "The model name is invalid", Then.STOP_MODEL),
        Code(3006, 413, "Request is too large", Then.ROW),
        Code(3007, 408, "Request timeout", Then.AGAIN),
        Code(3008, 408, "Request was aborted", Then.AGAIN),
        Code(3036, 429, _SPENT, Then.STOP_QUOTA),
        Code(3040, 429, "Capacity temporarily exceeded, please try again.", Then.WAIT),
        # seen
        Code(5006, 400, "AiError: Bad input: Error: {what}", Then.ROW),
        Code(3010, 400, "Invalid or incomplete input for the model", Then.ROW),
        Code(3030, 400, "Failed to decode audio file", Then.ROW),
        Code(4006, 429, _SPENT, Then.STOP_QUOTA),
        Code(3001, 500, "Internal server error", Then.AGAIN),
        Code(6001, 500, "Internal server error", Then.AGAIN),
        Code(7009, 502, "Upstream service unavailable", Then.AGAIN),
        # Cloudflare's API as a whole
        Code(10000, 401, "Authentication error", Then.STOP_CREDENTIALS),
        Code(6003, 400, "Invalid request headers", Then.STOP_CREDENTIALS),
        Code(
            7003,
            404,
            "Could not route to {path}, perhaps your object identifier is invalid?",
            Then.STOP_CREDENTIALS,
        ),
        Code(7000, 404, "No route for that URI", Then.STOP_CREDENTIALS),
        # AI Gateway
        Code(2009, 401, "Unauthorized", Then.STOP_CREDENTIALS),
        Code(2003, 429, "Rate limited", Then.WAIT),
        Code(2021, 402, "No credit in unified billing", Then.STOP_QUOTA),
        Code(2041, 429, "Spend limit exceeded", Then.STOP_SPENT),  # seen
    )
}

# Where no known code came: the status alone. Whatever is not here is the row's own fault.
STATUSES: Mapping[int, Then] = {
    401: Then.STOP_CREDENTIALS,
    402: Then.STOP_QUOTA,
    403: Then.STOP_CREDENTIALS,
    404: Then.STOP_MODEL,
    405: Then.STOP_MODEL,
    408: Then.AGAIN,
    409: Then.AGAIN,
    429: Then.WAIT,
}


def then(status: int, code: int | None, message: str = "") -> Then:
    """What to do after an answer with this HTTP status, error code and message.

    >>> then(429, 3040).name, then(429, 4006).name, then(503, None).name, then(400, 5006).name
    ('WAIT', 'STOP_QUOTA', 'AGAIN', 'ROW')
    """
    if "daily free allocation" in message.lower():  # whatever the code, which has changed before
        return Then.STOP_QUOTA
    if status in (402, 403, 429) and _SPEND_LIMIT.search(message):  # the page of spend limits names no code
        return Then.STOP_SPENT
    if code is not None and code in CODES:
        return CODES[code].then
    if status >= 500:
        return Then.AGAIN
    return STATUSES.get(status, Then.ROW)
