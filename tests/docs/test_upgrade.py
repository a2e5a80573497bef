"""What docs/upgrade.md says of times and proxies is so."""

import shutil
import subprocess
from pathlib import Path

from crossbar_appstore.crossbar.pipeline import TimeLimits
from crossbar_appstore.serving.supervisor import HANGING
from crossbar_appstore.serving.worker import DRAIN, LAST_REQUESTS
from crossbar_appstore.settings import Settings
from tests.conftest import Need
from tests.docs.pages import CHECKOUT, DOCS, fences, rows, text

PAGE = DOCS / "upgrade.md"


def test_upgrade_page_has_the_times_of_the_code() -> None:
    told = {cells[0]: cells[1] for cells in rows(PAGE) if len(cells) == 3}
    seconds, most = Settings.load({}).request_seconds, TimeLimits().body
    assert told["a request is answered"].startswith(
        f"{seconds:.0f} (`CROSSBAR_REQUEST_SECONDS`), and up to {most:.0f} for"
    )
    assert told["an open connection without a request is closed"] == f"{TimeLimits().head:.0f}"
    # Of the supervisor; the handshakes are a part of a second.
    assert told["a stop takes"] == f"at most {DRAIN + LAST_REQUESTS + 2:.0f}"
    assert told["a worker that hangs is replaced"] == f"{HANGING:.0f}"
    assert f"have {DRAIN:.0f} seconds to finish" in text(PAGE)
    unit = (CHECKOUT / "deploy/crossbar-appstore.service").read_text(encoding="utf-8")
    assert "TimeoutStopSec=20\n" in unit
    assert "WatchdogSec=30\n" in unit


def test_haproxy_example_for_several_machines_is_accepted(tmp_path: Path, need: Need) -> None:
    haproxy = shutil.which("haproxy", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    need("haproxy", haproxy)
    [sample] = [fence.text for fence in fences(PAGE) if fence.language == "haproxy"]
    config = tmp_path / "haproxy.cfg"
    rest = "defaults\n    mode http\n    timeout connect 5s\n    timeout client 60s\n    timeout server 130s\n\n"
    front = "\nfrontend api\n    bind 127.0.0.1:8443\n    default_backend crossbar_appstore\n"
    config.write_text(rest + sample + front)
    done = subprocess.run([str(haproxy), "-c", "-f", config], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
