"""Reads ``deploy/Dockerfile``, checks its form, and carries out its instructions without a container engine.

The base image is the Python that runs the tests. Files lie in a folder for each stage; commands run in a namespace
(bubblewrap) that sees these, this machine's programs, and nothing else of this machine.
"""

import fnmatch
import io
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from dockerfile_parse import DockerfileParser

CHECKOUT: Final = Path(__file__).parents[2]
DOCKERFILE: Final = CHECKOUT / "deploy" / "Dockerfile"
IGNORE: Final = CHECKOUT / "deploy" / "Dockerfile.dockerignore"
PYTHON: Final = Path(sys.base_prefix)
PATH: Final = f"{PYTHON}/bin:/usr/local/bin:/usr/bin:/bin"
NEVER_SENT: Final = frozenset({".git", ".venv", ".tox", ".mypy_cache", ".ruff_cache", ".pytest_cache", "node_modules"})
"""Not walked through, to save time: the first line of the ignore file leaves them out."""


@dataclass(frozen=True, slots=True)
class Instruction:
    name: str
    value: str


def instructions(text: str) -> list[Instruction]:
    parser = DockerfileParser(fileobj=io.BytesIO(text.encode()))
    return [Instruction(each["instruction"], each["value"]) for each in parser.structure if each["value"]]


def _arguments(found: list[Instruction]) -> dict[str, str]:
    pairs = [each.value.partition("=") for each in found if each.name == "ARG"]
    return {name: value for name, _, value in pairs}


def bases(found: list[Instruction]) -> Iterator[str]:
    """The image that each stage begins with."""
    for each in found:
        if each.name == "FROM":
            image = each.value.split()[0]
            for name, value in _arguments(found).items():
                image = image.replace(f"${{{name}}}", value)
            yield image


def _last(found: list[Instruction], name: str) -> str:
    return next((each.value for each in reversed(found) if each.name == name), "")


def _exec_form(value: str) -> bool:
    try:
        return isinstance(json.loads(value), list)
    except ValueError:
        return False


def _after(found: list[Instruction], name: str) -> list[Instruction]:
    return found[max((i for i, each in enumerate(found) if each.name == name), default=0) :]


def _named(found: list[Instruction], name: str) -> list[str]:
    return [each.value for each in found if each.name == name]


def _words(found: list[Instruction], *names: str) -> str:
    return " ".join(each.value for each in found if each.name in names)


RULES: Final[dict[str, Callable[[list[Instruction]], bool]]] = {
    # Numbers are those of hadolint.
    "every base has a tag that is a version (DL3006, DL3007)": lambda found: all(
        any(letter.isdigit() for letter in base.partition(":")[2]) for base in bases(found)
    ),
    "the user is a number other than root's (DL3002)": lambda found: (
        all(part.isdigit() and int(part) > 999 for part in _last(found, "USER").split(":"))
        and ":" in _last(found, "USER")
    ),
    "the last stage names the user": lambda found: "USER" in [each.name for each in _after(found, "FROM")],
    "nothing is installed as that user": lambda found: not _named(_after(found, "USER"), "RUN"),
    "folders are absolute (DL3000)": lambda found: all(value.startswith("/") for value in _named(found, "WORKDIR")),
    "files are copied, not added (DL3020)": lambda found: not _named(found, "ADD"),
    "a copy of several files ends in a slash (DL3021)": lambda found: all(
        value.split()[-1].endswith("/")
        for value in _named(found, "COPY")
        if len([word for word in value.split() if not word.startswith("--")]) > 2
    ),
    "a copy from a stage names one (DL3022)": lambda found: all(
        any(stage.endswith(f" AS {word.partition('=')[2]}") for stage in _named(found, "FROM"))
        for value in _named(found, "COPY")
        for word in value.split()
        if word.startswith("--from=")
    ),
    "pip keeps no cache (DL3042)": lambda found: all(
        "--no-cache-dir" in value for value in _named(found, "RUN") if "pip" in value and " install" in value
    ),
    "nobody becomes root (DL3004)": lambda found: "sudo" not in _words(found, "RUN"),
    "the program gets signals (DL3025)": lambda found: (
        _exec_form(_last(found, "ENTRYPOINT")) and _exec_form(_last(found, "CMD"))
    ),
    "there is one health check, without a shell (DL3012)": lambda found: (
        len(_named(found, "HEALTHCHECK")) == 1 and _exec_form(_last(found, "HEALTHCHECK").partition("CMD ")[2])
    ),
    "no secret is kept in the image": lambda found: (
        not any(word in _words(found, "ENV", "ARG").upper() for word in ("PASSWORD", "SECRET", "TOKEN", "COUCHDB_URL"))
    ),
}


