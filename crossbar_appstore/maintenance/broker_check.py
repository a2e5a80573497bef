"""Checks KAZOO's message broker: whether it answers, and KAZOO uses it."""

from crossbar_appstore.broker.connection import opened
from crossbar_appstore.broker.messages import CONFIGURATION, BrokerAway, address_of
from crossbar_appstore.maintenance.reports import Finding, Severity

_CHECK = "message_broker"
_CONSEQUENCE = "KAZOO's nodes may show the old state of what is changed here for up to 15 minutes"


async def broker_findings(amqp_url: str | None, *, alone: bool) -> list[Finding]:
    """The findings about the broker at an AMQP URL; where there is none, one beside KAZOO and none alone."""
    if amqp_url is None:
        message = f"AMQP_URL names no message broker: {_CONSEQUENCE}"
        return [] if alone else [Finding(Severity.INFO, _CHECK, "system", message)]
    address = address_of(amqp_url)
    try:
        async with opened(amqp_url) as connection:
            message, severity = f"{connection.product} answers", Severity.INFO
            if await connection.has_exchange(CONFIGURATION):
                # Where our rights do not suffice, this fails.
                await connection.listen(CONFIGURATION, _CHECK, _ignore)
                message += f", it has the exchange {CONFIGURATION}"
            elif not alone:
                message += f", but has no exchange {CONFIGURATION}: KAZOO does not use this virtual host"
                severity = Severity.WARNING
    except BrokerAway as away:
        message, severity = f"the message broker is away: {away.reason}; {_CONSEQUENCE}", Severity.ERROR
    return [Finding(severity, _CHECK, address, message)]


async def _ignore(_: bytes) -> None:
    """Nothing is published with this routing key."""
