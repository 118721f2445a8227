"""Providers as the environment and the table describe them, completed from presets; which can be asked.

A secret goes only to an address from its own source, to the preset's, or to one that the user named with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from difflib import get_close_matches
from urllib.parse import urlsplit

from pydantic import SecretStr

from kgnb.core.addresses import holds_secret, origin, redacted_url
from kgnb.core.endpoint import checked_keys, checked_url, is_here
from kgnb.core.errors import SettingsError
from kgnb.core.host import in_kernel
from kgnb.core.messages import say
from kgnb.core.model import RULES, Provider
from kgnb.core.provider_options import ProviderOptions
from kgnb.core.settings import Settings
from kgnb.llm.local import PROVIDER as LOCAL
from kgnb.llm.presets import checked_interface, preset_for, preset_named, presets


def environment_provider(settings: Settings) -> Provider | None:
    """Return the provider that a program gave, else the one that OPENAI_BASE_URL, OPENAI_API_KEY,
    OPENAI_MODEL and KGNB_PROVIDER_NAME describe, completed by its preset.

    None where neither address nor key is set, unless the name is that of a preset that needs no key. An
    unknown name without address gives a provider without address, so that its key goes nowhere.
    """
    if settings.provider is not None:
        return completed(settings.provider)
    needs_key = preset_named(settings.provider_name).needs_key
    if needs_key and not (settings.openai_base_url or settings.openai_api_key.get_secret_value()):
        return None
    return completed(
        Provider(
            name=settings.provider_name,
            base_url=settings.openai_base_url,
            api_key=settings.openai_api_key,
            models=(settings.openai_model,) if settings.openai_model else (),
        )
    )


def completed(provider: Provider) -> Provider:
    """Return ``provider`` with its preset's address and suggested model where it has none of its own."""
    url = provider.base_url or preset_named(provider.name).base_url
    model = preset_for(replace(provider, base_url=url)).model
    return replace(provider, base_url=url, models=provider.models or ((model,) if model else ()))


def with_options(provider: Provider, stored: ProviderOptions, settings: Settings) -> Provider:
    """Return ``provider`` with the stored options, overridden by those of KGNB_PROVIDER_OPTIONS.

    Raises SettingsError where KGNB_PROVIDER_OPTIONS holds secrets for another address.
    """
    given = settings.provider_options.get(provider.lower_name)
    if given is None:
        return replace(provider, options=stored)
    if given.secrets and origin(provider.base_url) not in _addresses(provider, given, settings):
        url = redacted_url(provider.base_url)
        raise SettingsError("provider.options_elsewhere", provider=provider.name, url=url)
    told = replace(provider, options=stored.merged(given))
    return replace(told, api_key=next(iter(told.all_keys), SecretStr("")))


def _addresses(provider: Provider, given: ProviderOptions, settings: Settings) -> set[str]:
    """Return the origins to which the secrets of KGNB_PROVIDER_OPTIONS may be sent."""
    if given.base_url:
        return {origin(given.base_url)}
    own = environment_provider(settings)
    urls = [preset_named(provider.name).base_url]
    urls += [own.base_url] if own is not None and own.lower_name == provider.lower_name else []
    return {origin(url) for url in urls if url}


def check_not_shadowed(row: Provider, settings: Settings, confirmed: str) -> None:
    """Raise SettingsError where a data folder's row has the environment's name but another address.

    Others may have made the folder; ``confirmed`` is the origin that the user saved a key for. The table of a
    database server is an administrator's: there the row wins.
    """
    own = environment_provider(settings)
    if not settings.embedded_sql or own is None or own.lower_name != row.lower_name:
        return
    if origin(row.base_url) not in (origin(own.base_url), confirmed):
        urls = {"url": redacted_url(row.base_url), "own": redacted_url(own.base_url) or "-"}
        raise SettingsError("provider.shadowed", provider=row.name, **urls)


def check_name(name: str) -> None:
    """Raise SettingsError for a name that can't be part of a queue key or a setting."""
    bad = not name or len(name) > 100 or name.lower() == RULES or not name.isprintable()
    if bad or any(c.isspace() or c in ":,=/{}" for c in name):
        raise SettingsError("provider.bad_name", name=name)


def check_named(provider: Provider) -> None:
    """Raise SettingsError for the invalid name or address of a provider that a program gives: before a
    variable holds the address's password, which a verbose traceback would show.
    """
    check_name(provider.name)
    if provider.base_url:
        check_url(provider)


def check_url(provider: Provider) -> None:
    """Raise SettingsError for a malformed address, and for one that may hold a secret."""
    if holds_secret(provider.base_url):
        url = redacted_url(provider.base_url)
        raise SettingsError("provider.url_secret", provider=provider.name, url=url)
    checked_url(provider)


def check_usable(provider: Provider) -> None:
    """Raise SettingsError when ``provider`` has no key, no address, or a malformed one."""
    if provider.is_rules:
        return
    if not provider.base_url:
        key = "provider.not_started" if provider.lower_name == LOCAL else "provider.no_url"
        raise SettingsError(key, provider=provider.name, likely=_likely(provider.name))
    check_url(provider)
    if lacks_key(provider):
        raise SettingsError("provider.no_key", provider=provider.name)
    checked_keys(provider)
    checked_interface(provider)


def lacks_key(provider: Provider) -> bool:
    """Return whether the provider needs a key and has none; an endpoint on this machine needs none."""
    served_here = is_here(urlsplit(provider.base_url).hostname or "")
    return not (provider.api_key.get_secret_value() or served_here) and preset_for(provider).needs_key


def unknown_provider(name: str, settings: Settings, known: Iterable[str]) -> SettingsError:
    """Return the error for an unknown provider's name: it names the settings that the name's preset still
    needs, else the nearest of the names ``known``.
    """
    preset = preset_named(name)
    if not preset.name:
        facts = {"known": ", ".join(sorted(known)), "likely": _likely(name, known), "presets": len(presets())}
        return SettingsError("provider.unknown", provider=name, **facts)
    own, missing = environment_provider(settings), []
    named = settings.provider_name.strip().lower() == name.strip().lower()
    if not named:
        missing.append(f"KGNB_PROVIDER_NAME={name}")
    by_default = "provider_name" not in settings.model_fields_set
    others = own is not None and not by_default and why_unusable(own) is None
    if preset.needs_key and (named or others or not settings.openai_api_key.get_secret_value()):
        missing.append("OPENAI_API_KEY=…")
    key = "provider.unset_in_notebook" if in_kernel() else "provider.unset"  # its cells export nothing
    return SettingsError(key, provider=name, missing=" ".join(missing))


def _likely(name: str, known: Iterable[str] = ()) -> str:
    """Return the question whether the nearest known name was meant; "" without a near one."""
    nearest = get_close_matches(name.strip().lower(), {*presets(), *known}, 1)
    return say("provider.likely", nearest=nearest[0]) if nearest else ""


def why_unusable(provider: Provider) -> SettingsError | None:
    """Return the error that explains why ``provider`` can't be used; None for a usable provider."""
    try:
        name = provider.name
        if len(name) > 100 or not name.isprintable() or any(c in name for c in ":{}"):
            check_name(name)  # its queue's key would read as another one's, or no table would take the name
        check_usable(provider)
    except SettingsError as error:
        return error
    return None
