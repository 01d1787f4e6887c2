"""value: WARM_UP WINDOW update|dict-get|dict-set"""

import ctypes
import signal
import sys
import time
from multiprocessing.managers import SyncManager

import crew


def repeat(operate):
    for seconds in crew.times():
        n, start = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - start) < seconds:
            for key in range(100):
                operate(key)
            n += 100
    crew.say(elapsed / n * 1e9)


def update():
    value = crew.FORK.Value("Q", 0)

    def add(_):
        with value.get_lock():
            value.value += 1

    crew.pin(0)
    repeat(add)


def die_with_parent():
    # A manager whose parent is killed goes on for ever.
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def dictionary(what):
    manager = SyncManager(ctx=crew.FORK)
    manager.start(die_with_parent)
    with manager:
        shared = manager.dict({key: key for key in range(1000)})
        repeat(shared.get if what == "dict-get" else lambda key: shared.update({key: key + 1}))


if __name__ == "__main__":
    update() if sys.argv[3] == "update" else dictionary(sys.argv[3])
