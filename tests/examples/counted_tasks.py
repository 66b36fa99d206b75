"""The same for celery: a task is a request."""

import os

import counted
from celery import Celery

celery = Celery("counted_tasks", broker=os.environ["COUNTED_BROKER"], backend=os.environ["COUNTED_BROKER"])
celery.conf.worker_lost_wait = 0.1  # by default a task is given up ten seconds after its worker was killed


@celery.task(name="count")
def count(route, size):
    counted.count(route, size)
