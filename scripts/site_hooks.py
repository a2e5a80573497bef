"""Adds the files beside ``docs/`` that its pages link to, such as the changelog, to the site that MkDocs builds.

Links are written for the file system and the repository host. In the site these files are in a folder of their own:
links of the pages that lead out of ``docs/`` lead there, and those of these files to ``docs/`` lead to the pages. A
link whose text is the name of a page gets the title of the page.
"""

import re
from pathlib import Path
from typing import Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

_FOLDER: Final = "repository"
_BESIDE: Final = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "deploy/**/*.*", "schemas/*.*")
_LINK: Final = re.compile(r"(?<=\]\()[^)\s]+(?=\))")
_NAME: Final = re.compile(r"\[[\w./-]+\.md\]\(([\w./-]+\.md)((?:#[\w-]+)?\))")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files."""
    checkout = Path(config.docs_dir).parent
    for path in sorted(path for pattern in _BESIDE for path in checkout.glob(pattern) if path.is_file()):
        name = path.relative_to(checkout).as_posix()
        files.append(File.generated(config, f"{_FOLDER}/{name}", abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Rewrite the links between pages and these files, and name pages by their titles."""
    source = Path(str(page.file.abs_src_path)).parent
    markdown = _NAME.sub(lambda link: f"[{_title(source / link[1])}]({link[1]}{link[2]}", markdown)
    up = "../" * page.file.src_uri.count("/")
    before, after = ("docs/", "../") if page.file.generated_by else (f"{up}../", f"{up}{_FOLDER}/")
    return _LINK.sub(lambda link: re.sub(f"^{re.escape(before)}", after, link[0]), markdown)


def _title(page: Path) -> str:
    return page.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
