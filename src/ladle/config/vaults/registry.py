"""Which vaults there are: setting to module; only those that are enabled are imported."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ladle.config.lookup import Where
from ladle.config.providers import ConfigProvider
from ladle.config.resolve import resolve
from ladle.config.spec import BaseConfiguration
from ladle.config.vaults.settings import (
    AwsSettings,
    AzureSettings,
    GoogleSettings,
    HashicorpSettings,
    ProvidersSettings,
    VaultSettings,
)
from ladle.errors import MissingDependency


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a vault lives. `extra`: the extra of ladle that installs its client."""

    module: str
    provider: str
    settings: type[BaseConfiguration]
    extra: str | None = None


ENTRIES: Mapping[str, Entry] = {
    "google": Entry("google", "GoogleSecretsProvider", GoogleSettings, "google"),
    "aws": Entry("aws", "AwsSecretsProvider", AwsSettings, "aws"),
    "azure": Entry("azure", "AzureSecretsProvider", AzureSettings, "azure"),
    "hashicorp": Entry("hashicorp", "HashicorpSecretsProvider", HashicorpSettings, "hashicorp"),
    "airflow": Entry("airflow", "AirflowSecretsProvider", VaultSettings),
}


@dataclass(frozen=True, slots=True)
class Enabled:
    """A vault to ask. `where`: the providers that hold its settings; two of one vault are the same."""

    name: str
    settings: str = field(repr=False)
    config: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Enabled) and (self.name, self.settings) == (other.name, other.settings)

    def __hash__(self) -> int:
        return hash((self.name, self.settings))


def enabled(where: Where) -> tuple[Enabled, ...]:
    """Return the vaults that are enabled, with their settings.

    Raises:
        ConfigFieldMissingException: a setting of a vault is missing.
    """
    switches = resolve(ProvidersSettings, where.below("providers"))
    found = []
    for name, entry in ENTRIES.items():
        switch = switches[f"enable_{name}_secrets"]
        if switch or (switch is None and "airflow" in sys.modules):
            config = resolve(entry.settings, where.below("providers").below(f"{name}_secrets"))
            found.append(Enabled(name, repr(_plain(config)), config))
    return tuple(found)


def _plain(config: BaseConfiguration) -> dict[str, Any]:
    return {k: _plain(v) if isinstance(v, BaseConfiguration) else v for k, v in config.items()}


def made(vault: Enabled) -> ConfigProvider:
    """Return the provider of a vault.

    Raises:
        MissingDependency: its client isn't installed; the hint has the command.
    """
    entry = ENTRIES[vault.name]
    module = importlib.import_module(f"ladle.config.vaults.{entry.module}")
    try:
        provider: ConfigProvider = getattr(module, entry.provider)(vault.config)
    except ImportError as exc:
        if isinstance(exc, MissingDependency):
            raise
        raise MissingDependency(
            f"the vault `{vault.name}` needs the package `{exc.name}`",
            hint=f'pip install "ladle[{entry.extra}]"' if entry.extra else None,
        ) from exc
    return provider
