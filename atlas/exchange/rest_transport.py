"""One GET to the exchange through its own client: rate limit, timeout, retries, and errors that say what to do.

coinbase-advanced-py has no timeout by default, no retries and no rate limit, logs response bodies to stderr, and
hard-codes https (coinbase.md 4). All of that is mended here and nowhere else.
"""

import json
import logging
import re
from collections.abc import Callable
from time import sleep
from typing import Any
from urllib.parse import urlsplit

import msgspec
import requests
from coinbase.rest import RESTClient
from pyrate_limiter import Limiter, Rate
from requests.adapters import HTTPAdapter
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, stop_before_delay

from atlas.errors import ConfigurationError, CredentialError, ExchangeError

ATTEMPTS = 3
LONGEST_RETRY = 15.0
"""Seconds after which no further attempt begins: whoever waits must still answer its pulse within 30 s."""


class _PlainHttp(HTTPAdapter):
    """Sends to http what the client, which knows only https, addresses to https (coinbase.md 4)."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        if request.url is not None:
            request.url = "http://" + request.url.removeprefix("https://")
        return super().send(request, *args, **kwargs)


class Transport:
    """GETs of the public interface at `base_url`, at most `rate` a second. For one thread only, as is the client.

    `wait` sleeps between attempts; an orderly stop may pass one that wakes early. `limit` is a limit of requests shared
    with other clients, in place of one of its own.
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeout: float,
        rate: float,
        key: str = "",
        secret: str = "",
        wait: Callable[[float], None] = sleep,
        limit: Limiter | None = None,
    ) -> None:
        """Raises ConfigurationError if the address is no http(s) address, or only one of key and secret is there."""
        address = urlsplit(base_url)
        if address.scheme not in ("http", "https") or not address.netloc or address.path.strip("/"):
            raise ConfigurationError(
                f"exchange.rest_url is {base_url!r}: want https://host or http://host:port, without a path"
            )
        if bool(key) != bool(secret):
            raise ConfigurationError("only one of coinbase.api_key and coinbase.api_secret is set: set both or neither")
        if rate <= 0 or timeout <= 0:
            raise ConfigurationError(f"REST needs a positive rate and timeout, not {rate:g} a second and {timeout:g} s")
        self.host = address.netloc
        self._wait = wait
        self._client = RESTClient(
            api_key=key or None, api_secret=secret or None, base_url=address.netloc, timeout=timeout
        )
        _quiet_client_log()
        self._client.session.headers["cache-control"] = "no-cache"
        if address.scheme == "http":
            self._client.session.mount(f"https://{address.netloc}", _PlainHttp())
        self._limiter, self._shared = limit or rate_limit(rate), limit is not None

    def close(self) -> None:
        """Close the connection to the exchange."""
        self._client.session.close()
        if not self._shared:
            self._limiter.close()

    def get(self, path: str, **params: Any) -> dict[str, Any]:
        """Return the JSON object at `/api/v3/brokerage` + `path`; parameters that are None are left out.

        Raises:
            ExchangeError: the exchange could not be reached or refused, after up to three attempts.
            Refused: it refused this very request (4xx); a kind of ExchangeError.
            CredentialError: it refused the API key.
        """
        retrying = Retrying(
            retry=retry_if_exception_type(_Passing),
            stop=stop_after_attempt(ATTEMPTS) | stop_before_delay(LONGEST_RETRY),
            wait=_pause,
            sleep=self._wait,
            reraise=True,
        )
        answer: dict[str, Any] = retrying(self._once, path, params)
        return answer

    def _once(self, path: str, params: dict[str, Any]) -> dict[str, Any]:
        self._limiter.try_acquire()
        try:
            answer = self._client.get(f"/api/v3/brokerage{path}", params=params, public=True)
        except requests.HTTPError as error:
            raise self._refusal(error.response, path) from error
        except requests.exceptions.JSONDecodeError as error:
            raise self._no_json(path, error) from error
        except requests.RequestException as error:
            raise _Passing(
                f"could not reach {self.host}: {_reason(error)}; check the network and exchange.rest_url"
            ) from error
        except (ValueError, RecursionError) as error:  # Numbers of thousands of digits, and brackets without end.
            raise self._no_json(path, error) from error
        if not isinstance(answer, dict):
            raise _Passing(f"{self.host} answered {path} with {str(answer)[:80]!r} instead of a JSON object; try again")
        try:
            json.dumps(answer, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:  # Half a character (\\ud800): JSON may hold it, no reader and no table can.
            raise self._no_json(path, error) from error
        return answer

    def _no_json(self, path: str, error: Exception) -> "_Passing":
        return _Passing(f"{self.host} answered {path} with what is not JSON: {str(error)[:200]}; try again")

    def _refusal(self, response: requests.Response, path: str) -> ExchangeError | CredentialError:
        status, text = response.status_code, refusal_text(response.text)
        if status in (401, 403) and self._client.is_authenticated:
            return CredentialError(
                f"{self.host} refused {path} ({status}: {text}): market data needs no key, so correct or remove "
                f"coinbase.api_key and coinbase.api_secret"
            )
        said = f"{self.host} refused {path} ({status}: {text})"
        if status == 429:
            return _Passing(f"{said}; lower exchange.rest_per_second", _retry_after(response))
        if status >= 500:
            return _Passing(f"{said}; try again later, see the exchange's status page", _retry_after(response))
        return Refused(said, status)


def rate_limit(rate: float) -> Limiter:
    """Return a limit of `rate` requests a second, which clients on several threads may share."""
    burst = max(1, int(rate))
    return Limiter(Rate(burst, max(1, round(1000 * burst / rate))), buffer_ms=1)


class Refused(ExchangeError):
    """The exchange refused one request with `status`, and would again."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class _Passing(ExchangeError):
    """Worth another attempt, after at least `after` seconds."""

    def __init__(self, message: str, after: float = 0.0) -> None:
        super().__init__(message)
        self.after = after


def refusal_text(body: str) -> str:
    """Return what an error's body says; bodies are JSON of several shapes, plain text or HTML (coinbase.md 2)."""
    try:
        parsed = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        plain = re.sub(r"<[^>]*>", " ", re.sub(r"(?is)<(style|script).*?</\1>", " ", body))
        return " ".join(plain.split())[:200] or "no reason given"
    if isinstance(parsed, dict):
        errors = parsed.get("errors")
        if isinstance(errors, list) and errors and isinstance(errors[0], dict):
            parsed = errors[0]
        parts = [parsed.get(field) for field in ("error", "id", "error_details", "message")]
        said = list(dict.fromkeys(part for part in parts if isinstance(part, str) and part))
        if said:
            return ": ".join(said)[:200]
    return str(parsed)[:200]


def _pause(state: RetryCallState) -> float:
    """Return the seconds before the next attempt: 0.5, 1, or what the exchange asks for if that is longer."""
    error = state.outcome.exception() if state.outcome is not None else None
    asked = error.after if isinstance(error, _Passing) else 0.0
    return max(0.5 * 2.0 ** (state.attempt_number - 1), asked)


def _retry_after(response: requests.Response) -> float:
    """Return the seconds the exchange asks us to wait; a date, or nothing, counts as none."""
    try:
        return max(0.0, float(response.headers.get("Retry-After", "0")))
    except ValueError:
        return 0.0


def _reason(error: requests.RequestException) -> str:
    if isinstance(error, requests.exceptions.SSLError):
        return f"its certificate was not accepted ({error})"
    if isinstance(error, requests.Timeout):
        return "it did not answer in time"
    return str(error)[:300]


def _quiet_client_log() -> None:
    """The client logs response bodies to stderr by a handler of its own; what went wrong is in our exceptions."""
    log = logging.getLogger("coinbase.RESTClient")
    log.handlers.clear()
    log.setLevel(logging.CRITICAL)
