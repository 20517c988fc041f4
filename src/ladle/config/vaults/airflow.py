"""Variables of Airflow. On where Airflow runs the code, unless `enable_airflow_secrets` is false."""

from __future__ import annotations

import importlib
from typing import Any

from ladle.config.spec import BaseConfiguration
from ladle.config.vaults.vault import VaultDocProvider


class AirflowSecretsProvider(VaultDocProvider):
    """Airflow's variables, by their key: `dlt_secrets_toml`, `sources.<name>`.

    Args:
        settings: `[providers.airflow_secrets]`.
    """

    name = "Airflow Secrets"
    locations = ("Airflow variables",)

    def __init__(self, settings: BaseConfiguration) -> None:
        super().__init__(settings["only_secrets"], settings["only_toml_fragments"], settings["list_secrets"])
        self._variable: Any = _variable()

    def _look_vault(self, full_key: str, hint: Any) -> str | None:
        try:
            found = self._variable.get(full_key)
        except Exception as exc:
            if isinstance(exc, KeyError) or "not found" in str(exc).lower():
                return None
            raise
        return None if found is None else str(found)


def _variable() -> Any:
    try:
        return importlib.import_module("airflow.sdk").Variable
    except (ImportError, AttributeError):  # before Airflow 3
        return importlib.import_module("airflow.models").Variable
