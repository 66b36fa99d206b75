"""The same application with Starlette alone."""

from fastapi_app import CountRequests
from metrics import page
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


async def item(request):
    return JSONResponse({"number": request.path_params["number"]})


async def fail(request):
    raise RuntimeError("this was asked for")


async def metrics(request):
    text, content_type = page()
    return Response(text, media_type=content_type)


app = Starlette(
    routes=[Route("/items/{number:int}", item), Route("/fail", fail), Route("/metrics", metrics)],
    middleware=[Middleware(CountRequests)],
)
