"""Compute once per test process the data that each application derives at its start from flows, countries and texts.

These functions are pure. Their arguments are immutable and the same for hundreds of applications (`cached_files`), so a
result is cached by the identity of the arguments. Countries and catalogues that a test writes are other objects.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from redis import utils

from flows.catalogues import Catalogue
from flows.dependencies import ScreenInputs
from flows.model import LayoutCache
from gateway import app
from gateway.conversation import dispatcher, spoken_texts
from gateway.conversation.context import CountryContext
from reports.countries import country
from runtime.settings import environment, loader

T = TypeVar("T")


def install() -> None:
    """Install the caches for the rest of this process; calling it again has no effect."""
    if hasattr(app.needed_messages, "is_remembered"):
        return
    country.for_mode = remembered(country.for_mode)
    app.needed_messages = remembered(app.needed_messages)
    Catalogue.as_shown = remembered(Catalogue.as_shown)  # type: ignore[method-assign]
    dispatcher.inputs_of = remembered(dispatcher.inputs_of)
    dispatcher.screens_reading = remembered(dispatcher.screens_reading)
    CountryContext.of = remembered(CountryContext.of)  # type: ignore[method-assign]
    spoken_texts._messages_of_calls = remembered(spoken_texts._messages_of_calls)
    dispatcher.new_layout_cache = _empty(dispatcher.new_layout_cache)
    loader.settings_of_class = environment.settings_of_class = remembered(environment.settings_of_class)
    utils.get_lib_version = remembered(utils.get_lib_version)  # each connection reads it from the package's files


def remembered(function: Callable[..., T]) -> Callable[..., T]:
    """Return the function with a cache. Lists and tuples are compared by elements, other arguments by identity."""
    results: dict[Any, tuple[T, Any]] = {}

    def remember(*given: Any, **named: Any) -> T:
        values = [tuple(value) if isinstance(value, list) else value for value in (*given, *named.values())]
        key = (len(given), *named, *map(_key, values))
        if key not in results:
            results[key] = function(*given, **named), values  # `values` stay alive, so that their ids stay unique
        return results[key][0]

    remember.is_remembered = True  # type: ignore[attr-defined]
    return remember


def _key(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_key, value))
    return value if isinstance(value, str | bool | frozenset) else id(value)


def _empty(new_layout_cache: Callable[..., LayoutCache]) -> Callable[..., LayoutCache]:
    """Return the function with a cache of the screens that a layout cache may contain.

    Each call still returns a new, empty cache, so that each application lays out its screens itself.
    """
    results: dict[Any, tuple[LayoutCache, Any]] = {}

    def new(
        ground: CountryContext, kind: str, *, drill: bool, inputs_by_screen: Mapping[str, ScreenInputs]
    ) -> LayoutCache:
        inputs = tuple(inputs_by_screen.values())
        key = (id(ground), kind, drill, *inputs_by_screen, *map(id, inputs))
        if key not in results:
            results[key] = (
                new_layout_cache(ground, kind, drill=drill, inputs_by_screen=inputs_by_screen),
                (ground, inputs),
            )
        one = results[key][0]
        return LayoutCache(one.screens, one.context)

    return new
