"""The command line. One module a group of verbs; each renders what ``maintenance`` or the service reports."""

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``crossbar-appstore`` with these arguments, those of the process if none are given.

    Returns:
        The exit code: 0 done, 1 something was refused, 2 wrong use, 3 CouchDB is away, 130 interrupted.
    """
    # What is not asked for is not imported: a shell completes words with this program.
    from crossbar_appstore.cli.program import run  # noqa: PLC0415 (see above)

    return run(argv)
