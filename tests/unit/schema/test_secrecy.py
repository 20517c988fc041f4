"""What is made of protected texts: checked against the standard library, and against `cryptography`."""

from __future__ import annotations

import hashlib
import hmac
import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ladle.errors import ConfigError, MissingDependency, UsageError
from ladle.schema.secrecy import Sealer, check_cipher, masked

KEY = "0123456789abcdef"


@given(key=st.text(min_size=16, max_size=200), texts=st.lists(st.text()))
def test_a_hash_is_hmac_sha256(key: str, texts: list[str]) -> None:
    expected = [hmac.new(key.encode(), t.encode(), hashlib.sha256).hexdigest() for t in texts]
    assert Sealer(key).hashes(texts) == expected


def test_tokens_join_within_a_class_and_nowhere_else() -> None:
    sealer, other = Sealer(KEY), Sealer(KEY + "x")
    assert sealer.tokens(["a", "b", "a"], "email") == [
        *sealer.tokens(["a", "b"], "email"),
        sealer.tokens(["a"], "email")[0],
    ]
    made = {sealer.tokens(["a"], "email")[0], sealer.tokens(["a"], "phone")[0], sealer.tokens(["a"], None)[0]}
    made |= {other.tokens(["a"], "email")[0], sealer.tokens(["b"], "email")[0], *sealer.hashes(["a"])}
    assert len(made) == 6
    assert re.fullmatch("tok_[0-9a-f]{32}", sealer.tokens(["a"], "email")[0])


@given(text=st.text())
def test_what_is_encrypted_comes_back_and_no_two_are_alike(text: str) -> None:
    sealer = Sealer(KEY)
    first, none, second = sealer.encrypted([text, None, text])
    assert first is not None
    assert second is not None
    assert none is None
    assert first != second
    assert sealer.decrypted(first) == sealer.decrypted(second) == text


@pytest.mark.parametrize("wrong", ["", "enc_", "enc_AAAA", "plain", "enc_%%%", "enc_" + "A" * 80, "a@b"])
def test_what_cant_be_decrypted_is_told_without_its_text(wrong: str) -> None:
    with pytest.raises(UsageError, match="can't be decrypted") as caught:
        Sealer(KEY).decrypted(wrong)
    assert caught.value.__context__ is None


def test_another_key_doesnt_decrypt() -> None:
    made = Sealer(KEY).encrypted(["text"])[0]
    assert made is not None
    with pytest.raises(UsageError):
        Sealer(KEY + "x").decrypted(made)


def test_a_short_key_is_refused_and_not_shown() -> None:
    with pytest.raises(ConfigError, match="16 characters") as caught:
        Sealer("kurz-und-klein")
    assert "kurz" not in str(caught.value)


def test_without_cryptography_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers.aead", None)
    with pytest.raises(MissingDependency, match=r"ladle\[encrypt\]"):
        check_cipher()


@pytest.mark.parametrize(
    ("text", "pii", "shown"),
    [
        ("ada@example.org", "email", "a***@***"),
        ("  ada@example.org", "email", "a***@***"),
        ("@example.org", "email", "***"),
        ("ada", "email", "***"),
        ("", "email", "***"),
        ("ada@example.org", "name", "***"),
        ("ada@example.org", None, "***"),
    ],
)
def test_masks(text: str, pii: str | None, shown: str) -> None:
    assert masked(text, pii) == shown
