"""What values look like: addresses of mail and of the internet, phone numbers, bank accounts, cards."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping

_MAIL = re.compile(r"[^@\s<>\"'(),;:]{1,64}@[^@\s.<>\"'(),;:]+(\.[^@\s.<>\"'(),;:]+)+")
_MAIL_CHARS = 254
_PHONE_MARKS = re.compile(r"[ ./()\-\u00a0]")
_PHONE = re.compile(r"(\+|00)[1-9]\d{6,14}")
_LOCAL_PHONE = re.compile(r"\+?\d{6,15}")
_IBAN = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}")
_CARD = re.compile(r"[2-6]\d{12,18}")
_CARD_MARKS = re.compile(r"[ \-]")

_NAMES: Mapping[str, re.Pattern[str]] = {
    "email": re.compile(r"(^|_)(e_?mails?|mails?|email_address(es)?)($|_)"),
    "phone": re.compile(r"(^|_)(tele)?(phones?|tel|mobile|cell|fax)(_?(number|no|nr))?($|_)"),
    "iban": re.compile(r"(^|_)(iban|bank_account)($|_)"),
    "card": re.compile(r"(^|_)(card|credit_card|card_?(number|no|nr)|pan)($|_)"),
    "ip": re.compile(r"(^|_)(ip|ip_?addr(ess)?|remote_addr|client_ip)($|_|v4|v6)"),
}


def is_email(text: str) -> bool:
    """Whether a text is an address of mail."""
    return len(text) <= _MAIL_CHARS and _MAIL.fullmatch(text) is not None


def is_phone(text: str) -> bool:
    """Whether a text is a phone number with its country: `+49 30 1234-567`, at most 15 digits (ITU E.164)."""
    return _PHONE.fullmatch(_PHONE_MARKS.sub("", text)) is not None


def is_iban(text: str) -> bool:
    """Whether a text is an account's IBAN: its two check digits are right (ISO 13616, mod 97)."""
    packed = text.replace(" ", "").upper()
    if _IBAN.fullmatch(packed) is None:
        return False
    digits = "".join(str(int(c, 36)) for c in packed[4:] + packed[:4])
    return int(digits) % 97 == 1


def is_card(text: str) -> bool:
    """Whether a text is the number of a payment card: 13 to 19 digits of which the last is right (Luhn)."""
    digits = _CARD_MARKS.sub("", text)
    if _CARD.fullmatch(digits) is None:
        return False
    doubled = (int(d) * (1 + i % 2) for i, d in enumerate(reversed(digits)))
    return sum(n - 9 if n > 9 else n for n in doubled) % 10 == 0


def is_ip(text: str) -> bool:
    """Whether a text is an address of the internet, of version 4 or 6."""
    if not ("." in text or ":" in text):
        return False
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


DETECTORS: Mapping[str, Callable[[str], bool]] = {
    "email": is_email,
    "iban": is_iban,
    "card": is_card,
    "ip": is_ip,
    "phone": is_phone,
}
"""By class of personal data; the first that fits most values of a column counts."""


def named(pii: str, column: str) -> bool:
    """Whether a column's name, in snake case, is one of the usual names of a class."""
    return _NAMES[pii].search(column) is not None


def fits(pii: str, column: str, text: str) -> bool:
    """Whether a value is of a class, in a column of that name: bare digits are a phone number only there."""
    if DETECTORS[pii](text):
        return True
    return (
        pii == "phone"
        and named("phone", column)
        and _LOCAL_PHONE.fullmatch(_PHONE_MARKS.sub("", text)) is not None
    )
