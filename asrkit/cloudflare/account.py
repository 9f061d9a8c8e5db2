"""Whose account, which address, which headers: what a request to Workers AI needs beside the sound."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ..errors import CredentialsError, OptionError
from ..hosts import is_loopback

__all__ = ["API", "GATEWAY", "Account", "Gateway", "host_elsewhere"]

API = "https://api.cloudflare.com/client/v4"
GATEWAY = "https://gateway.ai.cloudflare.com/v1"
HOSTS = ("api.cloudflare.com", "gateway.ai.cloudflare.com")
GATEWAY_TOKEN = "CF_AIG_TOKEN"  # noqa: S105 - the name of an environment variable
METADATA = 5  # entries that a gateway takes


@dataclass(frozen=True, slots=True)
class Gateway:
    """An AI Gateway in front of the service.

    Args:
        name: of the gateway.
        token: for an authenticated gateway; ``CF_AIG_TOKEN``, the name in Cloudflare's own examples.
        cache_ttl: seconds that an answer stays in its cache.
        skip_cache: do not ask its cache.
        metadata: up to five entries for its log.
    """

    name: str
    token: str | None = field(default=None, repr=False)
    cache_ttl: int | None = None
    skip_cache: bool | None = None
    metadata: Mapping[str, str | int | float | bool] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "token", _clean(self.token) or _environment(GATEWAY_TOKEN))
        if self.metadata is not None and len(self.metadata) > METADATA:
            raise OptionError(f"a gateway takes at most {METADATA} entries of metadata, got {len(self.metadata)}")

    @property
    def headers(self) -> dict[str, str]:
        """Its ``cf-aig-`` headers."""
        values = {
            "cf-aig-authorization": f"Bearer {self.token}" if self.token else None,
            "cf-aig-cache-ttl": self.cache_ttl,
            "cf-aig-skip-cache": None if self.skip_cache is None else str(self.skip_cache).lower(),
            "cf-aig-max-attempts": 1,  # what a gateway tries again by itself is billed, and counted once here
            "cf-aig-metadata": json.dumps(dict(self.metadata)) if self.metadata else None,
        }
        return {name: str(value) for name, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Account:
    """An account of Cloudflare and how to reach it. Its ``repr`` shows no secret.

    Args:
        account_id: 32 hexadecimal digits; ``CLOUDFLARE_ACCOUNT_ID`` if not given.
        api_token: with the permission "Workers AI Read"; ``CLOUDFLARE_API_TOKEN``.
        api_key: in place of a token, with ``api_email``; ``CLOUDFLARE_API_KEY``.
        api_email: ``CLOUDFLARE_EMAIL``.
        base_url: ``CLOUDFLARE_BASE_URL``, else Cloudflare's; of ``asrkit serve``: ``http://127.0.0.1:8000/client/v4``.
        gateway: an AI Gateway in front of it.

    Raises:
        CredentialsError: the account or the token is missing; the loopback needs none.
        OptionError: an address that is none.
    """

    account_id: str
    api_token: str | None = field(default=None, repr=False)
    api_key: str | None = field(default=None, repr=False)
    api_email: str | None = field(default=None, repr=False)
    base_url: str = field(default=API, repr=False)  # somebody may write a password into it
    gateway: Gateway | None = None

    @classmethod
    def find(
        cls,
        account_id: str | None = None,
        api_token: str | None = None,
        api_key: str | None = None,
        api_email: str | None = None,
        base_url: str | None = None,
        gateway: Gateway | None = None,
    ) -> Account:
        """What is given, the rest from the environment."""
        url = (_clean(base_url) or _environment("CLOUDFLARE_BASE_URL") or API).rstrip("/")
        try:
            parts = urlsplit(url)
        except ValueError:  # brackets without an address in them
            parts = urlsplit("")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise OptionError(f"expected base_url such as {API}, got {url.rpartition('@')[2]!r}")
        is_local = is_loopback(parts.hostname)
        account = _clean(account_id) or _environment("CLOUDFLARE_ACCOUNT_ID") or ("local" if is_local else None)
        token = _clean(api_token)
        key, email = _clean(api_key), _clean(api_email)
        if token is None and key is None:
            token = _environment("CLOUDFLARE_API_TOKEN")
        if token is None:
            key, email = key or _environment("CLOUDFLARE_API_KEY"), email or _environment("CLOUDFLARE_EMAIL")
        if not account:
            raise CredentialsError(
                "no account: set CLOUDFLARE_ACCOUNT_ID (32 hexadecimal digits, on the right of the dashboard's "
                "overview) or pass account_id="
            )
        if not token and not (key and email) and not is_local:
            raise CredentialsError(
                "no token: set CLOUDFLARE_API_TOKEN (a token with the permission Workers AI Read) or pass api_token=; "
                "a key needs its e-mail, CLOUDFLARE_API_KEY with CLOUDFLARE_EMAIL"
            )
        secrets = {
            "api_token": token,
            "api_key": key,
            "api_email": email,
            "account_id": account,
            "gateway_token": gateway and gateway.token,
        }
        for name, secret in secrets.items():
            if secret and (not secret.isascii() or any(not letter.isprintable() or letter == " " for letter in secret)):
                raise CredentialsError(f"{name} holds blanks or letters that no {name} has; copy it again")
        if "/" in account:
            raise CredentialsError("account_id holds a slash; it has 32 hexadecimal digits")
        return cls(account, token, key, email, url, gateway)

    @property
    def host(self) -> str:
        """Who answers, for people and fingerprints."""
        return urlsplit(self.base_url).netloc.rpartition("@")[2]

    @property
    def elsewhere(self) -> str | None:
        """The host that answers in Cloudflare's place, with its port; None where Cloudflare answers."""
        return host_elsewhere(self.base_url)

    @property
    def headers(self) -> dict[str, str]:
        """Secrets included."""
        headers = dict(self.gateway.headers) if self.gateway else {}
        if self.api_token:
            headers["Authorization"] = f"Bearer {self.api_token}"
        elif self.api_key and self.api_email:
            headers |= {"X-Auth-Key": self.api_key, "X-Auth-Email": self.api_email}
        return headers

    def url(self, model: str) -> str:
        """Where requests for a model go."""
        if self.gateway is None:
            return f"{self.base_url}/accounts/{self.account_id}/ai/run/{model}"
        own = self.base_url.removesuffix("/client/v4") + "/v1"
        base = GATEWAY if self.base_url == API else own
        return f"{base}/{self.account_id}/{self.gateway.name}/workers-ai/{model}"


def host_elsewhere(base_url: str | None = None) -> str | None:
    """The host of a base URL, else of ``CLOUDFLARE_BASE_URL``, that answers in Cloudflare's place; None for Cloudflare.

    >>> host_elsewhere("http://127.0.0.1:8000/client/v4"), host_elsewhere(API)
    ('127.0.0.1:8000', None)
    """
    parts = urlsplit(_clean(base_url) or _environment("CLOUDFLARE_BASE_URL") or API)
    return None if parts.hostname in HOSTS else parts.netloc.rpartition("@")[2]


def _clean(text: str | None) -> str | None:
    return (text.strip() or None) if text else None


def _environment(name: str) -> str | None:
    return _clean(os.environ.get(name))
