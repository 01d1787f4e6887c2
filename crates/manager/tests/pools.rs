//! Pools in a manager: what they do, and what is left of them when a worker, a client or the manager dies.
#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]
#![expect(clippy::mem_forget, reason = "victims die with what they hold")]

use std::process::ExitCode;
use std::time::Duration;

use common::{SOON, wait_until};
use ipc_core::{Deadline, ProcessId, wait_for_death};
use ipc_pipe::{Address, Key};
use manager::{Dict, Error, Event, List, Manager, Pool, Queue, Value};
use proc_core::{Process, Start};
use rustix::process::{Pid, Signal, kill_process};
use testkit::child::{self, Child};
use testkit::{Counter, Outcome, Report, SharedArena};

mod common;

fn main() -> ExitCode {
    testkit::main(&[
        ("results come in the items' order, or as they are done", results),
        ("what goes wrong with a task is told", wrongs),
        ("proxies go to tasks and come back, also with a key", proxies),
        ("workers begin with their initializer", initializer),
        ("a pool is closed, joined and terminated", ends),
        ("clients on other machines have named functions run", remote),
        ("workers and what is kept are limited", limits),
        ("a worker that is killed costs one task, or none", worker_is_killed),
        ("tasks of a client that is killed are cancelled", client_is_killed),
        ("a pool whose maker is killed is gone with its workers", maker_is_killed),
        ("a pool without proxies is gone with its workers", last_proxy),
        ("workers end with a manager that is killed", manager_is_killed),
        ("workers end with a manager that is shut down", manager_is_shut_down),
        ("every start method of managers, clients and workers", start_methods),
        ("a pool of a manager in this process", own_process),
        ("tasks belong to the process that submitted them", forked_child),
    ])
}

fn is(holds: bool, what: impl std::fmt::Debug) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("{what:?}")) }
}

fn done() -> Outcome {
    proc_core::stop_fork_server();
    Ok(Report::PASSED)
}

fn square(x: u64) -> u64 {
    x * x
}

/// Says who does it, and waits.
fn say_and_wait((pids, go): (Queue<u32>, Event)) -> bool {
    let me = proc_core::current();
    pids.put(&me.pid()).is_ok() && go.wait().is_ok()
}

fn kill(pid: u32) -> Result<(), &'static str> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or("a pid")?;
    kill_process(pid, Signal::KILL).map_err(|_| "it is there")
}

/// Forks a child that does something and then waits to be killed.
fn victim(body: impl FnOnce()) -> Child {
    child::fork(|| {
        body();
        loop {
            std::thread::park();
        }
    })
}

/// The workers, so that their ends can be waited for.
fn identities(pool: &Pool) -> Result<Vec<ProcessId>, Box<dyn std::error::Error>> {
    let pids = pool.workers()?;
    pids.into_iter().map(|pid| Ok(ProcessId::of(pid)?.ok_or("it lives")?)).collect()
}

fn have_ended(workers: Vec<ProcessId>) -> Result<(), Box<dyn std::error::Error>> {
    is(!workers.is_empty(), "there were workers")?;
    for worker in workers {
        wait_for_death(worker, Deadline::NEVER)?;
    }
    Ok(())
}

fn results() -> Outcome {
    let manager = common::builder().start()?;
    let pool = manager.pool(2)?;
    is(pool.call(square, &12)? == 144, "a call")?;
    let squares: Vec<u64> = (0..1000).map(square).collect();
    is(pool.map(square, 0..1000)? == squares, "a map")?;
    is(pool.map(square, [])?.is_empty(), "nothing")?;
    // Neither ends.
    let first: Result<Vec<u64>, Error> = pool.imap(square, 0..)?.take(600).collect();
    is(first? == squares[..600], "in order")?;
    let unordered: Result<Vec<u64>, Error> = pool.imap_unordered(square, 0..1000)?.collect();
    let mut unordered = unordered?;
    unordered.sort_unstable();
    is(unordered == squares, "as they are done")?;
    // The first waits, so the second is first.
    let (pids, go): (Queue<u32>, Event) = (manager.queue(0)?, manager.event()?);
    let turns: [(bool, Event); 2] = [(true, go.clone()), (false, go.clone())];
    let turn = |(waits, go): (bool, Event)| {
        assert!(!waits || go.wait().is_ok(), "the manager is there");
        waits
    };
    let mut order = pool.imap_unordered(turn, turns)?;
    is(matches!(order.next(), Some(Ok(false))), "the one that was done first")?;
    go.set()?;
    is(matches!(order.next(), Some(Ok(true))) && order.next().is_none(), "and the other")?;
    go.clear()?;
    // A task that is let go of is done all the same.
    drop(pool.submit(say_and_wait, &(pids.clone(), go.clone()))?);
    is(pool.workers()?.contains(&pids.get()?), "it is done")?;
    go.set()?;
    // What is large travels, too.
    let large = vec![7_u8; 3 << 20];
    is(pool.call(|bytes: Vec<u8>| bytes, &large)? == large, "large")?;
    // All clients use the same workers.
    let work = |pool: Pool| pool.map(square, 0..100).unwrap().iter().sum::<u64>();
    is(Process::spawn(work, pool.clone())?.join()? == squares[..100].iter().sum(), "a child")?;
    done()
}

