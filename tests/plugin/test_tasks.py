"""Background jobs: order, pace, cancelling, and errors in one sentence."""

import threading
import time

import pytest

from napari_labdct.core import InputError, Progress
from napari_labdct.plugin.tasks import PACE, State, Task, time_left


@pytest.fixture
def run(qapp, wait):
    def until_done(task, job):
        task.start(job)
        wait(lambda: not task.state.is_busy)

    return until_done


def test_hands_over_all_that_a_job_yields_in_its_order(run):
    task, seen = Task("Count"), []
    task.reported.connect(seen.extend)
    run(task, lambda: iter(range(100)))
    assert seen == list(range(100))
    assert task.state is State.DONE


def test_reports_ten_times_a_second_at_most(run):
    task, batches = Task("Hurry"), []
    task.reported.connect(batches.append)

    def job():
        end = time.monotonic() + 4 * PACE
        while time.monotonic() < end:
            yield "step"
            time.sleep(0.001)

    run(task, job)
    assert 2 <= len(batches) <= 6
    assert sum(map(len, batches)) > len(batches)


def test_progress_says_how_long_it_takes(run):
    task, seen = Task("Work"), []
    task.progressed.connect(seen.append)
    run(task, lambda: iter([Progress(1, 2, "one"), Progress(2, 2, "both")]))
    assert (seen[-1].done, seen[-1].total) == (2, 2)
    assert seen[-1].what == "both"


@pytest.mark.parametrize(
    ("done", "total", "seconds", "words"),
    [
        (1, 10, 0.5, ""),
        (5, 10, 10, "10 s left"),
        (1, 11, 60, "10 min left"),
        (1, 100, 100, "2.8 h left"),
        (10, 10, 10, ""),
    ],
)
def test_time_left(done, total, seconds, words):
    assert time_left(Progress(done, total), seconds) == words


def test_cancel_keeps_what_is_done_and_closes_the_job(run, wait):
    task, seen, closed = Task("Endless"), [], []

    def job():
        try:
            while True:
                yield "step"
                time.sleep(0.01)
        finally:
            closed.append(threading.current_thread())

    task.reported.connect(seen.extend)
    task.start(job)
    wait(lambda: seen)
    task.cancel()
    assert task.state is State.STOPPING
    wait(lambda: task.state is State.DONE)
    assert task.cancelled
    assert closed
    assert closed[0] is not threading.main_thread()


def test_long_jobs_wait_for_each_other_and_urgent_ones_do_not(qapp, wait):
    go, order = threading.Event(), []

    def slow():
        go.wait(5)
        order.append("first")
        yield 1

    def quick(name):
        def job():
            order.append(name)
            yield 1

        return job

    first, second, urgent = Task("First"), Task("Second"), Task("Look", urgent=True)
    first.start(slow)
    second.start(quick("second"))
    assert second.state is State.WAITING
    urgent.start(quick("urgent"))
    wait(lambda: urgent.state is State.DONE)
    assert order == ["urgent"]
    go.set()
    wait(lambda: second.state is State.DONE)
    assert order == ["urgent", "first", "second"]


def test_a_waiting_job_can_be_cancelled_before_it_began(qapp, wait):
    go, ran = threading.Event(), []

    def slow():
        go.wait(5)
        yield 1

    first, second = Task("First"), Task("Second")
    first.start(slow)
    second.start(lambda: iter([ran.append(1)]))
    second.cancel()
    assert second.state is State.DONE
    go.set()
    wait(lambda: first.state is State.DONE)
    assert not ran


def test_an_error_the_user_can_mend_is_shown_as_it_is(run):
    task, said = Task("Read"), []
    task.failed.connect(said.append)

    def job():
        raise InputError("frame.tif is empty: export it again.")
        yield

    run(task, job)
    assert said == ["frame.tif is empty: export it again."]
    assert task.state is State.FAILED


def test_a_defect_names_itself_and_keeps_its_traceback(run):
    task, said = Task("Divide"), []
    task.failed.connect(said.append)

    def job():
        yield 1 / 0

    run(task, job)
    assert "Divide" in said[0]
    assert "ZeroDivisionError" in said[0]
    assert "Traceback" in task.details
    run(task, lambda: iter([1]))
    assert task.state is State.DONE
    assert task.details == ""


def test_a_failed_job_lets_the_next_one_run(qapp, wait):
    def broken():
        raise ValueError("no")
        yield

    first, second = Task("First"), Task("Second")
    first.start(broken)
    second.start(lambda: iter([1]))
    wait(lambda: second.state is State.DONE)
    assert first.state is State.FAILED


def test_a_task_that_runs_cannot_be_started_again(qapp, wait):
    go = threading.Event()

    def slow():
        go.wait(5)
        yield 1

    task = Task("Once")
    task.start(slow)
    with pytest.raises(RuntimeError, match="Once is already running"):
        task.start(slow)
    go.set()
    wait(lambda: task.state is State.DONE)
