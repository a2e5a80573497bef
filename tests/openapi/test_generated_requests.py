"""Requests that schemathesis generates from the description, one operation alone and several in a row."""

import asyncio
import sys
from pathlib import Path
from typing import Final

import pytest

from crossbar_appstore.datastore.views import DatabaseClass, ensure, names_for
from tests.faults.rows import Stage
from tests.kit.service import Service
from tests.kit.system import System

_SEED: Final = "20261127"
_CHECKS: Final = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
_EXAMPLES: Final = "5"


@pytest.mark.timeout(1200)
async def test_generated_requests_get_described_replies_without_server_errors(
    system: System, service: Service, tmp_path: Path, long_form: bool
) -> None:
    await ensure(system.couch, "accounts", names_for(DatabaseClass.ACCOUNTS))
    stage = await Stage.create(system)
    # With random ids every path would be 404.
    known = {"account_id": stage.sub.id, "app_id": stage.app, "user_id": stage.guest.id, "domain": stage.domain}
    lines = ["[parameters]", *(f'"path.{name}" = "{value}"' for name, value in known.items())]
    # As Crossbar answers unknown methods.
    lines += ["[checks]", 'not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", "501"]']
    configuration = tmp_path / "schemathesis.toml"
    configuration.write_text("\n".join(lines) + "\n", encoding="utf-8")
    # The first of them tries every boundary of every parameter, ten thousand requests.
    phases = "coverage,fuzzing,stateful" if long_form else "fuzzing,stateful"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(configuration)),
        *("run", f"{await service.address()}/v2/openapi.json"),
        *("--header", f"X-Auth-Token:{system.token(system.master.admin)}"),
        *("--checks", _CHECKS, "--seed", _SEED, "--max-examples", _EXAMPLES),
        *("--phases", phases, "--generation-database", "none", "--workers", "1"),
        *("--continue-on-failure", "--request-timeout", "30", "--warnings", "off", "--no-color"),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()[-8_000:]
