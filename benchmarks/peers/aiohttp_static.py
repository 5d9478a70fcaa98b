"""aiohttp's static route, log off: `aiohttp_static.py PORT ROOT uvloop|asyncio`."""

import asyncio
import sys

from aiohttp import web


def main(port: str, root: str, loop_name: str) -> None:
    app = web.Application()
    app.router.add_static("/", root)
    if loop_name == "uvloop":
        import uvloop

        loop = uvloop.new_event_loop()
    else:
        loop = asyncio.new_event_loop()
    web.run_app(app, host="127.0.0.1", port=int(port), access_log=None, print=None, loop=loop)


main(*sys.argv[1:])
