"""The command line: one module per group of verbs, which print what ``maintenance`` or the service reports."""

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``crossbar-appstore`` with these arguments, by default those of the process; returns its exit code."""
    from crossbar_appstore.cli.program import run  # noqa: PLC0415 (importing this package stays cheap)

    return run(argv)
