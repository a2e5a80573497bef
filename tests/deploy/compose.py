"""Reads the compose files as ``docker compose`` does: variables replaced, aliases and merges resolved."""

import re
from pathlib import Path
from typing import Any, Final

import yaml

from tests.deploy.dockerfile import CHECKOUT

DEPLOY: Final = CHECKOUT / "deploy"
COMPOSE: Final = DEPLOY / "compose.yaml"
CLUSTER: Final = DEPLOY / "compose.cluster.yaml"

_VARIABLE: Final = re.compile(r"\$\{(\w+)(?::([?-])([^}]*))?\}")


def loaded(path: Path, **variables: str) -> dict[str, Any]:
    """The file with these variables, defaults for others. Raises ``KeyError`` where one is missing that has none."""

    def value(match: re.Match[str]) -> str:
        name, kind, text = match.groups()
        return variables[name] if kind != "-" else variables.get(name, text)

    document: dict[str, Any] = yaml.safe_load(_VARIABLE.sub(value, path.read_text(encoding="utf-8")))
    return document


def required(path: Path) -> set[str]:
    """Variables without a default."""
    return {name for name, kind, _ in _VARIABLE.findall(path.read_text(encoding="utf-8")) if kind != "-"}


def bind_mounts(service: dict[str, Any]) -> dict[str, str]:
    """Path in the container → path beside the compose file."""
    words = [volume.split(":") for volume in service.get("volumes", [])]
    return {target: source for source, target, *_ in words if source.startswith((".", "/"))}
