"""``installs``, ``install``, ``uninstall``, ``blacklist``: which accounts have which apps."""

import functools
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any, Final

import click

from crossbar_appstore.appstore.apps_store_document import ALLOWED_USERS, LISTED_USERS
from crossbar_appstore.cli.completing import complete_account, complete_app
from crossbar_appstore.cli.options import Decorator, combined, confirmed, dry_run_option, example, yes_option
from crossbar_appstore.cli.output import Output, database_verb
from crossbar_appstore.cli.program import DONE, REFUSED
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.kazoo.values import string_at
from crossbar_appstore.maintenance.installing import (
    AccountChange,
    ChangeRefused,
    Outcome,
    PermissionChanges,
    bounded,
    find_app_id,
    grant,
)
from crossbar_appstore.maintenance.installs import AccountInstalls, Installed, list_installs
from crossbar_appstore.maintenance.lookup import MasterCatalogue, UnknownApp
from crossbar_appstore.maintenance.many_accounts import CONCURRENCY, AccountName, in_order, select_accounts

_HEADINGS: Final = ("ACCOUNT", "ACCOUNT_ID", "APP", "APP_ID", "ALLOWED_USERS", "USERS", "BLACKLISTED")
_STYLES: Final = {Outcome.UNCHANGED: "dim", Outcome.REFUSED: "bold red", Outcome.FAILED: "bold red"}
_WIDTH: Final = max(map(len, Outcome)) - 2
"""Of the longest outcome of an app, ``uninstalled``."""
_BELOW: Final = click.option(
    "--below",
    metavar="ACCOUNT",
    help="The accounts below this one (an id, name or realm), without itself.",
    shell_complete=complete_account,
)
_CONCURRENCY: Final = click.option(
    "--concurrency",
    type=click.IntRange(1, 64),
    default=CONCURRENCY,
    show_default=True,
    help="Accounts that are worked on at the same time.",
)

app_argument = click.argument("app", metavar="APP", shell_complete=complete_app)


def _accounts_options(what: str) -> Decorator:
    return combined(
        click.option(
            "--accounts", metavar="A,B", multiple=True, help=f"{what} in these accounts (ids, names, realms)."
        ),
        _BELOW,
        click.option("--all", "every", is_flag=True, help=f"{what} in every account."),
        _CONCURRENCY,
    )


def _changing_verb(function: Callable[..., Awaitable[int]]) -> Callable[..., int]:
    """Make a ``database_verb`` with ``--dry-run`` that prints the reason if the rules refuse the whole change."""

    @functools.wraps(function)
    async def verb(couch: Couch, output: Output, **arguments: Any) -> int:
        try:
            return await function(couch, output, **arguments)
        except ChangeRefused as refused:
            return output.refused(refused, {"message": str(refused)})

    return dry_run_option(database_verb(verb))


@click.command(
    "installs", epilog=example("installs", "installs voip --below reseller.example.com --csv > installs.csv")
)
@click.argument("app", required=False, metavar="[APP]", shell_complete=complete_app)
@_BELOW
@_CONCURRENCY
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV instead of text, row by row.")
@database_verb
async def installs(
    couch: Couch, output: Output, *, app: str | None, below: str | None, concurrency: int, as_csv: bool
) -> int:
    """List the installed apps of accounts.

    APP is the id or name of an app. Without it, all apps are listed.
    """
    if as_csv and output.as_json:
        raise click.UsageError("give either --csv or --json, not both")
    names = {doc["_id"]: string_at(doc, "name") or "" for doc in await (await MasterCatalogue.of(couch)).apps()}
    accounts = await select_accounts(couch, below=below, every=below is None)
    if as_csv:
        output.csv([heading.lower() for heading in _HEADINGS])
    found: list[Installed] = []
    unread: list[AccountInstalls] = []
    known = app is None or app in names or app in names.values()
    async with aclosing(list_installs(couch, accounts, names, concurrency)) as read:
        with output.progress("Reading accounts", len(accounts)) as step:
            async for one in read:
                if one.error is not None:
                    unread.append(one)
                    output.aside(("failed", "bold red"), f"  {one.account.name}  {one.account.id}  {one.error}")
                for each in one.apps:
                    if app is None or app in (each.app_id, each.app_name):
                        known = True
                        if as_csv:
                            output.csv(_row(each))
                        else:
                            found.append(each)
                step()
    if not known:
        raise UnknownApp(f"no app {app!r} is in the catalogue or installed")
    if not as_csv:
        output.columns(_HEADINGS, [_row(each) for each in found])
    failed = [{"account_id": one.account.id, "account_name": one.account.name, "error": one.error} for one in unread]
    output.json({"accounts": len(accounts), "installs": [each.as_json() for each in found], "failed": failed})
    return REFUSED if unread else DONE