fn wrongs() -> Outcome {
    let manager = common::builder().start()?;
    let pool = manager.pool_builder().workers(1).timeout(Duration::from_millis(100)).build()?;
    let (pids, go) = (manager.queue(0)?, manager.event()?);
    let too_long = pool.call(say_and_wait, &(pids.clone(), go.clone()));
    is(matches!(too_long, Err(Error::TookTooLong { .. })), too_long)?;
    pids.get()?;

    let pool = manager.pool(1)?;
    let fails = |x: u64| {
        assert!(x % 3 != 2, "not {x}");
        x
    };
    let panicked = pool.call(fails, &2);
    is(matches!(&panicked, Err(Error::Panicked(panic)) if panic.message() == "not 2"), panicked)?;
    let first = pool.map(fails, 0..10);
    is(matches!(&first, Err(Error::Panicked(panic)) if panic.message() == "not 2"), first)?;
    let each: Vec<bool> = pool.imap(fails, 0..6)?.map(|result| result.is_ok()).collect();
    is(each == [true, true, false, true, true, false], each)?;
    // A result that cannot be sent.
    let unsendable = |()| ipc_core::wire::Handle::from(std::fs::File::open("/dev/null").unwrap());
    is(matches!(pool.call(unsendable, &()), Err(Error::Refused(_))), "a handle")?;

    let waits = pool.submit(say_and_wait, &(pids.clone(), go.clone()))?;
    let behind = pool.submit(square, &3)?;
    pids.get()?;
    is(matches!(waits.try_join(), Err(Error::WouldBlock)), "not yet")?;
    is(matches!(behind.join_timeout(SOON), Err(Error::TimedOut)), "not in time")?;
    is(!behind.is_ready()? && behind.cancel()?, "it waits")?;
    is(matches!(behind.join(), Err(Error::Cancelled)), "cancelled while it waited")?;
    is(waits.cancel()?, "it runs")?;
    is(matches!(waits.join(), Err(Error::Cancelled)), "cancelled while it ran")?;
    is(!waits.cancel()? && waits.is_ready()?, "it is done")?;
    is(matches!(waits.join(), Err(Error::Taken)), "taken")?;
    is(pool.call(square, &4)? == 16, "the pool goes on")?;
    // The last of two who wait for one result is told.
    let task = pool.submit(say_and_wait, &(pids.clone(), go.clone()))?;
    pids.get()?;
    std::thread::scope(|scope| {
        let one = scope.spawn(|| task.join());
        let other = scope.spawn(|| task.join());
        wait_until(&manager, "both wait", |stats| stats.waiting == 3);
        go.set().unwrap();
        let (one, other) = (one.join().unwrap(), other.join().unwrap());
        let is_one = |result: &Result<bool, Error>| matches!(result, Ok(true));
        let is_taken = |result: &Result<bool, Error>| matches!(result, Err(Error::Taken));
        is(is_one(&one) && is_taken(&other) || is_taken(&one) && is_one(&other), (one, other))
    })?;
    done()
}

fn add_to((list, more): (List<u64>, u64)) -> Value<u64> {
    list.push(&more).unwrap();
    let manager = Manager::current().unwrap().unwrap();
    manager.value(&list.to_vec().unwrap().iter().sum()).unwrap()
}

fn proxies() -> Outcome {
    for key in [None, Some("a key")] {
        let mut builder = common::builder();
        if let Some(key) = key {
            builder = builder.key(key);
        }
        let manager = builder.start()?;
        let (pool, list): (Pool, List<u64>) = (manager.pool(2)?, manager.list()?);
        let sum = pool.call(add_to, &(list.clone(), 5))?;
        is(sum.get()? == 5, "a value of the task's")?;
        let sums: Result<Vec<u64>, Error> =
            pool.map(add_to, (0..20).map(|n| (list.clone(), n)))?.iter().map(Value::get).collect();
        is(sums?.len() == 20 && list.len()? == 21, "all of them")?;
        drop(sum);
        wait_until(&manager, "nothing else is left", |stats| stats.objects == 2);
        // A pool is a value, too.
        let pools: Dict<u8, Pool> = manager.dict()?;
        pools.set(&1, &pool)?;
        drop(pool);
        is(pools.get(&1)?.ok_or("it is there")?.call(square, &5)? == 25, "from a dict")?;
        manager.publish("pool", &pools.get(&1)?.ok_or("it is there")?)?;
        is(manager.look_up::<Pool>("pool")?.call(square, &6)? == 36, "by its name")?;
    }
    done()
}

