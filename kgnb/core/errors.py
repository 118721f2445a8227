"""The error tree. Messages are texts of :mod:`kgnb.core.messages` and end in what to do next.

::

    KgnbError
    ├── InputError, SettingsError, EngineError                     exit 2
    │   └── MissingFile, an InputError and a FileNotFoundError
    ├── BuildStopped, NodeStopped                                  exit 3
    ├── NodeLeaving, LeaseLost, GraphConflict
    ├── ServiceError: ServiceDown, RowRefused
    │   └── ServiceRefused: TableMissing
    └── ProviderError
        ├── ProviderDown, ProviderPaused, AuthRejected
        ├── RequestRejected: EndpointWrong
        ├── RateLimited: RateReached
        ├── QuotaExhausted: BudgetReached
        └── ReplyError: PromptTooLong, RequestUnanswered, ReplyTruncated, ReplyUnparsable, ReplyRefused
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, ClassVar

from kgnb.core.messages import say

if TYPE_CHECKING:
    from kgnb.core.model import Usage


class KgnbError(Exception):
    """Root of everything kgnb raises on purpose.

    ``key`` names a text of :mod:`kgnb.core.messages`, ``facts`` fill it in. Never pass a secret as a fact.
    """

    exit_code: ClassVar[int] = 2
    """Exit code of a command that ends with this error."""

    def __init__(self, key: str, **facts: object) -> None:
        super().__init__(key)
        self.key = key
        self.facts = facts

    def __str__(self) -> str:
        return say(self.key, **self.facts)

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors are pickled to cross processes; their constructors need arguments that pickle doesn't know.
        return type(self).__new__, (type(self), self.key), self.__dict__


class InputError(KgnbError):
    """The user's input (a book, a title, a task number) can't be used as it is."""


class MissingFile(InputError, FileNotFoundError):
    """A file that the user named isn't there."""


class SettingsError(KgnbError):
    """A setting is missing, invalid or contradicts another."""


class EngineError(KgnbError):
    """An embedded engine can't be started or joined."""


class ServiceError(KgnbError):
    """A service failed; ``service`` is "redis", "sql", "bolt" or "llm"."""

    def __init__(self, key: str, *, service: str, **facts: object) -> None:
        super().__init__(key, service=service, **facts)
        self.service = service


class ServiceDown(ServiceError):
    """The service is unreachable, timed out or is starting; the same call may succeed later."""


class ServiceRefused(ServiceError):
    """The service refused (wrong password, missing right); waiting won't help."""


class TableMissing(ServiceRefused):
    """A table or column went missing in mid-run: nothing more can be stored."""


class RowRefused(ServiceError):
    """A rule of the database that kgnb doesn't know refused one statement; others may well pass."""


class BuildStopped(KgnbError):
    """`build` gave up in mid-run; the state is kept and the same command continues."""

    exit_code = 3


class NodeStopped(KgnbError):
    """A service refuses this node in mid-run; its work goes to other nodes."""

    exit_code = 3


class NodeLeaving(KgnbError):
    """This node is leaving and starts no more requests; the work is handed back and counts as no failure."""


class LeaseLost(KgnbError):
    """Another node holds this work now (design: fences); this one must not write anything for it."""


class GraphConflict(KgnbError):
    """Another refresh of the novel began meanwhile; a live holder starts over."""


class ProviderError(KgnbError):
    """A call of an LLM provider failed; ``usage`` is what it cost nevertheless."""

    usage: Usage | None = None

    def __init__(self, key: str, *, provider: str, **facts: object) -> None:
        super().__init__(key, provider=provider, **facts)
        self.provider = provider


class ProviderDown(ProviderError):
    """Connection, timeout or 5xx, after the call's own retries."""


class RateLimited(ProviderError):
    """429: ask again after ``retry_after`` seconds."""

    def __init__(self, key: str, *, provider: str, retry_after: float, **facts: object) -> None:
        super().__init__(key, provider=provider, retry_after=round(retry_after, 1), **facts)
        self.retry_after = retry_after


class RateReached(RateLimited):
    """KGNB_RPM or KGNB_TPM is used up for longer than a slot waits; counts as no failure."""


class ProviderPaused(ProviderError):
    """The provider is paused for all nodes; the work is handed back and counts as no failure."""


class AuthRejected(ProviderError):
    """401 or 403: the key is wrong or lacks the right. Pauses the provider at once."""


class QuotaExhausted(ProviderError):
    """No balance or quota is left. Pauses the provider at once."""


class BudgetReached(QuotaExhausted):
    """KGNB_BUDGET or KGNB_BUDGET_TOKENS is used up; worth another request after ``pause_seconds``."""

    def __init__(self, key: str, *, provider: str, pause_seconds: float, **facts: object) -> None:
        super().__init__(key, provider=provider, **facts)
        self.pause_seconds = pause_seconds


class RequestRejected(ProviderError):
    """Any other 4xx: the request itself is wrong, for instance the model name."""


class EndpointWrong(RequestRejected):
    """There is no model of this name, or the address lacks its version: no request will do better. Pauses the
    provider at once."""


class ReplyError(ProviderError):
    """A reply that can't be used: the chapter's failure, never the provider's."""


class PromptTooLong(ReplyError):
    """The request is over the model's context window: split the chunk."""


class RequestUnanswered(ReplyError):
    """An outage, 429, 403 or no model for this request while the provider answers others: split the chunk.

    ``wait``: after a 429, the seconds before a part of it may be asked; None after anything else.
    """

    wait: float | None = None


class ReplyTruncated(ReplyError):
    """The reply was cut off (finish_reason=length): retry, then split the chunk."""

    def __init__(self, key: str, *, provider: str, reply: str = "", **facts: object) -> None:
        super().__init__(key, provider=provider, **facts)
        self.reply = reply
        """What there is of it; no fact, so never logged."""


class ReplyUnparsable(ReplyError):
    """The reply holds no JSON object, even after repair: retry, then split the chunk."""


class ReplyRefused(ReplyError):
    """Moderation stopped the request, or the model declined."""


def optional_package(name: str) -> Any:
    """Return the module of an optional package. Raises ImportError that names the install command when it is
    missing.
    """
    try:
        return importlib.import_module(name.replace("-", "_"))
    except ImportError:
        raise ImportError(say("explore.needs", package=name)) from None