@click.command(
    "install",
    epilog=example(
        "install voip --accounts pbx.example.com,shop.example.com",
        "install voip --below reseller.example.com --allowed-users admins --dry-run",
    ),
)
@app_argument
@_accounts_options("Install")
@click.option(
    "--allowed-users",
    type=click.Choice(ALLOWED_USERS),
    default="all",
    show_default=True,
    help="Who may use the app in each account.",
)
@click.option("--users", metavar="ID,ID", help="The ids of those who may, with --allowed-users specific.")
@click.option("--update", is_flag=True, help="Also change who may use the app where it is installed already.")
@_changing_verb
async def install(
    couch: Couch,
    output: Output,
    *,
    app: str,
    allowed_users: str,
    users: str | None,
    update: bool,
    dry_run: bool,
    **options: Any,
) -> int:
    """Install an app in accounts.

    APP is the id or name of an app of the catalogue, or the id of an app that service plans add. The rules are those
    of the API. Accounts that have the app are left as they are, so that the command can be repeated.
    """
    if users is not None and allowed_users != LISTED_USERS:
        raise click.UsageError(f"--users needs --allowed-users {LISTED_USERS}")
    data = grant(allowed_users, _listed([users or ""]))

    def work(changes: PermissionChanges, app_id: str) -> Callable[[AccountName], Awaitable[AccountChange]]:
        return lambda account: changes.install(account, app_id, data, update=update)

    return await _change_many(couch, output, app, work, dry_run=dry_run, yes=True, **options)


@click.command("uninstall", epilog=example("uninstall voip --accounts pbx.example.com", "uninstall voip --all --yes"))
@app_argument
@_accounts_options("Uninstall")
@yes_option
@_changing_verb
async def uninstall(couch: Couch, output: Output, *, app: str, **options: Any) -> int:
    """Uninstall an app from accounts.

    APP is the id or name of an app of the catalogue, or the id of an app that service plans add. With --below or --all
    the command asks for confirmation: who was allowed to use the app is not kept.
    """

    def work(changes: PermissionChanges, app_id: str) -> Callable[[AccountName], Awaitable[AccountChange]]:
        return lambda account: changes.uninstall(account, app_id)

    return await _change_many(couch, output, app, work, **options)


@click.group("blacklist")
def blacklist() -> None:
    """Hide apps from an account."""


def _blacklist_verb(
    name: str, sample: str, text: str, edit: Callable[[list[str], list[str]], list[str]], *, required: bool = True
) -> None:
    help_text = f"{text}\n\nACCOUNT is its id, name or realm, APP the id or name of one of its apps."

    @blacklist.command(name, help=help_text, epilog=example(f"blacklist {name} {sample}"))
    @click.argument("account", shell_complete=complete_account)
    @click.argument("apps", nargs=-1, required=required, metavar="[APP]...", shell_complete=complete_app)
    @_changing_verb
    async def verb(couch: Couch, output: Output, *, account: str, apps: tuple[str, ...], dry_run: bool) -> int:
        (found,) = await select_accounts(couch, named=[account])
        async with bounded(couch) as store:
            changed = await PermissionChanges(store, dry_run=dry_run).edit_blacklist(found, apps, edit)
        differs = changed.before != changed.after
        word = ("would be " if dry_run and differs else "") + ("updated" if differs else "unchanged")
        revision = f"  {changed.revision}" if changed.revision else ""
        output.line((word, "cyan" if differs else "dim"), f"  blacklist of {found.name}  {found.id}{revision}")
        for app_id in dict.fromkeys((*changed.before, *changed.after)):
            kept = app_id in changed.before and app_id in changed.after
            sign = (" ", "dim") if kept else ("+", "green") if app_id in changed.after else ("-", "red")
            output.line("    ", sign, f" {app_id}")
        output.json({"dry_run": dry_run, **changed.as_json()})
        return DONE