fn initializer() -> Outcome {
    let manager = common::builder().start()?;
    let begun: List<u32> = manager.list()?;
    let begin = |begun: List<u32>| begun.push(&proc_core::current().pid()).unwrap();
    let pool = manager.pool_builder().workers(2).initializer(begin, &begun).build()?;
    is(pool.map(square, 0..10)?.len() == 10, "it works")?;
    let workers = pool.workers()?;
    is(begun.to_vec()?.iter().all(|pid| workers.contains(pid)), "by its workers")?;
    is(begun.len()? > 0, "by one at least")?;
    // Each worker does one task, so there are as many.
    let one_each = manager.pool_builder().workers(1).max_tasks_per_worker(1).build()?;
    let me = |()| proc_core::current().pid();
    let pids = [one_each.call(me, &())?, one_each.call(me, &())?, one_each.call(me, &())?];
    is(pids[0] != pids[1] && pids[1] != pids[2], "another each time")?;
    let never = |()| assert!(begun_is_never(), "no luck");
    let hopeless = manager.pool_builder().workers(1).initializer(never, &()).build()?;
    let told = hopeless.call(square, &1);
    is(matches!(&told, Err(Error::Refused(why)) if why.contains("no luck")), told)?;
    done()
}

fn begun_is_never() -> bool {
    std::hint::black_box(false)
}

fn ends() -> Outcome {
    let manager = common::builder().start()?;
    let (pids, go) = (manager.queue(0)?, manager.event()?);
    let pool = manager.pool(1)?;
    let workers = identities(&pool)?;
    let task = pool.submit(say_and_wait, &(pids.clone(), go.clone()))?;
    pids.get()?;
    pool.close()?;
    is(matches!(pool.call(square, &1), Err(Error::Closed)), "closed")?;
    is(matches!(pool.join_timeout(SOON), Err(Error::TimedOut)), "it has a task left")?;
    let joining = pool.clone();
    let joining = std::thread::spawn(move || joining.join());
    wait_until(&manager, "it is waited for, as is the task", |stats| stats.waiting == 2);
    go.set()?;
    joining.join().unwrap()?;
    have_ended(workers)?;
    is(task.join()?, "what was done is there")?;
    pool.join()?;

    go.clear()?;
    let pool = manager.pool(1)?;
    let workers = identities(&pool)?;
    let task = pool.submit(say_and_wait, &(pids.clone(), go.clone()))?;
    let behind = pool.submit(square, &1)?;
    pids.get()?;
    pool.terminate()?;
    have_ended(workers)?;
    is(matches!(task.join(), Err(Error::Terminated)), "it ran")?;
    is(matches!(behind.join(), Err(Error::Terminated)), "it waited")?;
    is(matches!(pool.submit(square, &1), Err(Error::Closed)), "over")?;
    done()
}

fn remote() -> Outcome {
    let address = Address::tcp("127.0.0.1:0")?;
    let builder = common::builder().address(&address).key("a key");
    let builder = builder.task("square", square).task("add", add_to);
    let manager = builder.start()?;
    let pool = manager.pool(2)?;
    manager.publish("pool", &pool)?;
    // Even this process is on another machine, as far as the manager can know.
    is(matches!(pool.call(square, &2), Err(Error::Refused(_))), "functions")?;
    let begins = manager.pool_builder().workers(1).initializer(|()| (), &());
    is(matches!(begins.build(), Err(Error::Refused(_))), "initializers")?;
    let other = |place: std::net::SocketAddr| {
        let manager = Manager::connect(&Address::Tcp(place), Some(&Key::new("a key"))).unwrap();
        let pool: Pool = manager.look_up("pool").unwrap();
        let list: List<u64> = manager.list().unwrap();
        let sum =
            pool.named::<(List<u64>, u64), Value<u64>>("add").call(&(list.clone(), 3)).unwrap();
        assert_eq!((sum.get().unwrap(), list.len().unwrap()), (3, 1));
        pool.named::<u64, u64>("square").map(0..300).unwrap().iter().sum::<u64>()
    };
    let Address::Tcp(place) = *manager.address() else { return Err("at a port".into()) };
    is(Process::spawn(other, place)?.join()? == (0..300).map(square).sum(), "another program")?;
    let unknown = pool.named::<u64, u64>("cube").call(&1);
    is(matches!(&unknown, Err(Error::NoSuchMethod(name)) if name.contains("cube")), unknown)?;
    let wrong = pool.named::<(), u64>("square").call(&());
    is(matches!(wrong, Err(Error::Refused(_))), wrong)?;
    done()
}

