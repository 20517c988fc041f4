"""Where OpenLineage events go."""

from __future__ import annotations

import pytest

from ladle.errors import ConfigError
from ladle.governance.target import Target, target


@pytest.fixture(autouse=True)
def no_openlineage(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("URL", "API_KEY", "ENDPOINT", "NAMESPACE", "CONFIG", "DISABLED"):
        monkeypatch.delenv(f"OPENLINEAGE_{name}", raising=False)


def test_nothing_is_sent_unless_it_is_set() -> None:
    assert target() is None


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({"OPENLINEAGE__FILE": "e.jsonl"}, Target("ladle", file="e.jsonl")),
        (
            {
                "OPENLINEAGE__URL": "http://a", "OPENLINEAGE__API_KEY": "k", "OPENLINEAGE__NAMESPACE": "n",
                "OPENLINEAGE__TIMEOUT_S": "2", "OPENLINEAGE__ENDPOINT": "x/y",
            },
            Target("n", url="http://a", api_key="k", timeout_s=2, endpoint="x/y"),
        ),
        (
            {
                "OPENLINEAGE_URL": "http://b", "OPENLINEAGE_API_KEY": "k", "OPENLINEAGE_NAMESPACE": "n",
                "OPENLINEAGE_ENDPOINT": "x/y",
            },
            Target("n", url="http://b", api_key="k", endpoint="x/y"),
        ),
        ({"OPENLINEAGE__URL": "http://a", "OPENLINEAGE_URL": "http://b"}, Target("ladle", url="http://a")),
        ({"OPENLINEAGE_CONFIG": "openlineage.yml"}, Target("ladle")),
        ({"OPENLINEAGE__TRANSPORT__TYPE": "console"}, Target("ladle")),
        ({"OPENLINEAGE_URL": "http://b", "OPENLINEAGE_DISABLED": "true"}, None),
    ],
)  # fmt: skip
def test_settings_and_the_variables_of_openlineage(
    env: dict[str, str], expected: Target | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert target() == expected


def test_a_timeout_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENLINEAGE__FILE", "e.jsonl")
    monkeypatch.setenv("OPENLINEAGE__TIMEOUT_S", "soon")
    with pytest.raises(ConfigError, match="OPENLINEAGE__TIMEOUT_S"):
        target()


def test_the_key_does_not_show() -> None:
    assert "k3y" not in repr(Target("n", url="http://a", api_key="k3y"))