_blacklist_verb(
    "set", "pbx.example.com voip", "Set the blacklist; without APP it is emptied.", lambda _, ids: ids, required=False
)
_blacklist_verb(
    "add", "pbx.example.com voip", "Add apps to the blacklist.", lambda old, ids: list(dict.fromkeys((*old, *ids)))
)
_blacklist_verb(
    "remove",
    "pbx.example.com voip",
    "Remove apps from the blacklist.",
    lambda old, ids: [each for each in old if each not in ids],
)


async def _change_many(
    couch: Couch,
    output: Output,
    app: str,
    work: Callable[[PermissionChanges, str], Callable[[AccountName], Awaitable[AccountChange]]],
    *,
    accounts: tuple[str, ...],
    below: str | None,
    every: bool,
    concurrency: int,
    yes: bool,
    dry_run: bool,
) -> int:
    """Do ``work`` on the accounts that the options name, print what became of each, and count."""
    if bool(accounts) + (below is not None) + every != 1:
        raise click.UsageError("give one of --accounts, --below and --all")
    named = _listed(accounts)
    if accounts and not named:
        raise click.UsageError("--accounts names no account")
    app_id = await find_app_id(couch, app)
    chosen = await select_accounts(couch, named=named, below=below, every=every)
    question = f"Uninstall {app} from {len(chosen)} accounts?"
    if not (accounts or yes or dry_run or confirmed(question)):
        return output.refused("nothing was changed", {"message": "nothing was changed"})
    counts: Counter[Outcome] = Counter()
    told: list[AccountChange] = []
    async with bounded(couch) as store:
        changes = PermissionChanges(store, dry_run=dry_run)
        try:
            async with aclosing(in_order(chosen, work(changes, app_id), concurrency)) as done:
                with output.progress("Changing accounts", len(chosen)) as step:
                    async for change in done:
                        counts[change.outcome] += 1
                        _print_change(output, change, dry_run=dry_run)
                        if output.as_json:
                            told.append(change)
                        step()
        finally:
            left = len(chosen) - counts.total()
            if left:
                output.aside(("stopped", "bold red"), f"  {left} of {len(chosen)} accounts are left; run it again")
    words = ", ".join(f"{number} {outcome}" for outcome, number in counts.items()) or "no accounts"
    output.line((f"{'Would be: ' if dry_run else ''}{words}.", "bold"))
    numbers = {str(outcome): number for outcome, number in counts.items()}
    run = {"app_id": app_id, "dry_run": dry_run, "request_id": changes.request_id}
    output.json(run | {"counts": numbers, "accounts": [change.as_json() for change in told]})
    return REFUSED if counts[Outcome.REFUSED] or counts[Outcome.FAILED] else DONE


def _print_change(output: Output, change: AccountChange, *, dry_run: bool) -> None:
    changed = change.outcome not in _STYLES
    word = f"{'would be ' if dry_run and changed else ''}{change.outcome:<{_WIDTH}}"
    details = "".join(f"  {each}" for each in (change.revision, change.reason) if each)
    output.line((word, _STYLES.get(change.outcome, "cyan")), f"  {change.account_name}  {change.account_id}{details}")


def _listed(texts: Sequence[str]) -> list[str]:
    return [part.strip() for text in texts for part in text.split(",") if part.strip()]


def _row(one: Installed) -> tuple[str, ...]:
    users = " ".join(one.users) if one.allowed_users == LISTED_USERS else ""
    hidden = "yes" if one.blacklisted else "no"
    return one.account_name, one.account_id, one.app_name, one.app_id, one.allowed_users, users, hidden
