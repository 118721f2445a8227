"""What usage costs: by the user's prices, else by the list prices of the presets, which know peak hours."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from kgnb.core.model import Provider, Usage
from kgnb.llm.presets import preset_for
from kgnb.worker.budget import Budget, cost_at


@dataclass(frozen=True, slots=True)
class Quote:
    """Money that usage costs: ``now``, and ``off_peak`` where prices change by the hour; None where unknown.

    ``currency`` and ``as_of`` are a list price's; "" and None for the user's own prices.
    """

    now: float | None = None
    off_peak: float | None = None
    currency: str = ""
    as_of: date | None = None


def quote(budget: Budget, provider: Provider, model: str, usage: Usage, moment: datetime) -> Quote:
    """Return the cost of ``usage`` at ``moment`` (with a time zone): by the user's price, else by the list
    price, with the price outside peak hours if the provider has any; without amount if neither is known.
    """
    if usage == Usage():
        return Quote(0.0)
    if budget.price(provider.name, model) is not None:
        return Quote(budget.cost(provider.name, model, usage))
    preset = preset_for(provider, model)
    price = preset.price(model)
    if price is None:
        return Quote()
    money, peak = cost_at(price.amounts, usage), preset.peak
    if peak is None:
        return Quote(money, None, price.currency, price.as_of)
    factor = peak.factor if peak.covers(moment) else 1.0
    return Quote(money * factor, money, price.currency, price.as_of)
