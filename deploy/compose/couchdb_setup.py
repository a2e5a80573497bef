"""Joins nodes of CouchDB into a cluster and creates CouchDB's own databases; can be repeated.

``python couchdb_setup.py NODE [NODE...]`` with the host names of the nodes, which are also the names of their Erlang
nodes (``couchdb@NODE``). The password of the user ``admin`` is in ``COUCHDB_PASSWORD``.
"""

import base64
import http.client
import json
import os
import sys
import time
from typing import Any

PORT = 5984
PATIENCE = 120
"""Seconds within which a node answers, and all nodes see each other."""


class Node:
    """A node of CouchDB; ``address`` is a host name, or ``host:port``."""

    def __init__(self, address: str, password: str) -> None:
        self.address = address if ":" in address else f"{address}:{PORT}"
        self.name = f"couchdb@{address.partition(':')[0]}"
        self._user = "Basic " + base64.b64encode(f"admin:{password}".encode()).decode()

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Return the status and the JSON of the answer."""
        connection = http.client.HTTPConnection(self.address, timeout=10)
        try:
            headers = {"Authorization": self._user, "Content-Type": "application/json"}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            reply = connection.getresponse()
            return reply.status, json.loads(reply.read())
        finally:
            connection.close()

    def wait(self) -> None:
        """Wait until the node answers; the program ends if it refuses the password or does not."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                status, reply = self.ask("GET", "/_all_dbs")
            except (OSError, http.client.HTTPException, ValueError) as error:
                status, reply = 0, error
            if status == 200:
                return
            if status in (401, 403) or time.monotonic() > end:
                sys.exit(f"{self.address}: {reply}")
            time.sleep(1)

    def put(self, path: str, body: object = None) -> None:
        """Create what may exist already: 409 of documents, 412 of databases."""
        status, reply = self.ask("PUT", path, body)
        if status not in (200, 201, 202, 409, 412):
            sys.exit(f"{self.address}: {path}: {status} {reply}")


def join(first: Node, others: list[Node]) -> None:
    """Add the nodes to the cluster of the first one, and wait until it sees all of them."""
    for node in others:
        first.put(f"/_node/_local/_nodes/{node.name}", {})
    end = time.monotonic() + PATIENCE
    wanted = {node.name for node in (first, *others)}
    while not wanted <= set(first.ask("GET", "/_membership")[1]["all_nodes"]):
        if time.monotonic() > end:
            sys.exit(f"{first.address} does not see all of {', '.join(sorted(wanted))}")
        time.sleep(1)


def main(addresses: list[str]) -> None:
    """Set up the cluster, or the single node."""
    nodes = [Node(address, os.environ["COUCHDB_PASSWORD"]) for address in addresses]
    for node in nodes:
        node.wait()
    first, *others = nodes
    if others:
        join(first, others)
    # The last one brings the feed of changed databases, which saves the service most of its requests.
    for database in ("_users", "_replicator", "_global_changes"):
        first.put(f"/{database}")


if __name__ == "__main__":
    main(sys.argv[1:])
