"""``create-account``, ``accounts``, ``users``, ``set-password``, ``promote``, ``demote``, ``api-key``."""

import functools
from collections.abc import Awaitable, Callable
from typing import Any, Final

import click

from crossbar_appstore.cli.completing import complete_account, complete_user
from crossbar_appstore.cli.options import Password, dry_run_option, example, password_options
from crossbar_appstore.cli.output import Output, database_verb
from crossbar_appstore.cli.program import DONE
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.maintenance import accounts as account_maintenance
from crossbar_appstore.maintenance import users as user_maintenance
from crossbar_appstore.maintenance.accounts import AccountRefused, NewAccount
from crossbar_appstore.maintenance.lookup import find_account
from crossbar_appstore.maintenance.system import BesideKazoo, require_alone
from crossbar_appstore.maintenance.users import ADMIN, USER, ListedAccount, ListedUser

_KAZOO: Final = {
    "users": "POST accounts/ACCOUNT_ID/users/USER_ID of KAZOO's API",
    "api_key": "PUT accounts/ACCOUNT_ID/api_key of KAZOO's API",
}

account_argument = click.argument("account", shell_complete=complete_account)
account_option = click.option(
    "--account", metavar="ACCOUNT", help="The account's id, name or realm.", shell_complete=complete_account
)
user_argument = click.argument("user", shell_complete=complete_user)


def account_verb(function: Callable[..., Awaitable[int]]) -> Callable[..., int]:
    """Make a ``database_verb`` that prints the reason if a change of an account or a user is refused."""

    @functools.wraps(function)
    async def verb(couch: Couch, output: Output, **arguments: Any) -> int:
        try:
            return await function(couch, output, **arguments)
        except AccountRefused as refused:
            reason = {"field": refused.field, "rule": refused.rule, "message": refused.message, "value": refused.value}
            return output.refused(refused, reason)
        except BesideKazoo as refused:
            return output.refused(refused, {"rule": "alone", "message": str(refused)})

    return database_verb(verb)


@click.command(
    "create-account",
    epilog=example(
        "create-account 'Example Ltd' pbx.example.com admin",
        "create-account 'Example Ltd' pbx.example.com admin --password-file /run/secrets/password",
    ),
)
@click.argument("name")
@click.argument("realm")
@click.argument("username")
@click.argument("password", required=False)
@password_options
@dry_run_option
@account_verb
async def create_account(
    couch: Couch, output: Output, *, name: str, realm: str, username: str, password: Password, dry_run: bool
) -> int:
    """Create an account.

    The account gets an administrator. The first account of a new system becomes the master account, later ones are
    its children. Beside KAZOO, create accounts with KAZOO.
    """
    account = NewAccount(name, realm, username, password())
    created = await account_maintenance.create_account(couch, account, dry_run=dry_run)
    kind = "master account" if created.is_master else "account"
    word = ("would be created" if dry_run else "created", "green")
    # Another run draws other ids.
    ids = {} if dry_run else {"account_id": created.account_id, "user_id": created.user_id}
    account_id, user_id = ("", "") if dry_run else (f"  {created.account_id}", f"  {created.user_id}")
    output.line(word, f"  {kind} {name}{account_id}")
    output.line(word, f"  administrator {username}{user_id}")
    output.json({"dry_run": dry_run, **ids, "name": name, "realm": realm, "is_master": created.is_master})
    return DONE


@click.command("accounts", epilog=example("accounts", "accounts --tree"))
@click.option("--tree", is_flag=True, help="Show each account below its parent.")
@account_verb
async def accounts(couch: Couch, output: Output, *, tree: bool) -> int:
    """List the accounts."""
    found = await user_maintenance.list_accounts(couch)
    shown = user_maintenance.in_tree_order(found) if tree else [(0, account) for account in found]
    rows = [(f"{'  ' * depth}{one.name}", one.realm, one.id, _yes(one.enabled), _kind(one)) for depth, one in shown]
    output.columns(("NAME", "REALM", "ID", "ENABLED", "KIND"), rows)
    output.json({"accounts": [account.as_json() for _, account in shown]})
    return DONE


