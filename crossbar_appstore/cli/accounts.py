"""``create-account``."""

import click

from crossbar_appstore.cli.database_verbs import database_verb
from crossbar_appstore.cli.options import dry_run_option, example
from crossbar_appstore.cli.output import Output
from crossbar_appstore.cli.program import DONE, REFUSED
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.maintenance.accounts import AccountRefused, NewAccount
from crossbar_appstore.maintenance.accounts import create_account as make_account
from crossbar_appstore.maintenance.system import BesideKazoo


@click.command(
    "create-account",
    epilog=example("create-account 'Example Ltd' pbx.example.com admin 'a long password'"),
)
@click.argument("name")
@click.argument("realm")
@click.argument("username")
@click.argument("password")
@dry_run_option
@database_verb
async def create_account(
    couch: Couch, output: Output, *, name: str, realm: str, username: str, password: str, dry_run: bool
) -> int:
    """Make an account.

    It has an administrator, and the first one becomes the master account of a new system. Later accounts are children
    of the master account. Beside KAZOO, KAZOO makes the accounts.
    """
    try:
        created = await make_account(couch, NewAccount(name, realm, username, password), dry_run=dry_run)
    except AccountRefused as refused:
        output.aside(("refused", "bold red"), f"  {refused}")
        members = {"field": refused.field, "rule": refused.rule, "message": refused.message, "value": refused.value}
        output.json({"refused": members})
        return REFUSED
    except BesideKazoo as refused:
        output.aside(("refused", "bold red"), f"  {refused}")
        output.json({"refused": {"rule": "alone", "message": str(refused)}})
        return REFUSED
    kind = "master account" if created.is_master else "account"
    if dry_run:
        output.line(f"would create {kind} {name} with administrator {username}")
        output.json({"dry_run": True, "name": name, "realm": realm, "is_master": created.is_master})
        return DONE
    output.line(("created", "green"), f"  {kind} {name}  {created.account_id}")
    output.line(("created", "green"), f"  administrator {username}  {created.user_id}")
    output.json(
        {
            "dry_run": False,
            "account_id": created.account_id,
            "user_id": created.user_id,
            "name": name,
            "realm": realm,
            "is_master": created.is_master,
        }
    )
    return DONE
