"""A FastAPI application that counts its requests. docs/frameworks/fastapi.md explains it."""

from time import perf_counter

from fastapi import FastAPI, Response
from metrics import in_flight, latency, page, requests


class CountRequests:
    """ASGI middleware, for FastAPI, Starlette and anything else built on Starlette's routing."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = 500  # unless there is an answer: an exception may prevent it

        async def watch(message):
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        began = perf_counter()
        try:
            with in_flight.track():
                await self.app(scope, receive, watch)
        finally:
            route = getattr(scope.get("route"), "path", "unknown")
            requests.inc(route, status)
            latency.observe(perf_counter() - began, route)


app = FastAPI()
app.add_middleware(CountRequests)


@app.get("/items/{number}")
async def item(number: int):
    return {"number": number}


@app.get("/fail")
async def fail():
    raise RuntimeError("this was asked for")


@app.get("/metrics")
async def metrics():
    text, content_type = page()
    return Response(text, media_type=content_type)
