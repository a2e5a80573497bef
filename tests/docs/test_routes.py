"""Each route that is answered is on a page, with its methods; and each on a page is answered."""

from tests.docs.routes import answered, documented, methods_of, wired


def test_every_route_is_in_a_table_with_its_methods() -> None:
    resources = wired()
    on_pages = documented(resources)
    routes = answered(resources)
    assert ("apps_store", "{}", "screenshot", "{}") in routes
    assert {"/".join(route): methods for route, methods in routes.items() if on_pages.get(route) != methods} == {}


def test_every_route_in_a_table_is_answered() -> None:
    resources = wired()
    wrong = {
        "/".join(route): methods
        for route, methods in documented(resources).items()
        if methods_of(resources[route[0]], route[1:]) != methods
    }
    assert wrong == {}
