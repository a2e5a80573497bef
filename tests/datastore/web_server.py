"""A web server that is no CouchDB."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

HTML = b"<!doctype html><title>Welcome to nginx!</title>"
JSON = json.dumps({"data": {"message": "not found"}, "status": "error"}).encode()


def reply(status: int, body: bytes, content_type: str = "text/html", more: str = "") -> Callable[[bytes], bytes]:
    def answer(head: bytes) -> bytes:
        length = f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{more}\r\n"
        return f"HTTP/1.1 {status} X\r\n{length}".encode() + (b"" if head.startswith(b"HEAD") else body)

    return answer


@asynccontextmanager
async def server(answer: Callable[[bytes], bytes]) -> AsyncIterator[str]:
    """A server that is no CouchDB; ``host:port``."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(answer(await reader.readuntil(b"\r\n\r\n")))
            await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        yield f"127.0.0.1:{listening.sockets[0].getsockname()[1]}"
