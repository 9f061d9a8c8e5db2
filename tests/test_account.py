"""Credentials: where they come from, what is sent, and that nothing shows them."""

from __future__ import annotations

import json

import pytest

from asrkit.cloudflare.account import API, Account, Gateway
from asrkit.errors import CredentialsError, OptionError

ACCOUNT = "0123456789abcdef" * 2
TOKEN, KEY, EMAIL = "token-SECRET-1", "key-SECRET-2", "someone@example.org"
MODEL = "@cf/openai/whisper"


def found(monkeypatch, environment=(), **given):
    for name, value in dict(environment).items():
        monkeypatch.setenv(f"CLOUDFLARE_{name}", value)
    return Account.find(**given)


class TestWhereTheyComeFrom:
    def test_arguments_go_before_the_environment(self, monkeypatch):
        environment = {"ACCOUNT_ID": "other", "API_TOKEN": "other", "BASE_URL": "https://other.example/v4"}

        account = found(monkeypatch, environment, account_id=ACCOUNT, api_token=TOKEN, base_url="https://mine.example")

        assert (account.account_id, account.api_token, account.base_url) == (ACCOUNT, TOKEN, "https://mine.example")

    def test_the_environment_is_enough(self, monkeypatch):
        account = found(monkeypatch, {"ACCOUNT_ID": ACCOUNT, "API_TOKEN": TOKEN})

        assert account.headers == {"Authorization": f"Bearer {TOKEN}"}
        assert account.url(MODEL) == f"{API}/accounts/{ACCOUNT}/ai/run/{MODEL}"

    @pytest.mark.parametrize("where", ["arguments", "environment"])
    def test_a_key_with_its_email_serves_in_place_of_a_token(self, monkeypatch, where):
        given = {"api_key": KEY, "api_email": EMAIL}
        environment = {"API_KEY": KEY, "EMAIL": EMAIL}

        account = (
            found(monkeypatch, account_id=ACCOUNT, **given)
            if where == "arguments"
            else found(monkeypatch, environment, account_id=ACCOUNT)
        )

        assert account.headers == {"X-Auth-Key": KEY, "X-Auth-Email": EMAIL}

    def test_a_token_goes_before_a_key_of_the_same_place(self, monkeypatch):
        account = found(monkeypatch, {"API_TOKEN": TOKEN, "API_KEY": KEY, "EMAIL": EMAIL}, account_id=ACCOUNT)

        assert account.headers == {"Authorization": f"Bearer {TOKEN}"}

    def test_a_key_that_is_given_goes_before_a_token_of_the_environment(self, monkeypatch):
        account = found(monkeypatch, {"API_TOKEN": "other", "EMAIL": EMAIL}, account_id=ACCOUNT, api_key=KEY)

        assert account.headers == {"X-Auth-Key": KEY, "X-Auth-Email": EMAIL}

    def test_blanks_and_newlines_around_them_do_no_harm(self, monkeypatch):
        account = found(monkeypatch, {"ACCOUNT_ID": f" {ACCOUNT}\n", "API_TOKEN": f"{TOKEN}\r\n"})

        assert (account.account_id, account.api_token) == (ACCOUNT, TOKEN)

    def test_a_slash_at_the_end_of_the_address_does_no_harm(self, monkeypatch):
        account = found(monkeypatch, base_url=f"{API}/", account_id=ACCOUNT, api_token=TOKEN)

        assert account.url(MODEL) == f"{API}/accounts/{ACCOUNT}/ai/run/{MODEL}"

    @pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "[::1]:8000"])
    def test_a_server_on_this_machine_needs_none(self, monkeypatch, host):
        account = found(monkeypatch, {"BASE_URL": f"http://{host}/client/v4"})

        assert account.headers == {}
        assert account.url(MODEL) == f"http://{host}/client/v4/accounts/local/ai/run/{MODEL}"


