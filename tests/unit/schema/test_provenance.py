"""Where rows come from, as values: names of what was read, without secrets."""

from __future__ import annotations

from typing import Any

import pytest

from ladle.schema.provenance import masked_facets, place, without_secrets


@pytest.mark.parametrize(
    ("name", "namespace", "expected"),
    [
        ("data/a.csv", None, ("file", "data/a.csv")),
        ("/data/a.csv", None, ("file", "/data/a.csv")),
        ("file:///data/a.csv", None, ("file", "/data/a.csv")),
        ("s3://bucket/x/a.csv", None, ("s3://bucket", "x/a.csv")),
        ("https://api.x.com/orders", None, ("https://api.x.com", "/orders")),
        ("https://api.x.com", None, ("https://api.x.com", "/")),
        ("shop.public.orders", "postgres://db:5432", ("postgres://db:5432", "shop.public.orders")),
        ("t", "postgres://me:secret@db:5432", ("postgres://db:5432", "t")),
    ],
)
def test_names_are_split_as_openlineage_names_datasets(
    name: str, namespace: str | None, expected: tuple[str, str]
) -> None:
    assert place(name, namespace) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://me:pw@h/x", "https://h/x"),
        ("https://tok@h:8443/x", "https://h:8443/x"),
        ("https://h/x?page=2&api_key=abc&since=3", "https://h/x?page=2&api_key=***&since=3"),
        (
            "https://h/x?X-Amz-Signature=abc&X-Amz-Credential=d",
            "https://h/x?X-Amz-Signature=***&X-Amz-Credential=***",
        ),
        ("https://h/x?sv=1&sig=abc", "https://h/x?sv=1&sig=***"),
        ("https://h/x?code=abc&country_code=de", "https://h/x?code=***&country_code=de"),
        ("https://h/x#part", "https://h/x"),
        ("duckdb:///a/b.duckdb", "duckdb:///a/b.duckdb"),
        ("plain?token=abc", "plain?token=abc"),
    ],
)
def test_urls_lose_logins_and_secret_values(text: str, expected: str) -> None:
    assert without_secrets(text) == expected


def test_facets_lose_what_is_secret_by_name_at_any_depth() -> None:
    given: dict[str, Any] = {
        "cursor": 3,
        "password": "x",
        "next": "https://u:p@h/?token=t",
        "nested": {"auth": ["x"], "urls": ["https://u:p@h/"]},
    }
    assert masked_facets(given) == {
        "cursor": 3,
        "password": "***",
        "next": "https://h/?token=***",
        "nested": {"auth": "***", "urls": ["https://h/"]},
    }
