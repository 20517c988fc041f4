"""What is done to personal data, as the configuration says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ladle.config.access import config
from ladle.config.settings import searched
from ladle.errors import ConfigError
from ladle.schema.protection import Policy
from ladle.schema.secrecy import Sealer, missing_key

_SECTION = "governance"
_POLICY = "pii_policy"
_KEY = "pii_key"


def policy() -> Policy:
    """Return the policy of `governance.pii_policy`; it, and its key, are looked for when they are needed."""
    return Policy(_actions, _key)


def _actions() -> Mapping[str, str]:
    """Return actions by class of personal data.

    Raises:
        ConfigError: the setting is no mapping.
    """
    found: Any = config.get(f"{_SECTION}.{_POLICY}")
    if isinstance(found, str):
        try:
            found = json.loads(found)
        except ValueError:
            pass
    if found is not None and not isinstance(found, Mapping):
        raise ConfigError(
            f"{_SECTION}.{_POLICY} can't be `{found}`",
            expected='a class of personal data and an action each, such as {"email": "mask", "*": "hash"}',
        )
    return dict(found or {})


def _key() -> str | None:
    return searched(_KEY, (_SECTION,), secret=True)


def unprotect(value: str, key: str | None = None) -> str:
    """Return what `protect: encrypt` made unreadable.

    Args:
        value: text that begins with `enc_`, as a dataset has it.
        key: it was protected with; None for `governance.pii_key` of the secrets.

    Raises:
        ConfigError: there is no key.
        UsageError: it is no encrypted value, or was encrypted with another key.
        MissingDependency: the package `cryptography` is not there.
    """
    key = key or _key()
    if not key:
        raise missing_key("the value")
    return Sealer(key).decrypted(value)