def context(place: Path) -> Path:
    """The files that ``docker build`` would send to the engine."""
    lines = [line for line in IGNORE.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    for folder, folders, files in os.walk(CHECKOUT):
        folders[:] = [name for name in folders if name not in NEVER_SENT]
        for name in files:
            path = (Path(folder) / name).relative_to(CHECKOUT)
            if not _ignored(path, lines):
                (place / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(CHECKOUT / path, place / path)
    return place


def _ignored(path: Path, lines: list[str]) -> bool:
    """Whether the last line that matches the path, or a folder of it, is one without ``!``."""
    ignored = False
    for line in lines:
        pattern = line.removeprefix("!")
        for each in (path, *path.parents[:-1]):
            whole = pattern.count("/") == len(each.parts) - 1 and fnmatch.fnmatchcase(str(each), pattern)
            if whole or (pattern.startswith("**/") and fnmatch.fnmatchcase(each.name, pattern[3:])):
                ignored = not line.startswith("!")
    return ignored


@dataclass(slots=True)
class Image:
    """What a stage has made: ``root`` holds its files, where the base image's are not."""

    root: Path
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": PATH})
    folder: str = "/"
    user: str = "0:0"
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    health_check: list[str] = field(default_factory=list)

    def namespace(self, *, writable: bool, **environment: str) -> list[str]:
        """The words before a command that runs in a container of this image, as process 1."""
        user, _, group = self.user.partition(":")
        words = ["bwrap", "--die-with-parent", "--unshare-pid", "--as-pid-1", "--clearenv"]
        words += ["--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--tmpfs", "/tmp"]
        for name in ("bin", "lib", "lib64", "sbin"):
            link = Path("/", name)
            words += ["--symlink", str(link.readlink()), str(link)] if link.is_symlink() else []
            words += ["--ro-bind", str(link), str(link)] if link.is_dir() and not link.is_symlink() else []
        words += ["--ro-bind", "/usr", "/usr", "--ro-bind", "/etc", "/etc"]
        for place in sorted(self.root.iterdir()):
            words += ["--bind" if writable else "--ro-bind", str(place), f"/{place.name}"]
        # Folders that bubblewrap makes are root's own.
        above = [word for folder in PYTHON.parents[-2::-1] for word in ("--perms", "0755", "--dir", str(folder))]
        words += [] if PYTHON.is_relative_to("/usr") else [*above, "--ro-bind", str(PYTHON), str(PYTHON)]
        words += [] if writable else ["--remount-ro", "/"]
        for name, value in (self.environment | environment).items():
            words += ["--setenv", name, value]
        words += ["--chdir", self.folder]
        if os.getuid() != 0:
            return [*words, "--unshare-user", "--uid", user, "--gid", group]
        # Root becomes that user outside of the namespace, too.
        other = ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", "--bounding-set=-all"]
        return [*words, *other, "--inh-caps=-all", "--no-new-privs"] if user != "0" else words


def build(place: Path, network: Mapping[str, str]) -> Image:
    """Carry out the Dockerfile; ``network`` are variables that pip needs here. Raises ``CalledProcessError``."""
    sent = context(place / "context")
    stages: dict[str, Image] = {}
    image = Image(place)
    for each in instructions(DOCKERFILE.read_text(encoding="utf-8")):
        match each.name:
            case "FROM":
                name = each.value.partition(" AS ")[2] or "last"
                image = stages[name] = Image(place / name)
                # Folders that commands make files in.
                (image.root / "opt").mkdir(parents=True)
            case "COPY":
                _copy(each.value, image, sent, stages)
            case "RUN":
                words = [*image.namespace(writable=True, **network), "sh", "-c", each.value]
                done = subprocess.run(words, capture_output=True, text=True, check=False)
                assert done.returncode == 0, done.stdout + done.stderr
            case _:
                _configure(image, each)
    return stages["last"]


def _copy(value: str, image: Image, sent: Path, stages: dict[str, Image]) -> None:
    words = shlex.split(value)
    stage = next((word.partition("=")[2] for word in words if word.startswith("--from=")), None)
    *sources, target = [word for word in words if not word.startswith("--")]
    root = sent if stage is None else stages[stage].root
    for source in sources:
        found = root / source.lstrip("/")
        to = image.root / Path(image.folder, target).relative_to("/")
        if found.is_dir():
            shutil.copytree(found, to, symlinks=True, dirs_exist_ok=True)
        else:
            to.mkdir(parents=True, exist_ok=True) if target.endswith("/") else None
            shutil.copy2(found, to)


def _configure(image: Image, each: Instruction) -> None:
    match each.name:
        case "WORKDIR":
            image.folder = each.value
            (image.root / each.value.lstrip("/")).mkdir(parents=True, exist_ok=True)
        case "ENV":
            for word in shlex.split(each.value):
                name, _, value = word.partition("=")
                image.environment[name] = value.replace("$PATH", image.environment["PATH"])
        case "USER":
            image.user = each.value
        case "ENTRYPOINT":
            image.entrypoint = json.loads(each.value)
        case "CMD":
            image.command = json.loads(each.value)
        case "HEALTHCHECK":
            image.health_check = json.loads(each.value.partition("CMD ")[2])
        case "ARG" | "EXPOSE" | "COMMENT":
            pass
        case _:
            raise AssertionError(f"what {each.name} does is not known here: {each.value}")
