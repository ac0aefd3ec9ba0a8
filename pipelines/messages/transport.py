"""Sending one message to one address, by Apprise; the only module that imports it.

An address is an Apprise URL (``mailto://…``, ``slack://…``, ``json://…`` for any webhook). It
holds secrets, so everywhere else it goes by a name, its scheme and its place: ``slack 2``.
"""

import logging
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from logging.handlers import BufferingHandler
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import SecretStr

from ml.errors import ConfigError

LEAST_SECRET = 3  # characters of a part of an address that is hidden
MOST_LINES = 1000  # of warnings about one message
LOGGERS = ("apprise", "urllib3", "requests")


def addresses_of(setting: SecretStr) -> dict[str, str]:
    """The addresses of a setting by their names, in its order; spaces separate them.

    Raises:
        ConfigError: One has no scheme. It is named by its place: it may hold a secret.
    """
    found = {}
    for place, url in enumerate(setting.get_secret_value().split(), start=1):
        scheme = re.match(r"([a-z][a-z0-9+.-]*)://", url, re.IGNORECASE)
        if scheme is None:
            raise ConfigError(
                f"settings: MESSAGE_URLS: address {place} does not begin with a scheme such as "
                "mailto:// or json://: see docs/watching.md."
            )
        found[f"{scheme[1].lower()} {place}"] = url
    return found


def check_addresses(addresses: Mapping[str, str]) -> None:
    """Refuse addresses that nothing can be sent to, before the night begins.

    Raises:
        ConfigError: It names the first one, without its secrets.
    """
    with _apprise() as (library, _):
        make = library.Apprise.instantiate
        wrong = [name for name, url in addresses.items() if make(url) is None]
    if wrong:
        raise ConfigError(
            f"settings: MESSAGE_URLS: {len(wrong)} of {len(addresses)} addresses are none that "
            f"Apprise knows, first '{wrong[0]}': see docs/watching.md."
        )


def send(url: str, title: str, body: str) -> str | None:
    """Send one message; ``None`` where the address took it, else the reason in words.

    An answer that was lost is a reason too: the message may have arrived.
    """
    with _apprise() as (library, said):
        service = library.Apprise()
        taken = bool(service.add(url)) and bool(
            service.notify(title=title, body=body, body_format="text")
        )
    if taken:
        return None
    reasons = "; ".join(line.getMessage() for line in said)
    return hide_secrets(reasons or "refused without a reason", url)


@contextmanager
def _apprise() -> Iterator[tuple[Any, list[logging.LogRecord]]]:
    """The library and what it warns of; what Python deprecates in it is its authors' concern."""
    with keep_quiet(*LOGGERS) as said, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import apprise

        yield apprise, said


def hide_secrets(text: str, url: str) -> str:
    """A text without any part of an address but its scheme, host and port."""
    parts = urlsplit(url)
    secrets = {parts.netloc.rpartition("@")[0], *parts.path.split("/"), parts.fragment}
    secrets |= set(parts.netloc.rpartition("@")[0].split(":"))
    secrets |= {value for _, value in parse_qsl(parts.query)}
    secrets |= {unquote(one) for one in secrets}
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= LEAST_SECRET:
            text = text.replace(secret, "***")
    return text


@contextmanager
def keep_quiet(*names: str) -> Iterator[list[logging.LogRecord]]:
    """What libraries warn of meanwhile, instead of logging it: their lines hold addresses."""
    said = BufferingHandler(MOST_LINES)
    said.setLevel(logging.WARNING)
    loggers = [logging.getLogger(name) for name in names]
    before = [(one.propagate, one.level) for one in loggers]
    for one in loggers:
        one.addHandler(said)
        one.propagate = False
        one.setLevel(logging.WARNING)
    try:
        yield said.buffer
    finally:
        for one, (propagate, level) in zip(loggers, before, strict=True):
            one.removeHandler(said)
            one.propagate = propagate
            one.setLevel(level)
