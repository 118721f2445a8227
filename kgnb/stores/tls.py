"""Classifies TLS failures: waiting doesn't help against an untrusted certificate."""

from __future__ import annotations

import ssl


def is_untrusted_certificate(error: BaseException | None) -> bool:
    """Return whether an error, or an error that caused it, is about a certificate that is unknown, expired or
    for another host; False for None.
    """
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False
