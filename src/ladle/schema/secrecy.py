"""What each way to protect makes of a text: mask, hash, token, encrypted. Pure, but for the nonces."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Callable, Sequence
from typing import Any

from ladle.errors import ConfigError, MissingDependency, UsageError

KEYED = ("hash", "tokenise", "encrypt")
MIN_KEY_CHARS = 16
MASK = "***"

_NONCE_BYTES = 12
_TOKEN_BYTES = 16
_ENCRYPTED = "enc_"
_TOKEN = "tok_"  # noqa: S105 - no secret: what tokens begin with
_BLOCK = 64


def missing_key(what: str) -> ConfigError:
    """The error for a column that needs the key where none is configured."""
    return ConfigError(
        f"{what} is protected with a key, and there is none",
        expected=f"a secret of {MIN_KEY_CHARS} characters or more as governance.pii_key",
        hint="set GOVERNANCE__PII_KEY, or pii_key in [governance] of secrets.toml: openssl rand -hex 32",
    )


def masked(text: str, pii: str | None) -> str:
    """Return what is shown of a value: `a***@***` of an address of class `email`, else `***`."""
    if pii == "email" and "@" in text.strip()[1:]:
        return f"{text.strip()[0]}{MASK}@{MASK}"
    return MASK


class Sealer:
    """Protects texts with one key.

    Args:
        key: at least 16 characters.

    Raises:
        ConfigError: it is shorter.
    """

    def __init__(self, key: str) -> None:
        if len(key) < MIN_KEY_CHARS:
            raise ConfigError(
                "the key of protected columns is too short",
                expected=f"{MIN_KEY_CHARS} characters or more",
                hint="make one with: openssl rand -hex 32",
            )
        self._hash = _hmac(key.encode())
        # Keys of their own: a hash of chosen text must say nothing about tokens or encrypted values.
        self._token_key = _derived(key, b"ladle-token")
        self._cipher_key = _derived(key, b"ladle-encrypt")
        self._tokens: dict[str, Callable[[bytes], bytes]] = {}

    def hashes(self, texts: Sequence[str]) -> list[str]:
        """Return HMAC-SHA256 of each text as 64 hex digits."""
        digest = self._hash
        return [digest(text.encode()).hex() for text in texts]

    def tokens(self, texts: Sequence[str], pii: str | None) -> list[str]:
        """Return a token of 36 characters for each text; equal texts of one class have equal tokens."""
        name = pii or ""
        digest = self._tokens.get(name)
        if digest is None:
            digest = self._tokens[name] = _hmac(self._token_key + name.encode())
        return [_TOKEN + digest(text.encode())[:_TOKEN_BYTES].hex() for text in texts]

    def encrypted(self, texts: Sequence[str | None]) -> list[str | None]:
        """Return each text encrypted by AES-256-GCM under a nonce of its own; None stays.

        Raises:
            MissingDependency: the package `cryptography` is not there.
        """
        cipher = _cipher(self._cipher_key)
        nonces = secrets.token_bytes(_NONCE_BYTES * len(texts))
        return [
            None if text is None else _one_encrypted(cipher, nonces[at : at + _NONCE_BYTES], text)
            for at, text in zip(range(0, len(nonces), _NONCE_BYTES), texts, strict=True)
        ]

    def decrypted(self, text: str) -> str:
        """Return what was encrypted.

        Raises:
            UsageError: it is no encrypted value, or was encrypted with another key.
            MissingDependency: the package `cryptography` is not there.
        """
        cipher = _cipher(self._cipher_key)
        try:
            data = base64.urlsafe_b64decode(text.removeprefix(_ENCRYPTED).encode())
            if not text.startswith(_ENCRYPTED) or len(data) <= _NONCE_BYTES:
                raise ValueError
            plain: bytes = cipher.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], None)
            return plain.decode()
        except Exception:  # noqa: BLE001 - whatever is wrong with it, its text must not show
            error = UsageError(
                "the value can't be decrypted",
                expected="text that `protect: encrypt` made, and the key it was made with",
            )
        raise error


def _one_encrypted(cipher: Any, nonce: bytes, text: str) -> str:
    sealed: bytes = cipher.encrypt(nonce, text.encode(), None)
    return _ENCRYPTED + base64.urlsafe_b64encode(nonce + sealed).decode()


def check_cipher() -> None:
    """Raise MissingDependency where values can't be encrypted."""
    _cipher(bytes(32))


def _cipher(key: bytes) -> Any:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError as exc:
        raise MissingDependency(
            "protect: encrypt needs the package `cryptography`", hint='pip install "ladle[encrypt]"'
        ) from exc
    return AESGCM(key)


def _derived(key: str, person: bytes) -> bytes:
    return hashlib.blake2b(hashlib.sha512(key.encode()).digest(), digest_size=32, person=person).digest()


def _hmac(key: bytes) -> Callable[[bytes], bytes]:
    """Return HMAC-SHA256 under a key. A third of the time of `hmac.digest`: the key is taken in once."""
    if len(key) > _BLOCK:
        key = hashlib.sha256(key).digest()
    padded = key.ljust(_BLOCK, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in padded))
    outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in padded))

    def digest(data: bytes) -> bytes:
        within, around = inner.copy(), outer.copy()
        within.update(data)
        around.update(within.digest())
        return around.digest()

    return digest
