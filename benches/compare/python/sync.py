"""sync/lock: WARM_UP WINDOW free|WORKERS"""

import sys
import time

import crew


def free(lock):
    crew.pin(0)
    for seconds in crew.times():
        n, start = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - start) < seconds:
            for _ in range(1000):
                with lock:
                    pass
            n += 1000
    crew.say(elapsed / n * 1e9)


def contended(lock, n_workers):
    counter = crew.FORK.RawValue("Q", 0)

    def work(counts, lane, stop):
        while not stop.value:
            with lock:
                counter.value += 1
            counts[lane] += 1

    workers = crew.Crew([(core, work) for core in range(n_workers)])
    figure = workers.per_second()
    if workers.finish() != counter.value:
        sys.exit("additions were lost")
    crew.say(figure)


if __name__ == "__main__":
    if sys.argv[3] == "free":
        free(crew.FORK.Lock())
    else:
        contended(crew.FORK.Lock(), int(sys.argv[3]))
