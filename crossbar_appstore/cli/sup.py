"""``sup``: command lines as KAZOO's documentation has them."""

from typing import Final

import click

from crossbar_appstore.cli.options import example
from crossbar_appstore.cli.program import DONE, NAME, program

MODULES: Final = ("crossbar_maintenance", "kazoo_documents_maintenance")
"""Where KAZOO 4 and KAZOO 5 have these functions."""

FUNCTIONS: Final = {
    "init_apps": (1, 2),
    "init_app": (1, 2),
    "refresh_apps": (1, 2),
    "refresh_app": (1, 2),
    "apps": (0,),
    "app": (1,),
    "set_app_field": (3,),
    "set_app_label": (2,),
    "set_app_description": (2,),
    "set_app_extended_description": (2,),
    "set_app_features": (2,),
    "set_app_icon": (2,),
    "set_app_screenshots": (2,),
    "create_account": (4,),
}
"""Function → how many arguments it may have."""


@click.command(
    "sup",
    help=f"""Run a command line of KAZOO's sup.

    Each FUNCTION is the verb of the same name, whose options may follow.

    MODULE is {" or ".join(MODULES)}.

    FUNCTION is one of {", ".join(FUNCTIONS)}.
    """,
    context_settings={"ignore_unknown_options": True},
    epilog=example("sup crossbar_maintenance init_apps /var/www/html/monster-ui/apps http://api.example.com:8000/v2/"),
)
@click.argument("module", type=click.Choice(MODULES), metavar="MODULE")
@click.argument("function", type=click.Choice(tuple(FUNCTIONS)), metavar="FUNCTION")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def sup(module: str, function: str, arguments: tuple[str, ...]) -> int:
    """Run the verb that a function of KAZOO's is called here."""
    given = sum(not argument.startswith("--") for argument in arguments)
    if given == len(arguments) and given not in FUNCTIONS[function]:
        wanted = " or ".join(str(count) for count in FUNCTIONS[function])
        raise click.UsageError(f"{module}:{function} takes {wanted} arguments, not {given}")
    result = program.main([function.replace("_", "-"), *arguments], NAME, standalone_mode=False)
    return result if isinstance(result, int) else DONE
