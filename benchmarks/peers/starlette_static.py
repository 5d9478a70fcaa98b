"""starlette's static files for uvicorn; the root is in BENCHMARK_ROOT."""

import os

from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

app = Starlette(routes=[Mount("/", app=StaticFiles(directory=os.environ["BENCHMARK_ROOT"]))])
