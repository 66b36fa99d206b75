"""A Flask application that counts its requests. docs/frameworks/flask.md explains it."""

from time import perf_counter

from flask import Flask, Response, g, request
from metrics import in_flight, latency, page, requests

app = Flask(__name__)


@app.before_request
def begin():
    in_flight.inc()
    g.began = perf_counter()


@app.after_request
def count(response):
    if "began" in g:
        route = request.url_rule.rule if request.url_rule else "unknown"
        requests.inc(route, response.status_code)
        latency.observe(perf_counter() - g.began, route)
    return response


@app.teardown_request
def end(error):
    if g.pop("began", None) is not None:
        in_flight.dec()


@app.get("/items/<int:number>")
def item(number):
    return {"number": number}


@app.get("/fail")
def fail():
    raise RuntimeError("this was asked for")


@app.get("/metrics")
def metrics():
    text, content_type = page()
    return Response(text, content_type=content_type)
