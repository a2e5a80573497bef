"""KAZOO's own answers: cases of ``../shared/corpus``, or of another folder of that form named by ``CORPUS_DIR``."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

Case = dict[str, Any]

CRASH = "crash"

_BESIDE = Path(__file__).parents[3] / "shared" / "corpus"


def cases(corpus: str) -> list[Any]:
    """Every case of a corpus as a parameter named by its id; one that skips by name where there is no such corpus."""
    folder = Path(os.environ.get("CORPUS_DIR") or _BESIDE) / corpus
    found = [json.loads(line) for file in sorted(folder.glob("*.jsonl")) for line in file.read_bytes().splitlines()]
    if not found:
        return [pytest.param({}, id=corpus, marks=pytest.mark.skip(reason=f"the corpus {corpus} is not here"))]
    return [pytest.param(case, id=case["id"]) for case in found]


def canonical(value: Any) -> str:
    """A text that is equal for equal JSON values: the order of keys does not matter, 1 and 1.0 differ."""
    return json.dumps(value, sort_keys=True)
