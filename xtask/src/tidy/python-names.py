"""Prints every public name of Python's multiprocessing and concurrent.futures, for python-names.txt.

Names that later versions have than the one at hand are added by hand below.
"""

import concurrent.futures
import importlib
import inspect
import multiprocessing
import multiprocessing.managers
import multiprocessing.pool

MODULES = ['connection', 'managers', 'pool', 'queues', 'shared_memory', 'sharedctypes', 'synchronize',
           'process', 'reduction', 'util']
LATER = [
    'concurrent.futures.InterpreterPoolExecutor',
    'concurrent.futures.ProcessPoolExecutor.kill_workers',
    'concurrent.futures.ProcessPoolExecutor.terminate_workers',
    'multiprocessing.Lock.locked',
    'multiprocessing.managers.SyncManager.set',
    'multiprocessing.Process.interrupt',
    'multiprocessing.RLock.locked',
]
names = set(LATER)


def add(name, thing):
    names.add(name)
    if inspect.isclass(thing) and issubclass(thing, BaseException):
        return
    # What the pickler has of its own, without what it is made of.
    all_names = vars(thing) if name.endswith('ForkingPickler') else dir(thing)
    names.update(f'{name}.{each}' for each in all_names if not each.startswith('_'))


def add_module(name, public):
    module = importlib.import_module(name)
    for each in public:
        thing = getattr(module, each)
        if inspect.isclass(thing):
            add(f'{name}.{each}', thing)
        elif not each.startswith('_'):
            names.add(f'{name}.{each}')


if __name__ == '__main__':
    add_module('multiprocessing', multiprocessing.__all__)
    names.update({'multiprocessing.SUBDEBUG', 'multiprocessing.SUBWARNING'})
    for module in MODULES:
        # What the front door names too is listed there.
        all_names = importlib.import_module(f'multiprocessing.{module}').__all__
        add_module(f'multiprocessing.{module}', [n for n in all_names if n not in multiprocessing.__all__])
    for name in ['Lock', 'RLock', 'Semaphore', 'BoundedSemaphore', 'Condition', 'Event', 'Barrier', 'Queue',
                 'JoinableQueue', 'SimpleQueue']:
        arguments = (2,) if name == 'Barrier' else ()
        add(f'multiprocessing.{name}', getattr(multiprocessing, name)(*arguments))
    add('multiprocessing.Value', multiprocessing.Value('i', 0))
    add('multiprocessing.Array', multiprocessing.Array('c', b'x'))
    add('multiprocessing.Pool', multiprocessing.pool.Pool)
    # These come into being when a manager is started.
    names.update({'multiprocessing.managers.BaseManager.shutdown', 'multiprocessing.managers.SyncManager.shutdown'})
    for name in ['DictProxy', 'ListProxy']:
        add(f'multiprocessing.managers.{name}', getattr(multiprocessing.managers, name))
    names.add('multiprocessing.managers.RemoteError')
    add('multiprocessing.connection.Connection', multiprocessing.connection.Connection)
    add('multiprocessing.pool.AsyncResult', multiprocessing.pool.ApplyResult)
    add('multiprocessing.pool.IMapIterator', multiprocessing.pool.IMapIterator)
    add_module('concurrent.futures', concurrent.futures.__all__)
    names.update({'concurrent.futures.InvalidStateError', 'concurrent.futures.process.BrokenProcessPool',
                  'concurrent.futures.thread.BrokenThreadPool'})
    print('\n'.join(sorted(names)))
