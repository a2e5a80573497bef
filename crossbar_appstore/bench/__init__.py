"""The bench: what a request costs beside a bare aiohttp handler that returns the same bytes.

It starts everything that it measures: an embedded CouchDB with a system of its own, the service in a process of its
own, a bare handler in another, and a load generator. Nothing in here is imported by the service.
"""
