"""`ladle.config` and `ladle.secrets`: single values by key, values set in code, own providers."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar, overload

from ladle.config.chain import CONFIG, SECRETS, chain, here
from ladle.config.hints import alternatives
from ladle.config.lookup import Where, look
from ladle.config.markers import CONFIG_VALUE, SECRETS_VALUE, Secret
from ladle.config.providers import ConfigProvider
from ladle.config.resolve import Gap, Gaps, missing, read, value_of
from ladle.config.spec import BaseConfiguration, Field

_T = TypeVar("_T")


class Accessor:
    """Values by key: `ladle.config["sources.shop.page_size"]`. Nothing else than that key is looked for.

    Args:
        secret: look among secrets only.
    """

    def __init__(self, secret: bool) -> None:
        self._secret = secret

    def __repr__(self) -> str:
        return f"<ladle.{'secrets' if self._secret else 'config'}>"

    @property
    def value(self) -> Any:
        """As a default or an argument: the value has to be found in the configuration."""
        return SECRETS_VALUE if self._secret else CONFIG_VALUE

    def __getitem__(self, key: str) -> Any:
        where = _all()
        found = look(key, self._hint(Any), where)
        if found is None:
            raise missing(repr(self)[1:-1], [Gap(key, key, self._hint(Any), where)], where.providers)
        return read(found, self._hint(Any))

    @overload
    def get(self, key: str, expected_type: type[_T]) -> _T | None: ...
    @overload
    def get(self, key: str, expected_type: Any = None) -> Any: ...
    def get(self, key: str, expected_type: Any = None) -> Any:
        """Return a value, None where there is none.

        Args:
            key: with dots: `destination.warehouse.credentials`.
            expected_type: convert it: a plain type, or a spec such as a class of credentials.

        Raises:
            ConfigValueCannotBeCoercedException: it isn't of that type.
        """
        where = _all()
        hint = self._hint(Any if expected_type is None else expected_type)
        if not any(isinstance(a, type) and issubclass(a, BaseConfiguration) for a in alternatives(hint)):
            found = look(key, hint, where)
            return None if found is None else read(found, hint)
        try:
            return value_of(Field(key, hint, optional=True), where)
        except Gaps as gaps:
            raise missing(key, gaps.gaps, where.providers) from None

    def __setitem__(self, key: str, value: Any) -> None:
        self.writable_provider.set_value(key, value, None)

    def __contains__(self, key: object) -> bool:
        where = _all()
        return look(str(key), self._hint(Any), where) is not None

    @property
    def writable_provider(self) -> ConfigProvider:
        """The provider that values set in code go to. They live as long as the process."""
        return chain().writable(SECRETS if self._secret else CONFIG)

    @property
    def config_providers(self) -> list[ConfigProvider]:
        """The providers that are asked, in order."""
        return [p for p in chain().providers() if p.supports_secrets or not self._secret]

    def register_provider(self, provider: ConfigProvider) -> None:
        """Add a provider after all others.

        Raises:
            DuplicateConfigProviderException: there is one of that name.
        """
        chain().register(provider)

    def _hint(self, hint: Any) -> Any:
        return Annotated[hint, Secret()] if self._secret else hint


def _all() -> Where:
    return Where(here().providers)


config = Accessor(secret=False)
secrets = Accessor(secret=True)
