"""Messages to Slack: the body, one more try, and no URL anywhere."""

from __future__ import annotations

import json
import logging
import traceback

import pytest
from tests.unit.governance.hooks import CANARY, Hook

import ladle
from ladle.errors import LadleError
from ladle.governance import slack


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slack, "_PAUSE_S", 0)


def test_a_message_is_as_slack_takes_it(hook: Hook) -> None:
    ladle.send_slack_message(hook.url, "hi *there*")
    ladle.send_slack_message(hook.url, "hi", is_markdown=False)
    assert [json.loads(b) for b in hook.bodies] == [
        {"text": "hi *there*", "mrkdwn": True},
        {"text": "hi", "mrkdwn": False},
    ]
    assert hook.types == ["application/json; charset=utf-8"] * 2


def test_it_is_sent_once_more(hook: Hook) -> None:
    hook.answers = [503]
    ladle.send_slack_message(hook.url, "hi")
    assert len(hook.bodies) == 2


@pytest.mark.parametrize("where", ["refuses", "closed", "no url", "bad url"])
def test_no_url_is_told(hook: Hook, where: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    hook.answers = [404] * 2
    urls = {
        "refuses": hook.url,
        "closed": f"http://127.0.0.1:1/{CANARY}",
        "no url": CANARY,
        "bad url": f"http://[{CANARY}",
    }
    with pytest.raises(LadleError) as caught:
        ladle.send_slack_message(urls[where], "hi")
    told = "".join(traceback.format_exception(caught.value)) + caplog.text
    assert "the webhook didn't take the message" in told
    assert CANARY not in told
