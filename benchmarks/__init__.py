"""Benchmarks: what a request to the service costs against a bare aiohttp handler that returns the same bytes.

Everything that is measured is started on free ports of 127.0.0.1 and ended afterwards: PouchDB Server with a KAZOO
system, ``crossbar-appstore serve``, and the bare handler. See docs/performance.md.
"""
