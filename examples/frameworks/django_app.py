"""A Django project in one file that counts its requests. docs/frameworks/django.md explains it."""

from inspect import iscoroutinefunction
from time import perf_counter

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, JsonResponse
from django.urls import path
from django.utils.decorators import sync_and_async_middleware
from metrics import in_flight, latency, page, requests


@sync_and_async_middleware
def count_requests(get_response):
    def count(request, response, began):
        route = "/" + request.resolver_match.route if request.resolver_match else "unknown"
        requests.inc(route, response.status_code)
        latency.observe(perf_counter() - began, route)
        return response

    def middleware(request):
        with in_flight.track():
            began = perf_counter()
            return count(request, get_response(request), began)

    async def async_middleware(request):
        with in_flight.track():
            began = perf_counter()
            return count(request, await get_response(request), began)

    return async_middleware if iscoroutinefunction(get_response) else middleware


def item(request, number):
    return JsonResponse({"number": number})


def fail(request):
    raise RuntimeError("this was asked for")


def metrics(request):
    text, content_type = page()
    return HttpResponse(text, content_type=content_type)


urlpatterns = [
    path("items/<int:number>", item),
    path("fail", fail),
    path("metrics", metrics),
]
settings.configure(
    ALLOWED_HOSTS=["*"],
    MIDDLEWARE=[f"{__name__}.count_requests"],  # put it first, so that it measures the others too
    ROOT_URLCONF=__name__,
)
application = get_wsgi_application()
asgi_application = get_asgi_application()
