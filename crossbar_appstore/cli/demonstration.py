"""``demo``: an embedded CouchDB, a master account and sample apps, then the service."""

import asyncio
import dataclasses
import functools
import ipaddress
import json
import logging
import secrets
import shlex
from pathlib import Path
from typing import Final

import click

from crossbar_appstore import serving
from crossbar_appstore.addresses import couch_address
from crossbar_appstore.cli.options import DATABASE, connected, example, settings_options
from crossbar_appstore.cli.output import Output, print_app, print_counts
from crossbar_appstore.cli.program import DONE
from crossbar_appstore.cli.serving import serve_system
from crossbar_appstore.embedded import EmbeddedCouchDB
from crossbar_appstore.kazoo.accounts import password_hashes
from crossbar_appstore.logs import set_up_logging
from crossbar_appstore.maintenance.accounts import AccountRefused, Demonstration, NewAccount, demonstrate
from crossbar_appstore.settings import PASSWORD as VARIABLE
from crossbar_appstore.settings import Settings, account_password

PASSWORD: Final = "demo-password"
"""The administrator's password while the service listens on a loopback address."""


@click.command("demo", epilog=example("demo", "demo --apps /var/www/html/monster-ui/apps --crossbar-port 8001"))
@settings_options(without=(*DATABASE, "AMQP_URL", "CROSSBAR_SHARED_DIR"))
@click.option(
    "--apps",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Load the apps below this folder instead of the samples.",
)
@click.option("--account-name", "name", default="Demo", show_default=True, help="Name of the master account.")
@click.option("--realm", default="demo.example.com", show_default=True, help="Realm of the master account.")
@click.option("--username", default="admin", show_default=True, help="Name of its administrator.")
@click.option(
    "--password",
    help=f"Password of its administrator.  [{VARIABLE}, else {PASSWORD}; a random one if other machines can connect]",
)
@click.option(
    "--couchdb-port", type=click.IntRange(0, 65535), default=0, help="Port of the CouchDB; 0 takes a free one."
)
def demo(settings: Settings, apps: Path | None, password: str | None, couchdb_port: int, **account: str) -> int:
    """Serve sample apps from an embedded CouchDB.

    Starts the CouchDB, creates a master account, loads sample apps, and serves until stopped. The account is created
    once; the data are kept from one start to the next.
    """
    set_up_logging(logging.WARNING)
    chosen = password or account_password() or (PASSWORD if _is_loopback(settings.host) else secrets.token_urlsafe(12))
    settings = dataclasses.replace(settings, mail_dir=settings.mail_dir or settings.data_dir / "mails")
    new = NewAccount(password=chosen, email=f"{account['username']}@{account['realm']}", **account)
    serving.run(_demo(settings, new, apps, couchdb_port))
    return DONE


async def _demo(settings: Settings, account: NewAccount, apps: Path | None, couchdb_port: int) -> None:
    output = Output()
    output.line("Starting CouchDB… (the first start installs it, which takes a minute)")
    async with EmbeddedCouchDB(data_dir=settings.data_dir, cache=settings.cache_dir, port=couchdb_port) as couchdb:
        # Settings of the environment that name another CouchDB or a KAZOO do not apply to the demo.
        settings = dataclasses.replace(settings, couchdb=couch_address(couchdb.url), amqp_url=None, kazoo_config=None)
        try:
            async with connected(settings) as couch:
                system = await demonstrate(couch, account, apps)
        except AccountRefused as refused:
            raise click.UsageError(str(refused)) from None
        if system.load is not None:
            for app in system.load.apps:
                print_app(output, app, changes=False)
            print_counts(output, system.load)

        announce = functools.partial(_print_addresses, output, couchdb.fauxton_url, settings, system)
        await _serve_while_running(couchdb, asyncio.create_task(serve_system(settings, announce)))


async def _serve_while_running(couchdb: EmbeddedCouchDB, service: "asyncio.Task[None]") -> None:
    """Serve until stopped, or until the CouchDB ends."""
    # Without its CouchDB the demo must end rather than serve cached answers.
    ended = asyncio.create_task(couchdb.wait())
    try:
        await asyncio.wait((service, ended), return_when=asyncio.FIRST_COMPLETED)
        if not service.done():
            raise click.ClickException(f"CouchDB ended with exit code {ended.result()}; its log is {couchdb.log}")
        await service
    finally:
        for task in (service, ended):
            task.cancel()
        await asyncio.gather(service, ended, return_exceptions=True)


def _print_addresses(output: Output, fauxton: str, settings: Settings, system: Demonstration, address: str) -> None:
    api = f"{address}/v2"
    password = system.password or "(the one given when the account was created)"
    lines = (
        *([] if settings.store_page is False else [("Store", f"{address}/")]),
        ("API", api),
        ("Fauxton", fauxton),
        ("Account", f"{system.account_name}, realm {system.realm}, id {system.account_id}"),
        ("Login", f"user name {system.username}, password {password}"),
        ("Data", str(settings.data_dir)),
        ("Mails", settings.smtp.host if settings.smtp is not None else str(settings.mail_dir)),
    )
    output.line("")
    for name, value in lines:
        output.line((f"  {name:<8}", "bold"), f" {value}")
    commands = (f"  {command}" for command in curl_lines(api, system))
    for line in ("", "Log in, then list the apps:", *commands, "", "Stop with Ctrl-C."):
        output.line(line)


def curl_lines(api: str, system: Demonstration) -> tuple[str, str]:
    """Two command lines: one that logs in and keeps the token, one that lists the apps."""
    password = system.password or "PASSWORD"
    md5, _ = password_hashes(system.username.lower(), password)
    login = json.dumps({"data": {"credentials": md5, "account_name": system.account_name}})
    request = f"curl -s -X PUT -H 'Content-Type: application/json' -d {shlex.quote(login)} {api}/user_auth"
    token = r"""sed 's/.*"auth_token":"\([^"]*\)".*/\1/'"""
    return (
        f"TOKEN=$({request} | {token})",
        f'curl -H "X-Auth-Token: $TOKEN" {api}/accounts/{system.account_id}/apps_store',
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
