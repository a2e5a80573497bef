"""``explain`` and ``doctor``: why an account sees an app or not, and what is wrong with a system."""

from typing import Final

import click

from crossbar_appstore.appstore.allowed_apps import OVERRIDE
from crossbar_appstore.cli.completing import complete_account, complete_app, complete_user
from crossbar_appstore.cli.options import dry_run_option, example
from crossbar_appstore.cli.output import Output, database_verb, settings_verb, shown
from crossbar_appstore.cli.program import DONE, REFUSED
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.maintenance import explaining
from crossbar_appstore.maintenance.doctor import Diagnosis, RepairsRefused, examine, repair
from crossbar_appstore.maintenance.reports import Finding, Severity
from crossbar_appstore.resources.explanations import ExplainedApp, Reason
from crossbar_appstore.settings import Settings

_RULE_WIDTH: Final = 10
_STYLES: Final = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.INFO: "dim"}


@click.command("explain", epilog=example("explain pbx.example.com", "explain pbx.example.com voip --user jane"))
@click.argument("account", shell_complete=complete_account)
@click.argument("app", required=False, metavar="[APP]", shell_complete=complete_app)
@click.option(
    "--user", help="Explain what this user (id or user name) sees, by the permissions.", shell_complete=complete_user
)
@database_verb
async def explain(couch: Couch, output: Output, *, account: str, app: str | None, user: str | None) -> int:
    """Explain why apps are visible or not.

    For each app, or for APP, shows whether ACCOUNT (an id, name or realm) sees it, and the documents that decide. The
    rules are applied in this order, and the last one that applies decides: catalogue, plan, permission, blacklist,
    whitelabel, master. An override only changes how an app looks. Without --user, permissions hide nothing, as in the
    App Exchange.
    """
    found = await explaining.explain(couch, account, app, user)
    for_user = f", user {found.user_id}" if found.user_id else ""
    output.line((f"Account {found.account_name}", "bold"), f"  {found.account_id}{for_user}")
    if found.plans_of != found.account_id:
        output.line(f"Service plans: those of its reseller, {found.plans_of}")
    for one in found.apps:
        _print_app(output, one)
    output.json(found.as_json())
    return DONE


@click.command("doctor", epilog=example("doctor", "doctor --account pbx.example.com --fix"))
@click.option(
    "--account",
    "accounts",
    multiple=True,
    metavar="ACCOUNT",
    help="Also check this account; may be repeated.",
    shell_complete=complete_account,
)
@click.option("--all-accounts", is_flag=True, help="Check every account, with a few requests for each.")
@click.option("--fix", is_flag=True, help="Make the repairs that are safe, then check again.")
@dry_run_option
@settings_verb
async def doctor(
    settings: Settings,
    couch: Couch,
    output: Output,
    *,
    accounts: tuple[str, ...],
    all_accounts: bool,
    fix: bool,
    dry_run: bool,
) -> int:
    """Check the system.

    Checks the CouchDB, the message broker, the catalogue, and the permissions and service plans of the master account.
    Nothing is written without --fix. Each finding is shown with the command that repairs it, if there is one. With
    --dry-run the repairs that --fix would make are shown document by document.
    """
    diagnosis = await examine(couch, accounts, all_accounts=all_accounts, amqp_url=settings.amqp_url)
    if dry_run:
        for finding in diagnosis.findings:
            if finding.fix is not None:
                what = finding.repair
                subject = finding.subject if what is None else f"{what.doc_id} in {what.database}"
                output.line(("would be repaired", "green"), f" {subject}: {finding.fix}")
    elif fix:
        refused: tuple[str, ...] = ()
        try:
            repaired = await repair(couch, diagnosis)
        except RepairsRefused as refusal:
            repaired, refused = refusal.repaired, refusal.refused
        for words in repaired:
            output.line(("repaired", "green"), f" {words}")
        for words in refused:
            output.line(("refused", "bold red"), f"  {words}")
        # Checked again, so that the output shows what is left.
        left = await examine(couch, accounts, all_accounts=all_accounts, amqp_url=settings.amqp_url)
        diagnosis = Diagnosis(left.findings, repaired, refused)
    for finding in diagnosis.findings:
        _print_finding(output, finding)
    found = [finding.severity for finding in diagnosis.findings]
    counts = (f"{found.count(severity)} {severity}s" for severity in (Severity.ERROR, Severity.WARNING))
    output.line(("No problems found." if diagnosis.healthy else f"{', '.join(counts)}.", "bold"))
    output.json(diagnosis.as_json())
    return DONE if diagnosis.healthy else REFUSED


def _print_app(output: Output, app: ExplainedApp) -> None:
    word = ("visible", "green") if app.visible else ("hidden ", "red")
    installed = ", installed" if app.installed else ""
    output.line("", word, f"  {app.name}  {app.id}  ", (f"decided by {app.decided_by}{installed}", "bold"))
    for reason in app.reasons:
        output.line(f"    {reason.rule:<{_RULE_WIDTH}}", f" {_words(reason)}")


def _words(reason: Reason) -> str:
    verdict = "brands it" if reason.authority == OVERRIDE else "shows it" if reason.visible else "hides it"
    revision = f" rev {reason.revision}" if reason.revision else ""
    entry = "" if reason.entry is None else f": {shown(reason.entry)}"
    return f"{verdict}  {reason.document}{revision} in {reason.database}{entry}"


def _print_finding(output: Output, finding: Finding) -> None:
    value = "" if finding.value is None else f" (value: {shown(finding.value)})"
    word = (f"{finding.severity:<7}", _STYLES[finding.severity])
    output.line(word, f"  {finding.check}: {finding.subject}: {finding.message}{value}")
    if finding.command is not None:
        output.line(f"           repair: {finding.command}")
    if finding.fix is not None:
        output.line(f"           --fix {finding.fix}")
