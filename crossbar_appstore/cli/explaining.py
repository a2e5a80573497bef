"""``explain``: which rule decided that an account, or a user, sees an app or not."""

from typing import Final

import click

from crossbar_appstore.appstore.allowed_apps import OVERRIDE
from crossbar_appstore.cli.database_verbs import database_verb
from crossbar_appstore.cli.options import example
from crossbar_appstore.cli.output import Output, shown
from crossbar_appstore.cli.program import DONE, REFUSED
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.maintenance import explaining
from crossbar_appstore.maintenance.account_rules import UnknownAccount, UnknownUser
from crossbar_appstore.maintenance.explaining import ExplainedApp, Reason

_RULE_WIDTH: Final = 10


@click.command("explain", epilog=example("explain pbx.example.com", "explain pbx.example.com voip --user jane"))
@click.argument("account")
@click.argument("app", required=False, metavar="[APP]")
@click.option("--user", help="Ask for this user (id or user name), whose permissions then count.")
@database_verb
async def explain(couch: Couch, output: Output, *, account: str, app: str | None, user: str | None) -> int:
    """Tell why apps are visible or not.

    For each app, or for APP, as ACCOUNT (an id, name or realm) sees it, and from which document that comes. The rules
    follow each other, the last one that had a say decides: catalogue, plan, permission, blacklist, whitelabel, master.
    An override only changes how an app looks.
    Without a user, permissions hide nothing, as in the App Exchange.
    """
    try:
        found = await explaining.explain(couch, account, app, user)
    except (UnknownAccount, UnknownUser) as error:
        output.aside(("refused", "bold red"), f"  {error}")
        return REFUSED
    for_user = f", user {found.user_id}" if found.user_id else ""
    output.line((f"Account {found.account_name}", "bold"), f"  {found.account_id}{for_user}")
    if found.plans_of != found.account_id:
        output.line(f"Service plans: those of its reseller, {found.plans_of}")
    for one in found.apps:
        _print_app(output, one)
    output.json(found.as_json())
    return DONE


def _print_app(output: Output, app: ExplainedApp) -> None:
    word = ("visible", "green") if app.visible else ("hidden ", "red")
    installed = ", installed" if app.installed else ""
    output.line("", word, f"  {app.name}  {app.app_id}  ", (f"decided by {app.decided_by}{installed}", "bold"))
    for reason in app.reasons:
        output.line(f"    {reason.rule:<{_RULE_WIDTH}}", f" {_said(reason)}")


def _said(reason: Reason) -> str:
    verdict = "brands it" if reason.authority == OVERRIDE else "shows it" if reason.visible else "hides it"
    revision = f" rev {reason.revision}" if reason.revision else ""
    entry = "" if reason.entry is None else f": {shown(reason.entry)}"
    return f"{verdict}  {reason.document}{revision} in {reason.database}{entry}"
