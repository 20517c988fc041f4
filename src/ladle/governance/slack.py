"""Messages to Slack, or to anything that takes its format. The URL is a secret: it is in no text of ours."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from ladle.errors import LadleError

TIMEOUT_S = 10.0
_TRIES = 2
_PAUSE_S = 1.0


def send_slack_message(incoming_hook: str, message: str, is_markdown: bool = True) -> None:
    """Send a message to a Slack channel by its incoming webhook.

    Args:
        incoming_hook: URL of the webhook; a secret.
        message: the text.
        is_markdown: whether Slack formats it.

    Raises:
        LadleError: it wasn't taken; the URL isn't named.
    """
    post(incoming_hook, {"text": message, "mrkdwn": is_markdown})


def post(url: str, body: Mapping[str, Any], timeout_s: float = TIMEOUT_S) -> None:
    """Send JSON; where that fails, once more after a second. At least once, so it may arrive twice.

    Args:
        url: a secret.
        body: as JSON.
        timeout_s: for each try, to connect and for each read.

    Raises:
        LadleError: it wasn't taken; the URL isn't named, and is in no cause.
    """
    for tries in range(1, _TRIES + 1):
        problem = _problem(url, body, timeout_s)
        if problem is None:
            return
        if tries < _TRIES:
            time.sleep(_PAUSE_S)
    raise LadleError(f"the webhook didn't take the message: {problem}", hint="check the webhook's URL")


def _problem(url: str, body: Mapping[str, Any], timeout_s: float) -> str | None:
    """Send once; return why it failed, without the URL."""
    if not url.startswith(("https://", "http://")):
        return "its URL begins with neither https:// nor http://"
    # Not `requests`: its errors, and its log, tell the URL.
    try:
        request = urllib.request.Request(  # noqa: S310 - only http and https
            url, json.dumps(body).encode(), {"Content-Type": "application/json; charset=utf-8"}
        )
        with urllib.request.urlopen(request, timeout=timeout_s):  # noqa: S310
            return None
    except urllib.error.HTTPError as error:
        error.close()
        return f"it answered HTTP {error.code}"
    except urllib.error.URLError as error:
        return f"no connection ({type(error.reason).__name__})"
    except Exception as error:  # noqa: BLE001 - whatever it says, it may hold the URL
        return type(error).__name__
