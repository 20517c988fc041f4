"""Airflow's variables. Airflow is a stand-in of these tests: a module with `Variable.get`."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
from tests.unit.config.places import write

import ladle
from ladle.config.chain import chain


@pytest.fixture(params=["2", "3"])
def airflow(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    variables = {"dlt_secrets_toml": "[sources.x]\ntok = 'v'"}

    class Variable:
        @staticmethod
        def get(key: str) -> str:
            if key not in variables:
                raise KeyError(key) if request.param == "2" else RuntimeError(f"{key} not found")
            return variables[key]

    package = ModuleType("airflow")
    module = ModuleType("airflow.models" if request.param == "2" else "airflow.sdk")
    module.Variable = Variable  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "airflow", package)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return variables


def test_variables_are_read_where_airflow_runs_the_code(airflow: dict[str, str]) -> None:
    assert ladle.secrets["sources.x.tok"] == "v"
    assert ladle.secrets.get("sources.y.tok") is None
    assert chain().providers()[-1].name == "Airflow Secrets"


def test_it_can_be_switched_off(airflow: dict[str, str]) -> None:
    write("config", "[providers]\nenable_airflow_secrets = false")
    assert ladle.secrets.get("sources.x.tok") is None


def test_single_variables(airflow: dict[str, str]) -> None:
    airflow["sources.y.tok"] = "single"
    write("config", "[providers.airflow_secrets]\nonly_toml_fragments = false")
    assert ladle.secrets["sources.y.tok"] == "single"
