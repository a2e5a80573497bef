"""The verb ``audit``, which shows the audit events that were saved."""

import asyncio
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import click

from crossbar_appstore.cli.completing import complete_account, complete_app
from crossbar_appstore.cli.options import DATABASE, connected, example, json_option, settings_options
from crossbar_appstore.cli.output import Output
from crossbar_appstore.cli.program import DONE
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.json_codec import Json, JsonObject
from crossbar_appstore.kazoo.documents import alphanumeric_name
from crossbar_appstore.kazoo.ids import account_db, is_account_id
from crossbar_appstore.kazoo.values import string_at
from crossbar_appstore.maintenance.lookup import MasterCatalogue, find_account, stored
from crossbar_appstore.operations.audit_events import ACCOUNT_NAMES
from crossbar_appstore.operations.audit_trail import saved_events
from crossbar_appstore.settings import Settings

_SUBJECT: Final = ("account_id", "user_id", "app_id", "document_id", *ACCOUNT_NAMES)
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_AGO: Final = re.compile(r"(\d{1,6})([mhdw])")


class Since(click.ParamType[datetime]):
    """A time as ISO 8601, or how long ago: ``90m``, ``24h``, ``7d``, ``4w``."""

    name = "time"

    def convert(self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The time; one without a zone is in UTC."""
        if isinstance(value, datetime):
            return value
        ago = _AGO.fullmatch(value)
        try:
            if ago is not None:
                return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
            moment = datetime.fromisoformat(value)
            # In UTC, the first and the last day may be none that there is.
            return moment.astimezone(UTC) if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            self.fail("give a time such as 2026-11-27T08:00, or how long ago, such as 90m, 24h, 7d or 4w", param, ctx)


@click.command("audit", epilog=example("audit --since 24h", "audit --account pbx.example.com --app voip --json"))
@click.option(
    "--account",
    metavar="ACCOUNT",
    help="Only what concerns this account or was done by it: its id, name or realm.",
    shell_complete=complete_account,
)
@click.option("--app", metavar="APP", help="Only what concerns this app: its id or name.", shell_complete=complete_app)
@click.option(
    "--since", type=Since(), default="7d", show_default=True, metavar="TIME", help="From this time on, or so long ago."
)
@json_option
@settings_options(*DATABASE)
def audit(*, settings: Settings, as_json: bool, account: str | None, app: str | None, since: datetime) -> int:
    """Show audit events, oldest first.

    They are read from the database that CROSSBAR_AUDIT_DB names, where they are kept for a year. TIME is as
    2026-11-27T08:00, in UTC unless it names a zone, or 90m, 24h, 7d, 4w ago.
    """
    if settings.audit_db is None:
        raise click.UsageError("CROSSBAR_AUDIT_DB names no database, so that events are only logged")
    database, output, found = settings.audit_db, Output(as_json=as_json), list[Json]()

    async def show() -> None:
        async with connected(settings) as couch:
            is_wanted = await _selection(couch, account, app)
            async for event in saved_events(couch, database, since):
                if is_wanted(event):
                    output.line(*_line(event))
                    if as_json:
                        found.append(event)

    asyncio.run(show())
    output.json({"events": found})
    return DONE


async def _selection(couch: Couch, account: str | None, app: str | None) -> Callable[[JsonObject], bool]:
    document = {} if account is None else await _account(couch, account)
    account_id = document.get("_id")
    # A login that failed has only the name or realm that it gave.
    names = _alphanumeric(document, "name", "realm")
    app_id = app
    if app is not None and not is_account_id(app):
        app_id = (await (await MasterCatalogue.of(couch)).open(app))["_id"]

    def is_wanted(event: JsonObject) -> bool:
        who = event.get("who") or {}
        concerned = (event.get("account_id"), who.get("account_id"), (who.get("acting_as") or {}).get("account_id"))
        named = _alphanumeric(event.get("named") or {}, *ACCOUNT_NAMES)
        concerns_account = account_id in (None, *concerned) or not names.isdisjoint(named)
        return concerns_account and app_id in (None, event.get("app_id"))

    return is_wanted


def _alphanumeric(document: JsonObject, *keys: str) -> set[str]:
    """The members as KAZOO compares names, without those that have nothing to compare."""
    return {alphanumeric_name(string_at(document, key) or "") for key in keys} - {""}


async def _account(couch: Couch, wanted: str) -> JsonObject:
    if is_account_id(wanted):
        # One that was deleted is found by its id.
        return await stored(couch, account_db(wanted), wanted) or {"_id": wanted}
    return await find_account(couch, wanted)


def _line(event: JsonObject) -> tuple[str | tuple[str, str], ...]:
    """An event as one line: time, outcome, action, ids, and by whom."""
    who = event.get("who") or {}
    by = "/".join(str(who[key]) for key in ("account_id", "user_id", "os_user", "command") if who.get(key))
    about = {**event, **(event.get("named") or {})}
    subject = " ".join(f"{key}={about[key]}" for key in _SUBJECT if about.get(key))
    style = {"done": "green", "refused": "yellow"}.get(event["outcome"], "red")
    changed = f"  changed={','.join(event['changed'])}" if event.get("changed") else ""
    outcome = (f"{event['outcome']:<8}", style)
    client = f" from {event['client']}" if event.get("client") else ""
    return (event["time"], "  ", outcome, f"  {event['action']}  {subject}{changed}  by {by or 'nobody'}{client}")