@click.command("users", epilog=example("users pbx.example.com"))
@account_argument
@account_verb
async def users(couch: Couch, output: Output, *, account: str) -> int:
    """List the users of an account.

    ACCOUNT is its id, name or realm.
    """
    account_id = (await find_account(couch, account))["_id"]
    found = await user_maintenance.list_users(couch, account_id)
    rows = [(one.username, one.id, one.level, _yes(one.enabled), _full_name(one), one.email) for one in found]
    output.columns(("USERNAME", "ID", "LEVEL", "ENABLED", "NAME", "EMAIL"), rows)
    output.json({"account_id": account_id, "users": [user.as_json() for user in found]})
    return DONE


@click.command(
    "set-password",
    epilog=example("set-password pbx.example.com admin", "set-password pbx.example.com admin --password-file -"),
)
@account_argument
@user_argument
@password_options
@dry_run_option
@account_verb
async def set_password(
    couch: Couch, output: Output, *, account: str, user: str, password: Password, dry_run: bool
) -> int:
    """Set the password of a user.

    ACCOUNT is an id, name or realm, USER an id or user name. The user's logins end. Beside KAZOO nothing is written.
    """
    await require_alone(couch, _KAZOO["users"])
    found = await user_maintenance.find_user_anywhere(couch, user, account)
    await user_maintenance.set_password(couch, found, password(), dry_run=dry_run)
    _print_user(output, "password set", found, dry_run=dry_run)
    return DONE


def _level_verb(name: str, level: str, what: str) -> click.Command:
    help_text = f"{what}\n\nUSER is an id or user name. Without --account it is looked for in every account."

    @click.command(name, help=help_text, epilog=example(f"{name} jane --account pbx.example.com"))
    @user_argument
    @account_option
    @dry_run_option
    @account_verb
    async def verb(couch: Couch, output: Output, *, user: str, account: str | None, dry_run: bool) -> int:
        await require_alone(couch, _KAZOO["users"])
        found = await user_maintenance.find_user_anywhere(couch, user, account)
        changed = await user_maintenance.set_level(couch, found, level, dry_run=dry_run)
        _print_user(output, f"{name}d", found, dry_run=dry_run, changed=changed)
        if level == USER and not dry_run and not await user_maintenance.administrators(couch, found.account_id):
            output.aside(("note", "yellow"), "  the account has no enabled administrator any more")
        return DONE

    return verb


promote = _level_verb("promote", ADMIN, "Make a user an administrator.")
demote = _level_verb("demote", USER, "Make an administrator a plain user.")


@click.command("api-key", epilog=example("api-key pbx.example.com", "api-key pbx.example.com --new"))
@account_argument
@click.option("--new", is_flag=True, help="Replace it. The old one, and the tokens that it issued, become invalid.")
@dry_run_option
@account_verb
async def api_key(couch: Couch, output: Output, *, account: str, new: bool, dry_run: bool) -> int:
    """Print the API key of an account.

    ACCOUNT is its id, name or realm. Beside KAZOO nothing is written.
    """
    if new:
        await require_alone(couch, _KAZOO["api_key"])
    account_id = (await find_account(couch, account))["_id"]
    key = None
    if new and dry_run:
        output.line(("would be replaced", "green"), f"  API key of {account_id}")
    else:
        key = await (user_maintenance.new_api_key if new else user_maintenance.api_key)(couch, account_id)
        output.line(key or "(none)")
    output.json({"account_id": account_id, "api_key": key, "dry_run": dry_run})
    return DONE


def _print_user(output: Output, what: str, user: ListedUser, *, dry_run: bool, changed: bool = True) -> None:
    word = f"would be {what}" if dry_run and changed else what if changed else "unchanged"
    output.line((word, "green" if changed else "dim"), f"  {user.username or '(no name)'}  {user.id}")
    if not user.enabled:
        output.aside(("note", "yellow"), "  the user is disabled and cannot log in")
    output.json({"dry_run": dry_run, "changed": changed, "account_id": user.account_id, "user_id": user.id})


def _kind(account: ListedAccount) -> str:
    return "superduper admin" if account.superduper_admin else "reseller" if account.reseller else ""


def _full_name(user: ListedUser) -> str:
    return f"{user.first_name} {user.last_name}".strip()


def _yes(value: bool) -> str:
    return "yes" if value else "no"
