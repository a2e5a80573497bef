"""``views deploy``: our design documents, without downtime."""

from typing import Final

import click

from crossbar_appstore.cli.database_verbs import database_verb
from crossbar_appstore.cli.options import dry_run_option, example
from crossbar_appstore.cli.output import Output
from crossbar_appstore.cli.program import DONE, REFUSED
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.maintenance.account_rules import UnknownAccount
from crossbar_appstore.maintenance.system import BesideKazoo
from crossbar_appstore.maintenance.views_deploying import (
    DeployedView,
    Deployment,
    databases_to_deploy,
    deploy_views,
)

_STYLES: Final = {Deployment.INSTALLED: "green", Deployment.UPGRADED: "cyan", Deployment.UNCHANGED: "dim"}


@click.group("views")
def views() -> None:
    """Look after the design documents."""


@views.command("deploy", epilog=example("views deploy --dry-run", "views deploy --all-accounts"))
@click.option("--account", "accounts", multiple=True, metavar="ACCOUNT", help="This account's, too; may be repeated.")
@click.option("--all-accounts", is_flag=True, help="Those of every account's database.")
@dry_run_option
@database_verb
async def deploy(couch: Couch, output: Output, *, accounts: tuple[str, ...], all_accounts: bool, dry_run: bool) -> int:
    """Install or upgrade our design documents.

    Those of the database of accounts and of the master account's. New code is built aside before it takes the place of
    the old, so that no request has to wait for it. Beside KAZOO the design documents are KAZOO's, and nothing is
    written.
    """
    deployed: list[DeployedView] = []
    try:
        databases = await databases_to_deploy(couch, accounts, all_accounts=all_accounts)
    except (BesideKazoo, UnknownAccount) as error:
        output.aside(("refused", "bold red"), f"  {error}")
        output.json({"refused": {"message": str(error)}})
        return REFUSED
    with output.progress("Deploying views", len(databases)) as step:
        for database, kind in databases:
            for one in await deploy_views(couch, database, kind, dry_run=dry_run):
                deployed.append(one)
                names = f": {', '.join(one.views)}" if one.views else ""
                word = (f"{one.deployment:<9}", _STYLES[one.deployment])
                output.line(word, f"  {one.database}/{one.design}{names}")
            step()
    changed = sum(one.deployment is not Deployment.UNCHANGED for one in deployed)
    prefix = "Would change" if dry_run else "Changed"
    output.line((f"{prefix} {changed} of {len(deployed)} design documents.", "bold"))
    output.json({"dry_run": dry_run, "design_documents": [one.as_json() for one in deployed]})
    return DONE
