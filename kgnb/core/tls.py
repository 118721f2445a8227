"""What TLS failures mean: a certificate that isn't trusted stays so, however long one waits."""

from __future__ import annotations

import ssl


def is_untrusted_certificate(error: BaseException | None) -> bool:
    """Whether a driver's error comes from a server certificate that is unknown, expired or another host's."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False