fn limits() -> Outcome {
    let manager = common::builder().max_pool_workers(3).max_kept_bytes(100_000).start()?;
    let pool = manager.pool(2)?;
    is(matches!(manager.pool(2), Err(Error::Refused(_))), "two of one")?;
    is(matches!(manager.pool(0), Err(Error::Refused(_))), "none")?;
    let fork = manager.pool_builder().workers(1).start_method(Start::Fork).build();
    is(matches!(fork, Err(Error::Refused(_))), fork.map(drop))?;
    drop(manager.pool(1)?);
    wait_until(&manager, "it is gone", |stats| stats.objects == 1);
    // Its seat is free when its workers have ended.
    for _ in 0..2_000 {
        match manager.pool(1) {
            Ok(one) => {
                is(one.call(square, &3)? == 9, "another")?;
                break;
            }
            Err(Error::Refused(_)) => testkit::clock::pause(Duration::from_millis(5)),
            Err(error) => return Err(error.into()),
        }
    }
    let go = manager.event()?;
    let waits = |(go, _): (Event, Vec<u8>)| go.wait().is_ok();
    let mut tasks = Vec::new();
    let full = loop {
        match pool.submit(waits, &(go.clone(), vec![1; 20_000])) {
            Ok(task) => tasks.push(task),
            Err(error) => break error,
        }
    };
    is(matches!(full, Error::Full { .. }) && tasks.len() == 4, (full, tasks.len()))?;
    go.set()?;
    for task in tasks {
        is(task.join()?, "done")?;
    }
    wait_until(&manager, "no argument is kept", |stats| stats.kept_bytes < 20_000);
    done()
}

fn worker_is_killed() -> Outcome {
    let manager = common::builder().start()?;
    let (pids, go) = (manager.queue(0)?, manager.event()?);
    let pool = manager.pool(2)?;
    let task = pool.submit(say_and_wait, &(pids.clone(), go.clone()))?;
    let victim = pids.get()?;
    let other = pool.submit(say_and_wait, &(pids.clone(), go.clone()))?;
    pids.get()?;
    kill(victim)?;
    let died = task.join();
    is(matches!(died, Err(Error::WorkerDied { pid, .. }) if pid == victim), died)?;
    go.set()?;
    is(other.join()?, "the other's task is done")?;
    is(pool.map(square, 0..100)?.len() == 100, "the pool goes on")?;

    go.clear()?;
    let again = manager.pool_builder().workers(1).retries(1).build()?;
    let task = again.submit(say_and_wait, &(pids.clone(), go.clone()))?;
    kill(pids.get()?)?;
    let second = pids.get()?;
    is(again.workers()? == [second], "another is at it")?;
    go.set()?;
    is(task.join()?, "done by another")?;
    // One that kills its worker each time.
    let abort = |()| std::process::abort();
    let died = again.call::<(), ()>(abort, &());
    is(matches!(died, Err(Error::WorkerDied { .. })), died)?;
    done()
}

fn client_is_killed() -> Outcome {
    let manager = common::builder().start()?;
    let (pids, go, marks): (Queue<u32>, _, List<u64>) =
        (manager.queue(0)?, manager.event()?, manager.list()?);
    let pool = manager.pool(1)?;
    let kept = manager.stats()?.kept_bytes;
    let victim = victim(|| {
        let task = pool.submit(say_and_wait, &(pids.clone(), go.clone())).unwrap();
        let mark = |marks: List<u64>| marks.push(&1).unwrap();
        let behind = pool.submit(mark, &marks).unwrap();
        std::mem::forget((task, behind));
    });
    let worker = ProcessId::of(pids.get()?)?.ok_or("it works")?;
    // The only worker is at what the victim wants; behind that is more of the victim's, and this.
    let ours = pool.submit(square, &5)?;
    drop(victim);
    is(ours.join()? == 25, "it is done")?;
    wait_for_death(worker, Deadline::NEVER)?;
    is(marks.is_empty()?, "what waited was not begun")?;
    wait_until(&manager, "nothing is left", |stats| {
        // The new worker is a client only if it has come upon a proxy.
        (stats.objects, stats.waiting, stats.kept_bytes) == (4, 0, kept)
    });
    done()
}

