"""``doctor``: what is wrong with a system, and the command that mends it."""

from typing import Final

import click

from crossbar_appstore.cli.database_verbs import database_verb
from crossbar_appstore.cli.options import example
from crossbar_appstore.cli.output import Output, shown
from crossbar_appstore.cli.program import DONE, REFUSED
from crossbar_appstore.datastore.couch import Couch
from crossbar_appstore.maintenance.account_rules import UnknownAccount
from crossbar_appstore.maintenance.doctor import Diagnosis, examine, mend
from crossbar_appstore.maintenance.findings import Finding, Severity

_STYLES: Final = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.INFO: "dim"}


@click.command("doctor", epilog=example("doctor", "doctor --account pbx.example.com --fix"))
@click.option(
    "--account", "accounts", multiple=True, metavar="ACCOUNT", help="Look at this account too; may be repeated."
)
@click.option("--all-accounts", is_flag=True, help="Look at every account; takes a few requests for each.")
@click.option("--fix", is_flag=True, help="Mend what is safe to mend, then look again.")
@database_verb
async def doctor(couch: Couch, output: Output, *, accounts: tuple[str, ...], all_accounts: bool, fix: bool) -> int:
    """Check the system.

    Looks at the CouchDB, the catalogue, and the permissions and plans of the master account. Nothing is written unless
    --fix is given. Each finding comes with the command that mends it, as far as there is one.
    """
    try:
        diagnosis = await examine(couch, accounts, all_accounts=all_accounts)
    except UnknownAccount as error:
        output.aside(("refused", "bold red"), f"  {error}")
        return REFUSED
    if fix:
        mended = await mend(couch, diagnosis)
        for words in mended:
            output.line(("mended", "green"), f"   {words}")
        diagnosis = Diagnosis((await examine(couch, accounts, all_accounts=all_accounts)).findings, mended)
    for finding in diagnosis.findings:
        _print(output, finding)
    output.line((_summary(diagnosis), "bold"))
    output.json(diagnosis.as_json())
    return DONE if diagnosis.healthy else REFUSED


def _print(output: Output, finding: Finding) -> None:
    value = "" if finding.value is None else f" (value: {shown(finding.value)})"
    word = (f"{finding.severity:<7}", _STYLES[finding.severity])
    output.line(word, f"  {finding.check}: {finding.subject}: {finding.message}{value}")
    if finding.command is not None:
        output.line(f"           mend: {finding.command}")
    if finding.repair is not None:
        output.line(f"           --fix {finding.repair.words}")


def _summary(diagnosis: Diagnosis) -> str:
    found = [finding.severity for finding in diagnosis.findings]
    counts = (f"{found.count(severity)} {severity}s" for severity in (Severity.ERROR, Severity.WARNING))
    return "Nothing is wrong." if diagnosis.healthy else f"{', '.join(counts)}."
