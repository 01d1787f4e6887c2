//! Every promised path exists, and means what it says.

#![expect(unused_qualifications, reason = "the paths are what is tested")]

use multiproc::prelude::*;

fn double(x: u32) -> u32 {
    x * 2
}

/// What the readme shows, with the names that it uses.
#[test]
fn names_of_the_prelude_work_together() -> multiproc::Result<()> {
    let pool: Pool = Pool::builder().workers(1).on_worker_death(Retry::times(1)).build()?;
    let task: Task<u32> = pool.submit(double, 4)?;
    assert_eq!(task.join()?, 8);
    let error: TaskError = pool.call(|()| -> () { panic!("no") }, ()).unwrap_err();
    assert!(error.panic().is_some());

    let child: Process<u32> = Process::builder().start(Start::ForkServer).spawn(double, 5)?;
    assert_eq!(child.join()?, 10);
    let again: JoinError = child.join().unwrap_err();
    assert!(matches!(again, JoinError::Taken));
    let status: Option<ExitStatus> = child.exit_status()?;
    assert_eq!(status, Some(ExitStatus::Exited(0)));

    let queue: Queue<u32> = Queue::bounded(1)?;
    queue.put(1)?;
    let bytes: ByteQueue = ByteQueue::bounded(1)?;
    let loan: multiproc::Loan<'_> = bytes.loan(1)?;
    drop(loan);
    bytes.put(b"x").map_err(|error| error.to_string())?;
    let jobs: multiproc::JoinableQueue<u32> = multiproc::JoinableQueue::bounded(1)?;
    jobs.put(7)?;
    let job: multiproc::Lease<'_, u32> = jobs.get()?;
    assert_eq!(job.done(), Ok::<_, multiproc::LeaseError>(7));
    jobs.join().map_err(|error: multiproc::UnfinishedError| error.to_string())?;
    let segment: &Segment = queue.segment();
    assert!(!segment.is_empty());
    let lock: Lock = Lock::new()?;
    drop(lock.lock().map_err(|error| error.to_string())?);
    let (here, there): (Connection<u8, String>, Connection<String, u8>) = pipe()?;
    here.send(&1)?;
    assert_eq!(there.recv()?, 1);
    Ok(())
}

#[test]
fn names_of_the_prelude_stand_beside_those_of_std() -> multiproc::Result<()> {
    use std::sync::{Barrier, Mutex, mpsc::Sender};

    fn is_of_std(_: fn(Barrier, Mutex<u8>, Sender<u8>)) {}

    is_of_std(|_, _, _| {});
    let (event, permits, turn) = (Event::new()?, Semaphore::new(1)?, Condition::new()?);
    event.set();
    turn.notify_all();
    drop((permits.acquire()?, RLock::new()?.lock().map_err(|error| error.to_string())?));
    let (values, count) = (Array::<u8>::zeroed(2)?, Value::new(1_u32)?);
    assert_eq!((values.len(), count.get()?), (2, 1));
    let (map, list) = (ShmMap::<u8, u8>::with_capacity(1)?, ShmVec::<u8>::with_capacity(1)?);
    assert_eq!((map.get(1)?, list.len()), (None, 0));
    assert_eq!(SharedMemory::new(8)?.size(), 8);
    let (sender, receiver) = channel::<u8>(1)?;
    sender.put(1)?;
    assert_eq!(receiver.get()?, 1);
    let address = Address::abstract_name(format!("reexports {}", multiproc::current().pid()));
    let listener = Listener::builder().key(Key::new("k")).bind(&address)?;
    drop(listener);
    assert!(connect::<u8, u8>(&address, None).is_err());
    let jobs = JoinableQueue::<u8>::bounded(1)?;
    jobs.join()?;
    assert!(Program::new("true").call()?.code() == Some(0));
    let manager: Manager = Manager::start()?;
    manager.shutdown()?;
    Ok(())
}

#[test]
fn names_at_the_front_door_are_those_of_the_crates() {
    fn same<T>(_: fn() -> T, _: fn() -> T) {}
    fn never<T>() -> T {
        unreachable!("only its type is wanted")
    }

    same(never::<multiproc::Pool>, never::<multiproc::pool::Pool>);
    same(never::<multiproc::StatefulPool<u8>>, never::<multiproc::pool::StatefulPool<u8>>);
    same(never::<multiproc::Process<u8>>, never::<multiproc::process::Process<u8>>);
    same(never::<multiproc::Queue<u8>>, never::<multiproc::queue::Queue<u8>>);
    same(never::<multiproc::JoinableQueue<u8>>, never::<multiproc::queue::JoinableQueue<u8>>);
    same(
        never::<multiproc::Connection<u8, u8>>,
        never::<multiproc::connection::Connection<u8, u8>>,
    );
    same(never::<multiproc::Listener>, never::<multiproc::connection::Listener>);
    same(never::<multiproc::Address>, never::<multiproc::connection::Address>);
    same(never::<multiproc::Key>, never::<multiproc::connection::Key>);
    same(never::<multiproc::RecvError>, never::<multiproc::connection::RecvError>);
    same(never::<multiproc::Mutex<u8>>, never::<multiproc::sync::Mutex<u8>>);
    same(never::<multiproc::Value<u8>>, never::<multiproc::value::Value<u8>>);
    same(never::<multiproc::Array<u8>>, never::<multiproc::value::Array<u8>>);
    same(never::<multiproc::ShmMap<u8, u8>>, never::<multiproc::value::ShmMap<u8, u8>>);
    same(never::<multiproc::SharedMemory>, never::<multiproc::value::SharedMemory>);
    same(never::<multiproc::RawValue<u8>>, never::<multiproc::value::RawValue<u8>>);
    same(never::<multiproc::Segment>, never::<multiproc::memory::Segment>);
    same(never::<multiproc::wire::Handle>, never::<multiproc::memory::wire::Handle>);
    assert_eq!(multiproc::current().name(), "MainProcess");
    assert!(multiproc::parent().is_none());
}

/// What `#[object]` is for.
struct Tally(u64);

#[multiproc::manager::object]
impl Tally {
    pub(crate) fn new() -> Self {
        Self(0)
    }

    pub(crate) fn add(&mut self, more: u64) -> u64 {
        self.0 += more;
        self.0
    }
}

/// It writes paths that lead through this crate, which is the only one that a program names.
#[test]
fn a_type_becomes_an_object_by_the_front_door() -> multiproc::Result<()> {
    let manager = multiproc::Manager::builder().register::<Tally>().start()?;
    assert_eq!(TallyProxy::new_in(&manager)?.add(7)?, 7);
    Ok(())
}

#[test]
fn each_feature_has_its_line_in_the_tour_and_its_word_in_the_readme() {
    let manifest = include_str!("../Cargo.toml");
    let (_, features) = manifest.split_once("[features]\n").unwrap();
    let (features, _) = features.split_once("\n[").unwrap();
    let names = features.lines().filter_map(|line| Some(line.split_once(" = ")?.0));
    let names: Vec<&str> = names.filter(|name| !name.starts_with('#')).collect();
    assert!(names.contains(&"tokio") && !names.contains(&"default"), "{names:?}");
    let (tour, readme) = (include_str!("../src/lib.rs"), include_str!("../../../README.md"));
    for name in names {
        assert!(tour.contains(&format!("\n//! - `{name}`: ")), "{name}");
        assert!(readme.contains(&format!("`{name}` (")), "{name}");
    }
}
