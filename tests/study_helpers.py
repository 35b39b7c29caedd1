"""What the tests of studies share: few digits, a quick classifier, and the place of Dask taken by this process."""

from contextlib import contextmanager

from minigan.data import dataset
from minigan.metrics import classifier
from minigan.study.job import stop_session, work
from minigan.training import judging
from minigan.training.gallery import Gallery


def make_small_world(patch, cache):
    """600 digits, a classifier of 20 steps in a cache folder of its own, no pictures."""
    load_digits = dataset._load_digits

    def few_digits(directory, split):
        digits = load_digits(directory, split)
        return dataset.Dataset("digits", split, digits.images[:600], digits.labels[:600], digits.classes)

    patch.setenv("MINIGAN_CACHE", str(cache))
    patch.setitem(dataset.LOADERS, "digits", few_digits)
    patch.setattr(classifier, "STEPS", 20)
    patch.setattr(judging.pictures, "save_evaluation", lambda *arguments: None)
    patch.setattr(Gallery, "draw", lambda *arguments: None)
    patch.setattr(Gallery, "finish", lambda *arguments: [])


class Future:
    """A run that begins when somebody waits for it."""

    def __init__(self, job, session):
        self.job, self.session, self.outcome = job, session, None


class Here:
    """A Cluster of this process: the runs of a study, one after the other.

    before     a function that is called with each job before its run
    """

    def __init__(self, before=lambda job: None):
        self.before, self.jobs = before, []

    @contextmanager
    def open(self, runs, say):
        yield self

    def workers(self):
        return 2

    def submit(self, job, session, retries):
        return Future(job, session)

    def wait(self, futures, seconds):
        future = futures[0]
        try:
            self.before(future.job)
            self.jobs.append(future.job.label)
            future.outcome = work(future.job, future.session)
        except Exception as error:
            future.outcome = error
        return [future]

    def result(self, future):
        if isinstance(future.outcome, Exception):
            raise future.outcome
        return future.outcome

    def stop(self, session):
        stop_session(session)

    def cancel(self, futures):
        pass
