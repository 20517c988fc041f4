"""What configures functions and groups of settings: `configspec`, `with_config`."""

from __future__ import annotations

from ladle.config.inject import with_config
from ladle.config.spec import BaseConfiguration, configspec

__all__ = ["BaseConfiguration", "configspec", "with_config"]
