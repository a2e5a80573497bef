"""How long a client may take for its request, and the service for the answer."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """Time limits in seconds.

    Attributes:
        head: how long a connection is kept open without a complete request: from its beginning, and after each
            response.
        body: for receiving a body (cowboy's idle_timeout).
        pause: between two pieces of a body.
        answer: for the answer, from when the request is there; what takes longer is 503.
    """

    head: float = 30.0
    body: float = 120.0
    pause: float = 30.0
    answer: float = 10.0
