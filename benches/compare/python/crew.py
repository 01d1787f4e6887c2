"""Workers that begin together and are counted by somebody else, as in src/crew.rs."""

import multiprocessing
import os
import signal
import sys
import time

# The processes are forked where the scenario does not choose, as the Rust peers' are.
FORK = multiprocessing.get_context("fork")


def times():
    """The warm-up and the window, in seconds: the first two arguments."""
    return float(sys.argv[1]), float(sys.argv[2])


def pin(core):
    usable = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, [usable[core % len(usable)]])


class Crew:
    """Works in processes of their own: `work(counts, lane, stop)` adds to `counts[lane]`."""

    def __init__(self, works):
        # A counter has a cache line, and the one that is fetched with it, to itself.
        self.counts = FORK.RawArray("Q", 16 * len(works))
        self.lanes = [16 * n for n in range(len(works))]
        self.stop = FORK.RawValue("b", 0)
        barrier = FORK.Barrier(len(works) + 1)
        self.workers = [
            FORK.Process(target=self.run, args=(barrier, core, work, lane))
            for (core, work), lane in zip(works, self.lanes)
        ]
        for worker in self.workers:
            worker.start()
        barrier.wait()

    def run(self, barrier, core, work, lane):
        pin(core)
        barrier.wait()
        work(self.counts, lane, self.stop)

    def total(self):
        return sum(self.counts[lane] for lane in self.lanes)

    def per_second(self):
        """How many a second, of all workers together, in a window after a warm-up."""
        warm_up, window = times()
        time.sleep(warm_up)
        start, before = time.perf_counter(), self.total()
        time.sleep(window)
        elapsed, after = time.perf_counter() - start, self.total()
        if not all(worker.is_alive() for worker in self.workers):
            sys.exit("a worker ended too early")
        return (after - before) / elapsed

    def finish(self):
        """Lets the workers end by themselves; returns how many all of them have done."""
        self.stop.value = 1
        for worker in self.workers:
            worker.join()
            if worker.exitcode != 0:
                sys.exit("a worker failed")
        return self.total()

    def kill(self):
        for worker in self.workers:
            os.kill(worker.pid, signal.SIGKILL)
            worker.join()


def say(figure):
    """Prints the figure and ends, without waiting for anybody's threads."""
    print(figure, flush=True)
    os._exit(0)


def middle(times):
    return sorted(times)[len(times) // 2]
