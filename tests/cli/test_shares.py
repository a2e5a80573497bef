import subprocess
from pathlib import Path

import pytest

from tests.cli.shares import COMPLETIONS, SHARE, made
from tests.conftest import Need

MANUALS = sorted(SHARE.glob("man/man1/*.1"))


def test_deploy_share_holds_what_the_verbs_say() -> None:
    stored = {path.relative_to(SHARE): path.read_text(encoding="utf-8") for path in SHARE.rglob("*") if path.is_file()}
    assert stored == made(), "run python -m tests.cli.pages"


@pytest.mark.parametrize("page", MANUALS, ids=lambda page: page.stem)
def test_man_page_has_no_warnings_and_shows_options(page: Path, need: Need, tmp_path: Path) -> None:
    need("man", Path("/usr/bin/man").exists())
    done = subprocess.run(
        ["man", "--warnings", "--encoding=utf8", "--local-file", page],
        capture_output=True,
        text=True,
        check=True,
        env={"MANWIDTH": "100", "LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin", "MAN_KEEP_FORMATTING": ""},
    )
    assert done.stderr == ""
    options = [line.split()[0].replace("\\", "") for line in page.read_text().splitlines() if line.startswith("\\fB")]
    assert [option for option in options if option.strip("fBP") not in done.stdout] == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script_is_accepted_by_shell(shell: str, need: Need) -> None:
    program = Path("/usr/bin", shell)
    if shell != "bash" and not program.exists():
        # Nothing of ours needs these two.
        pytest.skip(f"{shell} is not here")
    need(shell, program.exists())
    done = subprocess.run([program, "-n", SHARE / COMPLETIONS[shell]], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
