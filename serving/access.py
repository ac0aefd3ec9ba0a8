"""Who may ask: anybody on this machine, else who has a key or comes through a trusted proxy."""

import hashlib
import hmac
import ipaddress
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ml.errors import ConfigError
from serving.written import RequestProblem

_LINE = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]{0,63})\s+sha256:([0-9a-f]{64})")
_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
PROXY_HEADER = b"x-forwarded-user"
Headers = Mapping[bytes, bytes]


@dataclass(frozen=True, slots=True)
class AccessRules:
    """Who is let in."""

    keys: Mapping[str, bytes]  # by name, the sha256 of each key; empty where none is asked for
    proxies: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]  # that are trusted
    local: bool  # whether only this machine is listened to, under its own names

    @property
    def open(self) -> bool:
        """Whether nobody has to say who they are."""
        return not self.keys and not self.proxies

    def admit(self, headers: Headers, peer: str) -> str:
        """The name of who asks; empty where none is asked for.

        Args:
            headers: Of the request, names in small letters.
            peer: Address that the connection comes from.

        Raises:
            RequestProblem: Nobody who is known, or a name of this machine that is not one.
        """
        if self.local and not self.proxies:
            _require_local_name(headers.get(b"host", b""))
        if self.open:
            return ""
        if name := self._of_proxy(headers, peer) or self._of_key(headers):
            return name
        raise RequestProblem(
            401,
            "this needs a key: send it as 'Authorization: Bearer KEY'.",
            {"WWW-Authenticate": 'Bearer realm="previsor"'},
        )

    def _of_proxy(self, headers: Headers, peer: str) -> str:
        """Whom a trusted proxy names; the header alone, from elsewhere, says nothing."""
        user = headers.get(PROXY_HEADER, b"").decode("latin-1")
        try:
            address = ipaddress.ip_address(peer)
        except ValueError:
            return ""
        return user[:200] if any(address in network for network in self.proxies) else ""

    def _of_key(self, headers: Headers) -> str:
        scheme, _, key = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() != b"bearer":
            return ""
        hashed, found = hashlib.sha256(key.strip()).digest(), ""
        for name, known in self.keys.items():  # all of them, whichever it is
            if hmac.compare_digest(hashed, known):
                found = name
        return found


def _require_local_name(host: bytes) -> None:
    """Refuse names that others gave this machine: pages of theirs could read through them."""
    text = host.decode("latin-1").lower()
    name = text[1:].partition("]")[0] if text.startswith("[") else text.partition(":")[0]
    if name not in _LOCAL_NAMES:
        raise RequestProblem(421, "this server answers under the names of its own machine alone.")


def read_keys(path: Path) -> dict[str, bytes]:
    """The keys of a file: a line each, a name and ``sha256:`` with the hash of the key.

    Raises:
        ConfigError: It cannot be read, is open to others, or has a line that is none.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        others = path.stat().st_mode & 0o022
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"keys: '{path}' cannot be read ({type(error).__name__}).") from None
    if others:
        raise ConfigError(f"keys: others can write to '{path}': chmod go-w '{path}'.")
    found: dict[str, bytes] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None or match[1] in found:
            raise ConfigError(
                f"keys: '{path}', line {number} is not 'NAME sha256:HASH' of a new name. "
                f"--make-key NAME prints a line."
            )
        found[match[1]] = bytes.fromhex(match[2])
    if not found:
        raise ConfigError(f"keys: '{path}' holds none. --make-key NAME prints a line for it.")
    return found


def read_proxies(text: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """The trusted proxies of a list with commas.

    Raises:
        ConfigError: One is no address.
    """
    try:
        return [ipaddress.ip_network(one.strip()) for one in text.split(",") if one.strip()]
    except ValueError:
        raise ConfigError(
            f"trusted proxy: {text!r} is no address or network; write 10.0.0.7 or 10.0.0.0/24."
        ) from None


def make_key(name: str) -> tuple[str, str]:
    """A new key, and the line for the file of keys, which does not hold it.

    Raises:
        ConfigError: The name has other signs than letters, digits and ``._-``.
    """
    key = secrets.token_urlsafe(32)
    line = f"{name} sha256:{hashlib.sha256(key.encode()).hexdigest()}"
    if not _LINE.fullmatch(line):
        raise ConfigError(f"--make-key: {name!r} is no name; take letters, digits and ._-")
    return key, line


def is_loopback(host: str) -> bool:
    """Whether a server on this address is reached from its own machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
