"""``completion``: the script that teaches a shell our words."""

import click
from click.shell_completion import get_completion_class

from crossbar_appstore.cli.options import example
from crossbar_appstore.cli.program import DONE, NAME, program


@click.command("completion", epilog=example("completion bash > /etc/bash_completion.d/crossbar-appstore"))
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
def completion(shell: str) -> int:
    """Print a script that completes words.

    It completes verbs and options in a SHELL.
    Put it where the shell looks for completions, or source it.
    """
    kind = get_completion_class(shell)
    assert kind is not None, shell  # noqa: S101 (the argument's choices are click's)
    variable = f"_{NAME.replace('-', '_').upper()}_COMPLETE"
    click.echo(kind(program, {}, NAME, variable).source())
    return DONE
