# The fragments of the seed, in a source as the generator makes them: what stands around them is ours.
from base64 import b64encode
from dataclasses import dataclass
from typing import Any, Dict, Optional, TypedDict

import requests

import ladle as dlt
from ladle.sources.config import configspec
from ladle.sources.credentials import CredentialsConfiguration


class CredentialsHttpParams(TypedDict):
    cookies: Dict[str, str]
    headers: Dict[str, str]
    params: Dict[str, str]


@configspec
class GeneratedCredentials(CredentialsConfiguration):
    api_key: dlt.TSecretStrValue = None
    username: Optional[str] = None
    password: Optional[dlt.TSecretStrValue] = None

    def to_http_params(self) -> CredentialsHttpParams:
        cred = f"{self.api_key}:{self.password}" if self.password else f"{self.username}"
        encoded = b64encode(f"{cred}".encode()).decode()
        return dict(cookies={}, headers={"Authorization": "Basic " + encoded}, params={})


@configspec
class ChargebeeCredentials(GeneratedCredentials):
    def to_http_params(self) -> CredentialsHttpParams:
        encoded = b64encode(f"{self.api_key}".encode()).decode()
        return dict(cookies={}, headers={"Authorization": "Basic " + encoded}, params={})


@dataclass
class Response:
    parsed: Any


def _build_response(response):
    response.raise_for_status()
    return Response(response.json())


def extract_nested_data(parsed, path):
    for part in path.split("."):
        parsed = parsed[part]
    return parsed


@dlt.source
def one_page(kwargs):
    def f():
        yield _build_response(requests.request(**kwargs))

    return dlt.resource(f, name="f").add_map(lambda response: response.parsed)


def get_pages(kwargs: Dict[str, Any], data_json_path):
    has_more = True
    while has_more:
        response = _build_response(requests.request(**kwargs))
        yield extract_nested_data(response.parsed, data_json_path)
        kwargs["params"]["offset"] = response.parsed.get("next_offset", None)
        has_more = kwargs["params"]["offset"] is not None


@dlt.source(name="chargebee")
def chargebee_source(base_url: str = dlt.config.value, credentials: ChargebeeCredentials = dlt.secrets.value):
    for endpoint in ("events", "invoices"):
        kwargs = {"method": "get", "url": f"{base_url}/{endpoint}", **credentials.to_http_params()}
        yield dlt.resource(
            get_pages(kwargs, "list"), name=f"List{endpoint.title()}Response200ListItem", write_disposition="replace"
        )
