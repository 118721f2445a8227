"""The error tree. Messages are texts of :mod:`kgnb.core.messages` and end in what to do next.

::

    KgnbError
    ├── InputError            the user's input: a book, a title, a task number          exit 2
    ├── SettingsError         a setting is missing, invalid or contradicts another       exit 2
    ├── EngineError           an embedded engine can't be started or joined              exit 2
    ├── ServiceError          a service: .service is "redis", "sql", "bolt" or "llm"
    │   ├── ServiceDown       unreachable or timed out; waiting may help (retryable)
    │   └── ServiceRefused    it refused: wrong password, missing right; waiting won't help
    ├── BuildStopped          `build` gave up in mid-run; the state is kept                exit 3
    ├── NodeStopped           a worker node that a service refuses in mid-run              exit 3
    ├── NodeLeaving           this node starts no more requests; the work is handed back, uncounted
    ├── LeaseLost             this node no longer holds what it is about to write (design: fences)
    ├── GraphConflict         the novel was settled meanwhile; read again and start over (retryable)
    └── ProviderError         an LLM provider's answer; .provider names it
        ├── ProviderDown      connection, timeout or 5xx after the call's own retries (retryable)
        ├── RateLimited       429; .retry_after seconds (retryable)
        │   └── RateReached   kgnb's own limit (KGNB_RPM, KGNB_TPM) is used up for longer than a slot waits
        ├── ProviderPaused    no node may ask it now; the work is handed back, uncounted (retryable)
        ├── AuthRejected      401 or 403: pauses the provider at once
        ├── QuotaExhausted    no money or quota left: pauses the provider at once
        │   └── BudgetReached kgnb's own budget (KGNB_BUDGET, KGNB_BUDGET_TOKENS) is used up
        ├── RequestRejected   any other 4xx: the request itself is wrong (a model name, say)
        └── ReplyError        the chapter's failure, never the provider's
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

    ``key`` names a text of :mod:`kgnb.core.messages`, ``facts`` fill it in. Never pass a secret as a fact.
    """

    retryable: ClassVar[bool] = False
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
    """The user's input can't be used as it is."""


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

    retryable = True


class ServiceRefused(ServiceError):
    """The service refused (wrong password, missing right); waiting won't help."""


class BuildStopped(KgnbError):
    """`build` gave up in mid-run; the state is kept and the same command continues."""

    exit_code = 3


class NodeStopped(KgnbError):
    """A service refuses this node in mid-run; its work goes to other nodes."""

    exit_code = 3


class NodeLeaving(KgnbError):
    """This node is leaving and starts no more requests; counts as no failure."""


class LeaseLost(KgnbError):
    """Another node holds this work now; this one must not write anything for it."""


class GraphConflict(KgnbError):
    """The novel's settle number changed between reading and writing; a live holder starts over."""

    retryable = True


class ProviderError(KgnbError):
    """A call of an LLM provider failed; ``usage`` is what it cost nevertheless."""

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
    """The user's rate limit is used up for ``retry_after`` seconds; counts as no failure."""


class ProviderPaused(ProviderError):
    """The provider is paused for all nodes; counts as no failure."""

    retryable = True


class AuthRejected(ProviderError):
    """401 or 403: the key is wrong or lacks the right."""


class QuotaExhausted(ProviderError):
    """No balance or quota is left."""


class BudgetReached(QuotaExhausted):
    """The user's budget is used up; worth another request after ``pause_seconds``."""

    def __init__(self, key: str, *, provider: str, pause_seconds: float, **facts: object) -> None:
        super().__init__(key, provider=provider, **facts)
        self.pause_seconds = pause_seconds


class RequestRejected(ProviderError):
    """Any other 4xx: the request itself is wrong, for instance the model name."""


class ReplyError(ProviderError):
    """A reply that can't be used: the chapter's failure, never the provider's."""


class PromptTooLong(ReplyError):
    """The request is over the model's context window."""


class ReplyTruncated(ReplyError):
    """The reply was cut off at the model's output limit."""


class ReplyUnparsable(ReplyError):
    """The reply holds no JSON object, even after repair."""


class ReplyRefused(ReplyError):
    """Moderation stopped the request, or the model declined."""