class TestWhatIsRefused:
    def test_without_an_account_it_says_where_to_find_it(self, monkeypatch):
        with pytest.raises(CredentialsError, match=r"set CLOUDFLARE_ACCOUNT_ID .* or pass account_id="):
            found(monkeypatch, api_token=TOKEN)

    @pytest.mark.parametrize("environment", [{}, {"API_TOKEN": " "}, {"API_KEY": KEY}, {"EMAIL": EMAIL}])
    def test_without_a_token_or_half_a_key_it_says_what_is_missing(self, monkeypatch, environment):
        with pytest.raises(CredentialsError, match=r"set CLOUDFLARE_API_TOKEN .* or pass api_token=") as caught:
            found(monkeypatch, environment, account_id=ACCOUNT)

        assert KEY not in str(caught.value)

    @pytest.mark.parametrize("wrong", ["to ken", "to\nken", "to\x00ken", "tok\u00e9n"])
    @pytest.mark.parametrize("name", ["api_token", "api_key", "account_id"])
    def test_what_no_header_can_hold_is_refused_without_being_shown(self, monkeypatch, name, wrong):
        given = {"account_id": ACCOUNT, "api_email": EMAIL, name: wrong}

        with pytest.raises(CredentialsError, match=f"{name} holds blanks or letters") as caught:
            found(monkeypatch, **given) if name != "account_id" else found(monkeypatch, api_token=TOKEN, **given)

        assert wrong not in str(caught.value)

    @pytest.mark.parametrize("wrong", ["SECRET\nx", "SECR\u00e9T"])
    def test_a_gateways_token_is_checked_like_any_other(self, monkeypatch, wrong):
        with pytest.raises(CredentialsError, match="gateway_token holds blanks or letters"):
            found(monkeypatch, account_id=ACCOUNT, api_token=TOKEN, gateway=Gateway("mine", token=wrong))

    def test_blanks_around_a_gateways_token_do_no_harm(self, monkeypatch):
        gateway = found(monkeypatch, account_id=ACCOUNT, api_token=TOKEN, gateway=Gateway("mine", token="abc\n"))

        assert gateway.headers["cf-aig-authorization"] == "Bearer abc"

    def test_an_account_with_a_slash_is_refused(self, monkeypatch):
        with pytest.raises(CredentialsError, match="account_id holds a slash"):
            found(monkeypatch, account_id="a/b", api_token=TOKEN)

    @pytest.mark.parametrize("url", ["api.cloudflare.com", "ftp://api.cloudflare.com", "https://"])
    def test_an_address_that_is_none_is_refused(self, monkeypatch, url):
        with pytest.raises(OptionError, match="expected base_url such as https://"):
            found(monkeypatch, account_id=ACCOUNT, api_token=TOKEN, base_url=url)


class TestGateway:
    def account(self, base_url=None, **options):
        return Account.find(ACCOUNT, TOKEN, base_url=base_url, gateway=Gateway("mine", **options))

    def test_requests_go_to_the_gateways_own_address(self):
        assert self.account().url(MODEL) == f"https://gateway.ai.cloudflare.com/v1/{ACCOUNT}/mine/workers-ai/{MODEL}"

    def test_behind_another_address_the_path_is_the_same(self):
        url = self.account("http://127.0.0.1:8000/client/v4").url(MODEL)

        assert url == f"http://127.0.0.1:8000/v1/{ACCOUNT}/mine/workers-ai/{MODEL}"

    def test_only_what_was_asked_for_is_in_the_headers(self):
        assert self.account().headers == {"Authorization": f"Bearer {TOKEN}", "cf-aig-max-attempts": "1"}

    def test_its_token_cache_and_metadata_travel_as_headers(self):
        account = self.account(token="gate", cache_ttl=3600, skip_cache=False, metadata={"corpus": "été", "n": 3})

        headers = account.headers
        assert headers["Authorization"] == f"Bearer {TOKEN}"
        assert headers["cf-aig-authorization"] == "Bearer gate"
        assert (headers["cf-aig-cache-ttl"], headers["cf-aig-skip-cache"]) == ("3600", "false")
        assert headers["cf-aig-metadata"].isascii()
        assert json.loads(headers["cf-aig-metadata"]) == {"corpus": "été", "n": 3}

    def test_more_than_five_entries_of_metadata_are_refused(self):
        with pytest.raises(OptionError, match="at most 5 entries of metadata, got 6"):
            Gateway("mine", metadata=dict.fromkeys("abcdef", 1))


class TestNothingShowsThem:
    def test_no_repr_does(self):
        account = Account.find(ACCOUNT, api_key=KEY, api_email=EMAIL, gateway=Gateway("mine", token=TOKEN))

        for shown in (repr(account), str(account), repr(account.gateway), f"{account}"):
            assert "SECRET" not in shown

    def test_no_repr_shows_the_password_in_an_address(self):
        assert "SECRET" not in repr(Account.find(ACCOUNT, TOKEN, base_url="https://me:SECRET@proxy.example/v4"))

    def test_no_message_shows_the_password_in_an_address(self):
        with pytest.raises(OptionError) as caught:
            Account.find(ACCOUNT, TOKEN, base_url="me:SECRET@proxy.example")

        assert "SECRET" not in str(caught.value)

    def test_the_host_is_told_without_the_user(self):
        assert Account.find(ACCOUNT, TOKEN, base_url="https://me:SECRET@proxy.example/v4").host == "proxy.example"
