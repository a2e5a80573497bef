"""What the description says about a reply."""

from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator

from crossbar_appstore.api_docs.document import openapi_document
from crossbar_appstore.json_codec import JsonObject


class Description:
    """The description, and the statuses of its operations that were seen."""

    def __init__(self) -> None:
        self._document = openapi_document()
        self.seen: set[tuple[str, str, str]] = set()

    def successes(self) -> Iterator[tuple[str, str, str]]:
        """Method, path and status of each success of an operation."""
        for path, item in self._document["paths"].items():
            for method, operation in item.items():
                for status in operation["responses"] if method != "parameters" else ():
                    if status < "300":
                        yield method, path, status

    def check(self, method: str, path: str, status: int, content_type: str | None, body: Any) -> None:
        """Compare a reply; ``path`` is that of the request, without its query string."""
        template = self._template(path.partition("?")[0])
        operation = self._document["paths"][template][method.lower()]
        assert str(status) in operation["responses"], (method, template, status)
        self.seen.add((method.lower(), template, str(status)))
        offered = self._followed(operation["responses"][str(status)]).get("content", {})
        if content_type is None:
            assert not offered
            return
        kind = content_type.partition(";")[0]
        described = offered.get(kind, offered.get(f"{kind.partition('/')[0]}/*"))
        assert described is not None, (method, template, status, content_type)
        if "schema" in described and kind == "application/json":
            schema = {**described["schema"], "components": self._document["components"]}
            errors = [f"{error.json_path}: {error.message}" for error in Draft202012Validator(schema).iter_errors(body)]
            assert not errors, (method, template, status, errors)

    def _template(self, path: str) -> str:
        """The path of the document with the fewest parameters that the request's path matches."""
        tokens = ["", *path.split("/")]
        fitting: list[str] = [
            template
            for template in self._document["paths"]
            if len(parts := template.split("/")) == len(tokens)
            and all(part.startswith("{") or part == token for part, token in zip(parts, tokens, strict=True))
        ]
        assert fitting, path
        return min(fitting, key=lambda template: template.count("{"))

    def _followed(self, response: JsonObject) -> JsonObject:
        reference = response.get("$ref")
        if reference is None:
            return response
        return dict(self._document["components"]["responses"][reference.rpartition("/")[2]])
