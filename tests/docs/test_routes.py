"""The routes in the tables of the pages are those of the application."""

from tests.docs.routes import answered, documented, methods_of, wired


def test_pages_list_every_route_with_its_methods() -> None:
    resources = wired()
    on_pages = documented(resources)
    routes = answered(resources)
    assert ("apps_store", "{}", "screenshot", "{}") in routes
    assert {"/".join(route): methods for route, methods in routes.items() if on_pages.get(route) != methods} == {}


def test_pages_list_existing_routes_only() -> None:
    resources = wired()
    wrong = {
        "/".join(route): methods
        for route, methods in documented(resources).items()
        if methods_of(resources[route[0]], route[1:]) != methods
    }
    assert wrong == {}
