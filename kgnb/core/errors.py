"""The error tree. Every message comes from :mod:`kgnb.core.messages` and ends in what to do next.

::

    KgnbError
    ├── InputError            the user's input: a book, a title, a task number          exit 2
    ├── SettingsError         a setting is missing, malformed or contradicts another     exit 2
    ├── EngineError           an embedded engine can't be started or joined              exit 2
    ├── ServiceError          a service: .service is "redis", "sql", "bolt" or "llm"
    │   ├── ServiceDown       unreachable or timed out; waiting may help (retryable)
    │   └── ServiceRefused    it answered no: wrong password, missing right; waiting won't help
    ├── BuildStopped          `build` gave up in mid-run; the state is kept                exit 3
    ├── NodeStopped           a worker node that a service refuses in mid-run              exit 3
    ├── NodeLeaving           this node begins no request any more; the work is handed back, uncounted
    ├── LeaseLost             this node no longer holds what it is about to write (design: fences)
    ├── GraphConflict         the novel was settled meanwhile; read again and start over (retryable)
    └── ProviderError         an LLM provider's answer; .provider names it
        ├── ProviderDown      connection, timeout or 5xx after the call's own retries (retryable)
        ├── RateLimited       429; .retry_after seconds (retryable)
        │   └── RateReached   kgnb's own limit (KGNB_RPM, KGNB_TPM) is used up for longer than a slot waits
        ├── ProviderPaused    nobody may ask it now; the work is handed back, uncounted (retryable)
        ├── AuthRejected      401 or 403: pauses the provider at once
        ├── QuotaExhausted    no money or quota left: pauses the provider at once
        │   └── BudgetReached kgnb's own budget (KGNB_BUDGET, KGNB_BUDGET_TOKENS) is used up
        ├── RequestRejected   any other 4xx: the request itself is wrong (a model's name, say)
        └── ReplyError        the chapter's own trouble, never the provider's
            ├── PromptTooLong the text is over the model's context: split the chunk
            ├── ReplyTruncated  cut off (finish_reason=length): retry, then split the chunk
            ├── ReplyUnparsable no JSON object in it, even after repair: retry, then split
            └── ReplyRefused  moderation or refusal
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from kgnb.core.messages import say

if TYPE_CHECKING:
    from kgnb.core.model import Usage


class KgnbError(Exception):
    """Root of everything kgnb raises on purpose.

    ``key`` names a text in :mod:`kgnb.core.messages`; ``facts`` fill it in. Never pass a secret as a fact.
    """

    retryable: ClassVar[bool] = False
    exit_code: ClassVar[int] = 2
    """What a command that ends with this error returns."""

    def __init__(self, key: str, **facts: object) -> None:
        super().__init__(key)
        self.key = key
        self.facts = facts

    def __str__(self) -> str:
        return say(self.key, **self.facts)

    def __reduce__(self) -> tuple[Any, ...]:
        # An error of a worker process comes here whole, whatever its constructor wants.
        return type(self).__new__, (type(self), self.key), self.__dict__


class InputError(KgnbError):
    """The user's input can't be used as it is."""


class SettingsError(KgnbError):
    """A setting is missing, malformed or contradicts another."""


class EngineError(KgnbError):
    """An embedded engine can't be started or joined."""


class ServiceError(KgnbError):
    """A service failed; ``service`` is "redis", "sql", "bolt" or "llm"."""

    def __init__(self, key: str, *, service: str, **facts: object) -> None:
        super().__init__(key, service=service, **facts)
        self.service = service


class ServiceDown(ServiceError):
    """The service is unreachable, timed out or is starting; the same call may succeed later."""

    retryable = True


class ServiceRefused(ServiceError):
    """The service answered no (wrong password, missing right); waiting won't help."""


class BuildStopped(KgnbError):
    """`build` gave up in mid-run; what is done is kept and the same command goes on from there."""

    exit_code = 3


class NodeStopped(KgnbError):
    """A node can't go on: a service refuses it in mid-run. What it held goes to the others."""

    exit_code = 3


class NodeLeaving(KgnbError):
    """This node is about to leave and begins no request any more: nobody's failure."""


class LeaseLost(KgnbError):
    """Another node holds this work by now; nothing may be written for it from here."""


class GraphConflict(KgnbError):
    """The novel's settle number changed between reading and writing; a live holder starts again."""

    retryable = True


class ProviderError(KgnbError):
    """An LLM provider's answer that is no result; ``usage`` is what the call cost all the same."""

    usage: Usage | None = None

    def __init__(self, key: str, *, provider: str, **facts: object) -> None:
        super().__init__(key, provider=provider, **facts)
        self.provider = provider


class ProviderDown(ProviderError):
    """Connection, timeout or 5xx, after the call's own retries."""

    retryable = True


class RateLimited(ProviderError):
    """429: ask again after ``retry_after`` seconds."""

    retryable = True

    def __init__(self, key: str, *, provider: str, retry_after: float, **facts: object) -> None:
        super().__init__(key, provider=provider, retry_after=round(retry_after, 1), **facts)
        self.retry_after = retry_after


class RateReached(RateLimited):
    """The limit that the user set is used up for ``retry_after`` seconds: nobody's failure."""


class ProviderPaused(ProviderError):
    """The provider is paused for every node: nobody's failure."""

    retryable = True


class AuthRejected(ProviderError):
    """401 or 403: the key is wrong or lacks the right."""


class QuotaExhausted(ProviderError):
    """No balance or quota is left."""


class BudgetReached(QuotaExhausted):
    """The budget that the user set is used up; asking again makes sense after ``pause_seconds``."""

    def __init__(self, key: str, *, provider: str, pause_seconds: float, **facts: object) -> None:
        super().__init__(key, provider=provider, **facts)
        self.pause_seconds = pause_seconds


class RequestRejected(ProviderError):
    """Another 4xx: the request itself is wrong, a model's name for instance."""


class ReplyError(ProviderError):
    """A reply that can't be used: the chapter's trouble, never the provider's."""


class PromptTooLong(ReplyError):
    """The request is over the model's context window."""


class ReplyTruncated(ReplyError):
    """The reply was cut off at the model's output limit."""


class ReplyUnparsable(ReplyError):
    """The reply holds no JSON object, even after repair."""


class ReplyRefused(ReplyError):
    """Moderation stopped the request, or the model declined."""
