"""The document is valid, and has the routes of the service and no others."""

from openapi_spec_validator import validate

from crossbar_appstore.api_docs.document import openapi_document
from tests.docs.routes import ANY, answered, methods_of, route_of, wired

_METHODS = {"get", "put", "post", "patch", "delete"}


def test_openapi_document_is_valid() -> None:
    validate(openapi_document())


def test_openapi_document_has_every_route_with_its_methods() -> None:
    resources = wired()
    documented: dict[tuple[str, ...], set[str]] = {}
    for path, item in openapi_document()["paths"].items():
        route = route_of(path, set(resources))
        assert route is not None, path
        documented.setdefault(route, set()).update(method.upper() for method in item.keys() & _METHODS)
    for route, methods in answered(resources).items():
        assert documented.get(route) == methods, route


def test_openapi_document_has_existing_routes_only() -> None:
    resources = wired()
    for path, item in openapi_document()["paths"].items():
        noun, *params = route_of(path, set(resources)) or ("",)
        methods = methods_of(resources[noun], [param if param != ANY else "x" for param in params])
        assert {method.upper() for method in item.keys() & _METHODS} <= methods, path


def test_openapi_document_names_each_operation_once() -> None:
    operations = [
        operation["operationId"]
        for item in openapi_document()["paths"].values()
        for method, operation in item.items()
        if method in _METHODS
    ]
    assert len(operations) == len(set(operations)) > 100


def test_openapi_document_has_every_json_schema() -> None:
    schemas = openapi_document()["components"]["schemas"]
    assert schemas["callflows"]["properties"]["flow"] == {"$ref": "#/components/schemas/callflows.action"}
    recording = {"$ref": "#/components/schemas/users.recording_parameters"}
    assert schemas["users.recording_source"]["properties"]["any"] == recording
