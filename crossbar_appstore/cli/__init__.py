"""The command line: one module per group of verbs, which print what ``maintenance`` or the service reports."""

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``crossbar-appstore`` with these arguments, by default those of the process.

    Returns:
        The exit code: 0 done, 1 refused, 2 wrong usage, 3 CouchDB is away, 130 interrupted.
    """
    # Imported here, so that importing this package stays cheap.
    from crossbar_appstore.cli.program import run  # noqa: PLC0415 (see above)

    return run(argv)
