"""``views deploy``: upgrade the design documents of a system without KAZOO."""

from typing import Final

import click

from crossbar_appstore.cli.completing import complete_account
from crossbar_appstore.cli.options import dry_run_option, example
from crossbar_appstore.cli.output import Output, database_verb
from crossbar_appstore.cli.program import DONE
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.maintenance.lookup import UnknownAccount
from crossbar_appstore.maintenance.system import BesideKazoo, Deployment, databases_to_deploy, deploy_views

_STYLES: Final = {
    Deployment.INSTALLED: "green",
    Deployment.UPGRADED: "cyan",
    Deployment.UNCHANGED: "dim",
    Deployment.NEWER: "yellow",
}
_CHANGED: Final = (Deployment.INSTALLED, Deployment.UPGRADED)


@click.group("views")
def views() -> None:
    """Maintain the design documents."""


@views.command("deploy", epilog=example("views deploy --dry-run", "views deploy --all-accounts"))
@click.option(
    "--account",
    "accounts",
    multiple=True,
    metavar="ACCOUNT",
    help="Also this account; may be repeated.",
    shell_complete=complete_account,
)
@click.option("--all-accounts", is_flag=True, help="Also every other account.")
@dry_run_option
@database_verb
async def deploy(couch: Couch, output: Output, *, accounts: tuple[str, ...], all_accounts: bool, dry_run: bool) -> int:
    """Install or upgrade the design documents.

    Upgrades those of the database of accounts and of the master account's database. The index of new code is built
    before it replaces the old code, so no request waits for it. The code of a newer release is kept. Beside KAZOO the
    design documents belong to KAZOO, and nothing is written.
    """
    try:
        databases = await databases_to_deploy(couch, accounts, all_accounts=all_accounts)
    except (BesideKazoo, UnknownAccount) as refused:
        return output.refused(refused, {"message": str(refused)})
    # Database by database, so that an interrupted deployment keeps what it has done.
    deployed = []
    with output.progress("Deploying views", len(databases)) as step:
        for database, kind in databases:
            for one in await deploy_views(couch, database, kind, dry_run=dry_run):
                deployed.append(one)
                names = f": {', '.join(one.views)}" if one.views else ""
                would = "would be " if dry_run and one.deployment in _CHANGED else ""
                word = (f"{would}{one.deployment:<9}", _STYLES[one.deployment])
                output.line(word, f"  {one.database}/{one.design_document}{names}")
            step()
    changed = sum(one.deployment in _CHANGED for one in deployed)
    prefix = "Would be changed:" if dry_run else "Changed"
    output.line((f"{prefix} {changed} of {len(deployed)} design documents.", "bold"))
    output.json({"dry_run": dry_run, "design_documents": [one.as_json() for one in deployed]})
    return DONE
