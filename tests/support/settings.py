"""The settings of classes, for tests and for the documentation."""

from __future__ import annotations

from collections.abc import Iterable

from runtime.settings.environment import Setting, settings_of_class


def settings_of(classes: Iterable[type], prefix: str = "") -> list[Setting]:
    """Return every setting of the classes, in their order."""
    return [setting for cls in classes for setting in settings_of_class(cls, prefix).values()]


def default_text(setting: Setting) -> str | None:
    """Return the default for the documentation; None if the setting must be set in every mode."""
    if setting.demo is not None:
        return f"{setting.demo} (demo only)"
    return None if setting.required else setting.default or "none"
