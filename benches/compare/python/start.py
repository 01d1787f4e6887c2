"""start: WARM_UP WINDOW METHOD MIB_IN_USE"""

import mmap
import multiprocessing
import sys
import time

import crew

FEWEST = 5


def nothing():
    pass


def use(mib):
    """Uses so much memory in small pages."""
    if mib == 0:
        return None
    memory = mmap.mmap(-1, mib << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(mmap.MADV_NOHUGEPAGE)
    page = b"\1"
    for offset in range(0, mib << 20, mmap.PAGESIZE):
        memory[offset : offset + 1] = page
    return memory


def main():
    memory = use(int(sys.argv[4]))
    context = multiprocessing.get_context(sys.argv[3])

    def start():
        child = context.Process(target=nothing)
        child.start()
        child.join()
        if child.exitcode != 0:
            sys.exit("a child failed")

    start()
    for seconds in crew.times():
        times, end = [], time.perf_counter() + seconds
        while (before := time.perf_counter()) < end or len(times) < FEWEST:
            start()
            times.append(time.perf_counter() - before)
    del memory
    crew.say(crew.middle(times) * 1e9)


if __name__ == "__main__":
    main()
