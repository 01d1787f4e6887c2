"""pool: WARM_UP WINDOW SCENARIO WORKERS CHUNKED SINGLE LARGE [MICROS]

Three numbers are how many tasks there are at a time: in chunks, one by one, and with much in each. The
last is how long a task takes that takes a time.
"""

import sys
import time

import crew

CALLS = 64
LARGE_BYTES = 1 << 20
LINE = 64


def next_(number):
    return number + 1


def sum_(buffer):
    return sum(buffer[::LINE])


def echo(buffer):
    return buffer


def spin(seconds):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def first():
    """Nanoseconds to the first result of a pool of two, and its end, in the middle of many."""
    for seconds in crew.times():
        taken = []
        begin = time.perf_counter()
        while time.perf_counter() - begin < seconds or len(taken) < 5:
            start = time.perf_counter_ns()
            pool = crew.FORK.Pool(2)
            if pool.apply(next_, (1,)) != 2:
                sys.exit("the result is wrong")
            pool.terminate()
            pool.join()
            taken.append(time.perf_counter_ns() - start)
    return sorted(taken)[len(taken) // 2]


def main():
    scenario, n_workers, chunked, single, large = sys.argv[3], *map(int, sys.argv[4:8])
    seconds_each = int(sys.argv[8]) / 1e6 if scenario == "spin" else 0
    if scenario == "first":
        crew.say(first())
        return
    pool = crew.FORK.Pool(n_workers)

    def submit(numbers):
        tasks = [pool.apply_async(next_, (number,)) for number in numbers]
        return [task.get() for task in tasks]

    # Each buffer is one of its own: one object that occurs twice is sent once.
    def make_buffer(_):
        return bytearray(b"\1") * LARGE_BYTES

    kept = [make_buffer(number) for number in range(large)] if scenario == "1mib-kept" else []

    # How many tasks at a time, what makes an argument, what runs them, what comes back of each.
    n, make, run, result = {
        "map": (chunked, int, lambda these: pool.map(next_, these), next_),
        "map1": (single, int, lambda these: pool.map(next_, these, chunksize=1), next_),
        "submit": (single, int, submit, next_),
        "call": (CALLS, int, lambda these: [pool.apply(next_, (this,)) for this in these], next_),
        "1mib": (
            large,
            make_buffer,
            lambda these: pool.map(sum_, these, chunksize=1),
            lambda _: LARGE_BYTES // LINE,
        ),
        "1mib-kept": (
            large,
            lambda number: kept[number],
            lambda these: pool.map(sum_, these, chunksize=1),
            lambda _: LARGE_BYTES // LINE,
        ),
        "1mib-echo": (
            large,
            make_buffer,
            lambda these: pool.map(echo, these, chunksize=1),
            lambda argument: argument,
        ),
        "spin": (
            single,
            lambda _: seconds_each,
            lambda these: pool.map(spin, these, chunksize=1),
            lambda _: None,
        ),
    }[scenario]

    for seconds in crew.times():
        tasks = elapsed = 0
        while elapsed < seconds:
            arguments = [make(number) for number in range(n)]
            start = time.perf_counter()
            results = run(arguments)
            elapsed += time.perf_counter() - start
            tasks += n
            if results != [result(argument) for argument in arguments]:
                sys.exit("the results are wrong")
    pool.terminate()
    per_second = tasks / elapsed
    crew.say(per_second * seconds_each / n_workers if scenario == "spin" else per_second)


if __name__ == "__main__":
    main()
