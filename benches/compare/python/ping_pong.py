"""queue/ping-pong/SIZE: WARM_UP WINDOW SIZE CORE_OF_THE_ECHO"""

import sys
import time

import crew


def main():
    size, core = map(int, sys.argv[3:5])
    there, back = crew.FORK.SimpleQueue(), crew.FORK.SimpleQueue()

    def echo(counts, lane, _stop):
        while True:
            back.put(there.get())

    echoes = crew.Crew([(core, echo)])
    crew.pin(0)
    message = bytes(size)
    for seconds in crew.times():
        times, end = [], time.perf_counter() + seconds
        while (before := time.perf_counter()) < end:
            there.put(message)
            if back.get() != message:
                sys.exit("what came back is not what was sent")
            times.append(time.perf_counter() - before)
    echoes.kill()
    crew.say(crew.middle(times) * 1e9)


if __name__ == "__main__":
    main()
