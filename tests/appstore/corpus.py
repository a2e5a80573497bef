"""Recorded responses of KAZOO: the cases in ``../shared/corpus``, or in the folder ``CORPUS_DIR``."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

Case = dict[str, Any]

CRASH = "crash"

_BESIDE = Path(__file__).parents[3] / "shared" / "corpus"


def cases(corpus: str) -> list[Any]:
    """Returns every case of a corpus as a parameter with its id; a missing corpus is skipped and reported."""
    folder = Path(os.environ.get("CORPUS_DIR") or _BESIDE) / corpus
    found = [json.loads(line) for file in sorted(folder.glob("*.jsonl")) for line in file.read_bytes().splitlines()]
    if not found:
        return [pytest.param({}, id=corpus, marks=pytest.mark.skip(reason=f"the corpus {corpus} is missing"))]
    return [pytest.param(case, id=case["id"]) for case in found]


def canonical(value: Any) -> str:
    """Returns a text that is equal for equal JSON values: the order of keys is ignored, 1 and 1.0 differ."""
    return json.dumps(value, sort_keys=True)
