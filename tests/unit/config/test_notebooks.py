"""C12: Colab and Streamlit, which are stand-ins of these tests."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import pytest
from tests.unit.config.places import write

import ladle


class _Absent(Exception):
    pass


def test_colab(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = {"secrets.toml": "[sources.x]\ntok = 'colab'\nother = 'colab'"}

    def get(name: str) -> str:
        if name not in secrets:
            raise _Absent
        return secrets[name]

    module = ModuleType("google.colab")
    module.userdata = SimpleNamespace(get=get, SecretNotFoundError=_Absent)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "google.colab", module)
    write("secrets", "[sources.x]\nother = 'file'")
    assert ladle.secrets["sources.x.tok"] == "colab"
    assert ladle.secrets["sources.x.other"] == "file"
    assert ladle.config.get("sources.x.nothing") is None


@pytest.mark.parametrize("there", [True, False])
def test_streamlit(there: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def to_dict() -> dict[str, object]:
        if not there:
            raise FileNotFoundError
        return {"sources": {"x": {"tok": "streamlit"}}}

    module = ModuleType("streamlit")
    module.secrets = SimpleNamespace(to_dict=to_dict)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "streamlit", module)
    assert ladle.secrets.get("sources.x.tok") == ("streamlit" if there else None)
