"""queue/P:C/SIZE: WARM_UP WINDOW Queue|SimpleQueue PRODUCERS CONSUMERS SIZE"""

import sys

import crew

CAPACITY = 1024


def main():
    kind, n_tx, n_rx, size = sys.argv[3], *map(int, sys.argv[4:7])
    # A SimpleQueue is a pipe: its room cannot be chosen.
    queue = crew.FORK.Queue(CAPACITY) if kind == "Queue" else crew.FORK.SimpleQueue()
    is_exact = n_tx == n_rx == 1

    def producer(number):
        padding = bytes(size - 8)

        def work(counts, lane, _stop):
            stamp = number << 56
            while True:
                queue.put(stamp.to_bytes(8, "little") + padding)
                stamp += 1

        return work

    def consume(counts, lane, _stop):
        nexts = [number << 56 for number in range(n_tx)]
        while True:
            stamp = int.from_bytes(queue.get()[:8], "little")
            number = stamp >> 56
            if stamp != nexts[number] if is_exact else stamp < nexts[number]:
                sys.exit(f"{stamp:#x} came when {nexts[number]:#x} was next")
            nexts[number] = stamp + 1
            counts[lane] += 1

    works = [producer(number) for number in range(n_tx)] + [consume] * n_rx
    workers = crew.Crew(list(enumerate(works)))
    figure = workers.per_second()
    workers.kill()
    crew.say(figure)


if __name__ == "__main__":
    main()
