"""A Celery application that counts its tasks. docs/frameworks/celery.md explains it."""

import os
from time import perf_counter

from celery import Celery
from celery.signals import task_postrun, task_prerun, worker_init
from prometheus_client import CollectorRegistry, start_http_server

from atomicx.prometheus import Collector
from atomicx.shared import Segment

PORT = int(os.environ.get("SHOP_METRICS_PORT", "9808"))

segment = Segment.open_or_create(os.environ.get("SHOP_SEGMENT", "/dev/shm/shop-tasks"), capacity=1000)
tasks = segment.counter("tasks", "task", "state")
duration = segment.histogram("task_seconds", [0.01, 0.1, 1, 10, 60], "task")
running = segment.gauge("tasks_running")

app = Celery("celery_app", broker=os.environ.get("SHOP_BROKER", "redis://localhost"))


@task_prerun.connect
def begin(task, **_):
    running.inc()
    task.request.began = perf_counter()


@task_postrun.connect
def end(task, state, **_):
    running.dec()
    tasks.inc(task.name, state or "UNKNOWN")
    duration.observe(perf_counter() - task.request.began, task.name)


@worker_init.connect
def serve_metrics(**_):  # in the worker's main process, which runs no tasks
    registry = CollectorRegistry()
    Collector(registry).segment(segment, "Tasks of the shop.")
    start_http_server(PORT, "127.0.0.1", registry)


@app.task
def double(number):
    return 2 * number


@app.task
def fail():
    raise RuntimeError("this was asked for")
