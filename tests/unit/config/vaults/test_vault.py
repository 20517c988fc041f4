"""Spec 7.6: what is asked of a vault, in which order, and that nothing is asked twice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from tests.unit.config.places import write

import ladle
from ladle.config import context
from ladle.config.chain import chain
from ladle.config.inject import with_config
from ladle.config.vaults.vault import VaultDocProvider
from ladle.errors import ConfigFieldMissingException, MissingDependency, TomlProviderReadException


class Fake(VaultDocProvider):
    name = "fake vault"

    def __init__(self, secrets: Mapping[str, str], *options: bool) -> None:
        super().__init__(*options)
        self.secrets = secrets
        self.asked: list[str] = []

    def _look_vault(self, full_key: str, hint: Any) -> str | None:
        self.asked.append(full_key)
        return self.secrets.get(full_key)

    def _list_vault(self) -> set[str]:
        self.asked.append("LIST")
        return set(self.secrets)


@with_config(sections=("sources", "mod", "src"))
def source(tok: str = ladle.secrets.value) -> str:
    return tok


def test_a_document_is_asked_for_once() -> None:
    """The case of spec 7.6."""
    vault = Fake({"dlt_secrets_toml": '[sources.x]\ntok = "v"'}, True, True, False)
    ladle.config.register_provider(vault)
    assert ladle.secrets["sources.x.tok"] == "v"
    assert vault.asked == ["dlt_secrets_toml"]
    assert ladle.secrets["sources.x.tok"] == "v"
    assert vault.asked == ["dlt_secrets_toml"]


def asked(secrets: Mapping[str, str], *options: bool, pipeline: str | None = None, sections: str = "sources.mod.src", hint: Any = ladle.TSecretStrValue) -> tuple[Any, list[str]]:  # fmt: skip
    vault = Fake(secrets, *options)
    value, _ = vault.get_value("tok", hint, pipeline, *sections.split("."))
    return value, vault.asked


def test_what_is_asked_for() -> None:
    """The lists are what the reference 1.31 asks for."""
    fragments = ["dlt_secrets_toml", "sources", "sources.mod"]
    assert asked({}, False, True) == (None, fragments)
    assert asked({}, False, False) == (None, [*fragments, "sources.mod.src.tok"])
    assert asked({}, False, True, pipeline="pp") == (
        None,
        ["dlt_secrets_toml", "pp.dlt_secrets_toml", "sources", "sources.mod", "pp.sources", "pp.sources.mod"],
    )
    assert asked({}, False, False, pipeline="pp", sections="destination.pg.credentials")[1] == [
        "dlt_secrets_toml", "pp.dlt_secrets_toml", "destination", "destination.pg", "pp.destination", "pp.destination.pg",
        "pp.destination.pg.credentials.tok",
    ]  # fmt: skip
    assert asked({}, False, True, sections="other")[1] == ["dlt_secrets_toml"]


def test_the_most_specific_wins() -> None:
    secrets = {
        name: f'[sources.mod.src]\ntok = "{name}"' for name in ("dlt_secrets_toml", "sources", "sources.mod")
    }
    for name in ("sources.mod", "sources", "dlt_secrets_toml"):
        assert asked(secrets, False, True)[0] == name
        del secrets[name]
    secrets = {
        "sources": '[sources.mod.src]\ntok = "general"',
        "pp.sources": '[sources.mod.src]\ntok = "mine"',
    }
    assert asked(secrets, False, True, pipeline="pp")[0] == "mine"
    assert asked({"pp.sources": '[pp.sources.mod.src]\ntok = "x"'}, False, True, pipeline="pp")[0] == "x"


def test_single_values() -> None:
    assert asked({"sources.mod.src.tok": "single"}, False, False)[0] == "single"
    assert asked({"sources.mod.src.tok": "single"}, False, True)[0] is None
    assert asked({"sources.mod.src.tok": "single"}, True, False, hint=str)[0] is None
    assert asked({"sources.mod.src.tok": "single"}, True, False)[0] == "single"


def test_a_list_spares_questions() -> None:
    assert asked({}, False, False, True) == (None, ["LIST"])
    assert asked({"sources": "[sources.mod.src]\ntok = 'x'"}, False, False, True) == (
        "x",
        ["LIST", "sources"],
    )


def test_every_answer_is_kept_also_that_there_is_none() -> None:
    vault = Fake({}, False, False)
    ladle.config.register_provider(vault)
    for _ in range(2):
        with pytest.raises(ConfigFieldMissingException) as caught:
            source()
    assert len(vault.asked) == len(set(vault.asked))
    assert ("fake vault", "sources.mod.src.tok") in caught.value.traces["tok"]
    context.pipeline_name.set("pp")
    with pytest.raises(ConfigFieldMissingException):
        source()
    assert len(vault.asked) == len(set(vault.asked))


def test_files_go_before_vaults() -> None:
    ladle.config.register_provider(Fake({"dlt_secrets_toml": "tok = 'vault'"}, False, True))
    assert source() == "vault"
    write("secrets", "tok = 'file'")
    assert source() == "file"


def test_a_document_that_is_not_toml() -> None:
    ladle.config.register_provider(Fake({"dlt_secrets_toml": "tok = v3ry-hidden"}, False, True))
    with pytest.raises(TomlProviderReadException, match="`dlt_secrets_toml` of fake vault") as caught:
        source()
    assert "v3ry-hidden" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "module", "extra"),
    [("google", "google.api_core.exceptions", "google"), ("aws", "botocore.exceptions", "aws"),
     ("azure", "azure.core.exceptions", "azure"), ("hashicorp", "hvac.exceptions", "hashicorp")],
)  # fmt: skip
def test_a_vault_whose_client_is_not_installed(
    name: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    for part in (module.partition(".")[0], module):
        monkeypatch.setitem(sys.modules, part, None)
    write(
        "config",
        "[providers.azure_secrets]\nvault_url='x'\n[providers.hashicorp_secrets]\nurl='x'\n[providers.google_secrets]\nproject_id='p'",
    )
    monkeypatch.setenv(f"PROVIDERS__ENABLE_{name.upper()}_SECRETS", "true")
    with pytest.raises(MissingDependency, match=rf"ladle\[{extra}\]"):
        ladle.config.get("x")


def test_no_vault_is_made_where_none_is_enabled() -> None:
    write("config", "[providers]\nenable_google_secrets = false")
    assert len(chain().providers()) == 3
