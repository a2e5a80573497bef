"""App folders for the tests, with the pictures of ``tests/samples``."""

import json
from pathlib import Path
from typing import Any, Final

from crossbar_appstore.json_codec import JsonObject
from tests.samples.make_pictures import gif, jpeg, png, svg, webp

PNG: Final = png(8, 8, lambda x, y: (x + y) % 7)
OTHER_PNG: Final = png(8, 8, lambda x, y: (x * y) % 7)
JPEG: Final = jpeg(2, 2, lambda x, y: 60 * (x + y))
GIF: Final = gif()
WEBP: Final = webp()
SVG: Final = svg()


def metadata(name: str = "wallboard", **fields: Any) -> JsonObject:
    """The content of a valid app.json; a field given as ``...`` is left out."""
    texts = {"label": "Wall Board", "description": "Queues at a glance", "features": ["Large type"]}
    made = {
        "name": name,
        "i18n": {"en-US": texts},
        "tags": ["reporting"],
        "icon": "icon.png",
        "screenshots": ["one.png", "two.jpg"],
        "api_url": "",
        "author": "Somebody",
        "version": "1.0",
        "license": "-",
        "price": 0,
        **fields,
    }
    return {key: value for key, value in made.items() if value is not ...}


def make_app(
    root: Path,
    name: str = "wallboard",
    *,
    folder: str | None = None,
    content: JsonObject | bytes | None = None,
    icon_files: dict[str, bytes] | None = None,
    screenshot_files: dict[str, bytes] | None = None,
    **fields: Any,
) -> Path:
    """Write an app's folder below ``root``, by default complete and valid; its path."""
    app = root / (folder or name)
    pictures = {
        "icon": {"icon.png": PNG} if icon_files is None else icon_files,
        "screenshots": {"one.png": OTHER_PNG, "two.jpg": JPEG} if screenshot_files is None else screenshot_files,
    }
    for kind, files in pictures.items():
        (app / "metadata" / kind).mkdir(parents=True, exist_ok=True)
        for file, picture in files.items():
            (app / "metadata" / kind / file).write_bytes(picture)
    made = metadata(name, **fields) if content is None else content
    raw = made if isinstance(made, bytes) else json.dumps(made).encode()
    (app / "metadata" / "app.json").write_bytes(raw)
    return app
