from multiprocessing import Event, Lock, Manager, Process, Queue, Value


def worker(queue, lengths, lock, total, start):
    start.wait()
    while (word := queue.get()) is not None:
        with lock:
            lengths[len(word)] = lengths.get(len(word), 0) + 1
        with total.get_lock():
            total.value += len(word)


if __name__ == '__main__':
    queue, start = Queue(10), Event()
    lengths, lock, total = Manager().dict(), Lock(), Value('Q', 0)
    shared = (queue, lengths, lock, total, start)
    workers = [Process(target=worker, args=shared) for _ in range(3)]
    for process in workers:
        process.start()
    start.set()
    for word in 'processes that share no memory but what they say'.split(' '):
        queue.put(word)
    for _ in workers:
        queue.put(None)
    for process in workers:
        process.join()
    print(sorted(lengths.items()))
    print(total.value)
