"""Secrets that Colab and Streamlit keep: read like the files of the same name, after them."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Mapping
from typing import Any

_COLAB, _STREAMLIT = "google.colab.userdata", "streamlit"


def is_here() -> bool:
    """Whether the code runs in Colab or Streamlit."""
    return _COLAB in sys.modules or "google.colab" in sys.modules or _STREAMLIT in sys.modules


def documents(name: str) -> list[Mapping[str, Any]]:
    """Return what stands for a file.

    Args:
        name: `secrets.toml` or `config.toml`; Colab has them as secrets of that name, Streamlit the first.
    """
    found = []
    colab = sys.modules.get(_COLAB) or getattr(sys.modules.get("google.colab"), "userdata", None)
    if colab is not None:
        found.append(_of_colab(colab, name))
    if _STREAMLIT in sys.modules and name == "secrets.toml":
        found.append(_of_streamlit(sys.modules[_STREAMLIT]))
    return [document for document in found if document]


def _of_colab(userdata: Any, name: str) -> Mapping[str, Any]:
    absent = tuple(
        getattr(userdata, error)
        for error in ("SecretNotFoundError", "NotebookAccessError")
        if hasattr(userdata, error)
    )
    try:
        return tomllib.loads(userdata.get(name))
    except absent:
        return {}


def _of_streamlit(streamlit: Any) -> Mapping[str, Any]:
    try:
        found: Mapping[str, Any] = streamlit.secrets.to_dict()
    except FileNotFoundError:  # there is no file of secrets
        return {}
    return found
