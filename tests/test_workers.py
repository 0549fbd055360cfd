"""A sweep over worker processes gives the same bits as one process, also when one is killed."""

import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import joblib
import numpy as np
import psutil
import pytest
from distributed import Client, LocalCluster

from kmnist_mlp import Config, run
from kmnist_mlp.experiments.runs import train_all

CONFIGS = {f"rate {rate}": Config(learning_rate=rate, epochs=20) for rate in (1e-4, 3e-4, 1e-3)}
SEEDS = range(3)
pytestmark = pytest.mark.usefixtures("results_folder")


@pytest.fixture(scope="module")
def data(make_dataset):
    return make_dataset(classes=10, train=2000, test=200, side=28)


@pytest.fixture(scope="module")
def expected(data):
    return run(CONFIGS, SEEDS, n_jobs=1, data=data, cache=False)


def kill_at_the_first_result(folder, workers):
    """Kill one of ``workers()`` when a first result is in the folder; return the thread."""

    def wait_and_kill():
        while not list(folder.glob("*.npz")):
            time.sleep(0.01)
        # Both are training again. Killed while it takes a run from the queue, a worker may keep the
        # queue's lock: a known race of loky (its issue 279), which then waits for ever.
        time.sleep(0.05)
        os.kill(workers()[0], signal.SIGKILL)

    thread = threading.Thread(target=wait_and_kill, daemon=True)
    thread.start()
    return thread


def assert_complete_and_the_same(results, expected, folder):
    for column in ("experiment", "seed", "test_accuracy", "test_loss", "best_epoch"):
        assert list(results.frame[column]) == list(expected.frame[column])
    for key, result in expected.runs.items():
        assert np.array_equal(results.runs[key].model.parameters, result.model.parameters)
    assert len(list(folder.glob("*.npz"))) == len(results.frame) == 9
    assert not results.frame.cached.any()


def test_processes_that_share_a_cache_and_other_backends_give_the_same_bits(
    data, expected, monkeypatch
):
    jobs, spawn = [], multiprocessing.get_context("spawn")
    for threads, cache in (("1", True), ("2", True), ("4", False)):
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            monkeypatch.setenv(name, threads)
        pool = ProcessPoolExecutor(1, spawn)
        jobs.append(pool.submit(run, CONFIGS, SEEDS, 1, data, cache))
        pool.shutdown(wait=False)
    with joblib.parallel_config(backend="multiprocessing"):  # gives all results together
        together = run(CONFIGS, SEEDS, 2, data, False)
    for results in (*(job.result() for job in jobs), together, run(CONFIGS, SEEDS, 1, data)):
        for key, result in expected.runs.items():
            assert np.array_equal(results.runs[key].model.parameters, result.model.parameters)
            assert results.runs[key].test_loss == result.test_loss
    assert results.frame.cached.all()


def test_calls_in_several_threads_wait_for_each_other(data, expected):
    rates = list(CONFIGS)
    with ThreadPoolExecutor(3) as pool:
        jobs = [pool.submit(run, {r: CONFIGS[r]}, SEEDS, 2, data, False) for r in rates]
        for rate, job in zip(rates, jobs, strict=True):
            for one, other in zip(job.result(300).of(rate), expected.of(rate), strict=True):
                assert np.array_equal(one.model.parameters, other.model.parameters)


def test_a_killed_process_costs_no_result_and_is_reported(data, expected, results_folder):
    def workers():
        children = psutil.Process().children(recursive=True)
        return [p.pid for p in children if any("popen_loky" in word for word in p.cmdline())]

    killer = kill_at_the_first_result(results_folder, workers)
    with pytest.warns(UserWarning, match=r"\d of 9 "):
        results = run(CONFIGS, SEEDS, n_jobs=2, data=data)
    killer.join()
    assert_complete_and_the_same(results, expected, results_folder)


def cluster_of(workers):
    settings = {"host": "127.0.0.1", "dashboard_address": None, "silence_logs": 50}
    return LocalCluster(n_workers=workers, threads_per_worker=1, **settings)


def test_the_only_thread_of_a_cluster_is_used(data):
    with cluster_of(1) as cluster, Client(cluster) as client:
        with joblib.parallel_config(backend="dask"):
            trained = list(train_all(CONFIGS, data, -1, lambda *_: os.getpid()))
        assert {pid for _, pid, _ in trained} == {*client.run(os.getpid).values()}


def test_a_killed_worker_of_a_cluster_costs_no_result(data, expected, results_folder):
    with cluster_of(2) as cluster, Client(cluster) as client:
        pids = list(client.run(os.getpid).values())
        assert len({*pids, os.getpid()}) == 3  # two processes, and this one
        killer = kill_at_the_first_result(results_folder, lambda: pids)
        with joblib.parallel_config(backend="dask"):
            results = run(CONFIGS, SEEDS, data=data)
        killer.join()
        assert pids[0] not in client.run(os.getpid, on_error="ignore").values()
    assert_complete_and_the_same(results, expected, results_folder)