fn maker_is_killed() -> Outcome {
    let manager = common::builder().start()?;
    let pids: Queue<u32> = manager.queue(0)?;
    let victim = victim(|| {
        let pool = manager.pool(2).unwrap();
        pool.workers().unwrap().iter().for_each(|pid| pids.put(pid).unwrap());
        std::mem::forget(pool);
    });
    let of = |pid| ProcessId::of(pid).ok().flatten().ok_or("it lives");
    let workers = vec![of(pids.get()?)?, of(pids.get()?)?];
    drop(victim);
    have_ended(workers)?;
    wait_until(&manager, "it is gone", |stats| (stats.clients, stats.objects) == (1, 1));
    done()
}

fn last_proxy() -> Outcome {
    let manager = common::builder().start()?;
    let pool = manager.pool(2)?;
    let workers = identities(&pool)?;
    let other = pool.clone();
    drop(pool);
    is(other.call(square, &7)? == 49, "there is a proxy")?;
    let (pids, go): (Queue<u32>, Event) = (manager.queue(0)?, manager.event()?);
    let task = other.submit(say_and_wait, &(pids.clone(), go))?;
    pids.get()?;
    // A task is a proxy, too.
    drop(other);
    is(!task.is_ready()?, "it is there")?;
    drop(task);
    have_ended(workers)?;
    wait_until(&manager, "it is gone", |stats| (stats.clients, stats.objects) == (1, 1));
    done()
}

fn manager_is_killed() -> Outcome {
    let manager = common::builder().start()?;
    let (pids, go): (Queue<u32>, Event) = (manager.queue(0)?, manager.event()?);
    let pool = manager.pool(2)?;
    let workers = identities(&pool)?;
    let task = pool.submit(say_and_wait, &(pids.clone(), go))?;
    pids.get()?;
    let waiting = std::thread::spawn(move || task.join());
    wait_until(&manager, "it is waited for", |stats| stats.waiting == 2);
    kill(manager.pid().ok_or("it is ours")?)?;
    is(matches!(waiting.join().unwrap(), Err(Error::Lost)), "who waits is told")?;
    is(pool.submit(square, &1).is_err_and(|error| error.is_disconnected()), "who calls, too")?;
    have_ended(workers)?;
    manager.shutdown()?;
    done()
}

fn manager_is_shut_down() -> Outcome {
    let manager = common::builder().start()?;
    let (pids, go): (Queue<u32>, Event) = (manager.queue(0)?, manager.event()?);
    let pool = manager.pool(2)?;
    let workers = identities(&pool)?;
    let _task = pool.submit(say_and_wait, &(pids.clone(), go))?;
    pids.get()?;
    manager.shutdown()?;
    have_ended(workers)?;
    done()
}

fn use_it(pool: Pool) -> u64 {
    pool.map(square, 0..50).unwrap().iter().sum()
}

fn start_methods() -> Outcome {
    for of_manager in [Start::Fork, Start::Spawn, Start::ForkServer] {
        let manager = common::builder().start_method(of_manager).start()?;
        for of_workers in [Start::Spawn, Start::ForkServer] {
            let pool = manager.pool_builder().workers(1).start_method(of_workers).build()?;
            for of_client in [Start::Fork, Start::Spawn, Start::ForkServer] {
                let child = Process::builder().start(of_client).spawn(use_it, pool.clone())?;
                let sum = child.join()?;
                is(sum == (0..50).map(square).sum(), (of_manager, of_workers, of_client))?;
            }
        }
        manager.shutdown()?;
    }
    done()
}

fn own_process() -> Outcome {
    let server = common::builder().serve()?;
    let manager = server.manager()?;
    let pool = manager.pool(2)?;
    let workers = identities(&pool)?;
    is(pool.map(square, 0..20)?.len() == 20, "it works")?;
    server.shutdown()?;
    have_ended(workers)?;
    done()
}

fn forked_child() -> Outcome {
    let manager = common::builder().start()?;
    let shared = SharedArena::<Counter>::new(1);
    let pool = manager.pool(1)?;
    let mut task = Some(pool.submit(square, &9)?);
    let mut child = child::fork(|| {
        let theirs = matches!(task.as_ref().unwrap().join(), Err(Error::NotHeld));
        drop(task.take());
        shared[0].set(pool.call(square, &8).unwrap());
        i32::from(!theirs)
    });
    is(child.wait().is_success(), "in the child")?;
    is(shared[0].get() == 64, "its own")?;
    is(task.ok_or("it is ours")?.join()? == 81, "ours")?;
    done()
}
