"""C11: files that Docker or Kubernetes mount."""

from __future__ import annotations

from pathlib import Path

import pytest

import ladle
from ladle.config.inject import with_config


@with_config(sections=("sources", "facebook_ads"))
def ads(access_token: str = ladle.secrets.value) -> str:
    return access_token


def test_a_mounted_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LADLE_SECRETS_DIR", str(tmp_path))
    (tmp_path / "sources--facebook-ads--access-token").write_text("mounted\n")
    assert ads() == "mounted"
    assert ladle.secrets["sources.facebook_ads.access_token"] == "mounted"
    assert ladle.config.get("sources.facebook_ads.access_token") is None, (
        "plain values aren't looked for there"
    )
    monkeypatch.setenv("SOURCES__FACEBOOK_ADS__ACCESS_TOKEN", "environment")
    assert ads() == "environment"


def test_a_name_does_not_leave_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "outside").write_text("x")
    monkeypatch.setenv("LADLE_SECRETS_DIR", str(tmp_path / "inner"))
    assert ladle.secrets.get("../outside") is None
