//! `mproc ps`, while real processes are alive.

use ipc_core::Deadline;
use ipc_sync::Event;
use pool::Pool;
use proc_core::{Process, Program, Start, Stdio};
use serde_json::Value;

use crate::run::{json, mproc, own_pid};

/// The tree of this process.
fn tree() -> Value {
    let listing = json(&["ps", "--json", "--pid", &own_pid().to_string()]);
    assert_eq!(listing["schema"], 1);
    let roots = listing["processes"].as_array().unwrap();
    assert_eq!(roots.len(), 1, "{listing:#}");
    find(&roots[0], own_pid()).unwrap().clone()
}

/// A process in a tree.
fn find(node: &Value, pid: u32) -> Option<&Value> {
    if node["pid"] == pid {
        return Some(node);
    }
    node["children"].as_array().unwrap().iter().find_map(|child| find(child, pid))
}

fn wait_for_the_parent() {
    if let Some(parent) = proc_core::parent() {
        parent.wait(Deadline::NEVER).unwrap();
    }
}

#[test]
fn children_are_told_of_with_each_start_but_a_copy() {
    // A copy needs a program with a single thread.
    for way in [Start::Spawn, Start::ForkServer] {
        let builder = Process::builder().start(way).name("clerk");
        let ready = Event::new().unwrap();
        let child = builder.spawn(
            |ready: Event| {
                ready.set();
                wait_for_the_parent();
            },
            ready.clone(),
        );
        let child: Process<()> = child.unwrap();
        ready.wait();
        let tree = tree();
        assert_eq!((&tree["role"], &tree["orphan"]), (&"program".into(), &false.into()));
        let found = find(&tree, child.pid()).unwrap();
        assert_eq!((&found["name"], &found["role"]), (&"clerk".into(), &"child".into()));
        assert_eq!((&found["parent"], &found["task"]), (&own_pid().into(), &Value::Null));
        assert!(found["memory"].as_u64().unwrap() > 0);
        if way == Start::ForkServer {
            let children = tree["children"].as_array().unwrap();
            assert!(children.iter().any(|child| child["role"] == "fork-server"), "{tree:#}");
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(find(&tree_or_nothing(), child.pid()).is_none());
    }
}

/// The tree of this process, or one without anybody if it has none any more.
fn tree_or_nothing() -> Value {
    let listing = json(&["ps", "--json", "--pid", &own_pid().to_string()]);
    let root = listing["processes"].get(0).cloned();
    root.unwrap_or_else(|| serde_json::json!({"pid": 0, "children": []}))
}

#[test]
fn what_a_child_runs_is_told_of_below_it() {
    let ready = Event::new().unwrap();
    let child = Process::spawn(
        |ready: Event| {
            let sleep = Program::new("sleep").arg("1000").stdin(Stdio::null()).spawn().unwrap();
            ready.set();
            wait_for_the_parent();
            drop(sleep);
        },
        ready.clone(),
    );
    let child: Process<()> = child.unwrap();
    ready.wait();
    let tree = tree();
    let found = find(&tree, child.pid()).unwrap();
    let below = found["children"].as_array().unwrap();
    assert_eq!(below.len(), 1, "{tree:#}");
    assert_eq!((&below[0]["role"], &below[0]["name"]), (&"other".into(), &"sleep".into()));
    child.kill_tree().unwrap();
}

#[test]
fn workers_of_a_pool_tell_their_task() {
    fn wait((begun, go_on): (Event, Event)) -> u32 {
        begun.set();
        go_on.wait();
        proc_core::current().pid()
    }
    let pool = Pool::builder().workers(1).build().unwrap();
    let (begun, go_on) = (Event::new().unwrap(), Event::new().unwrap());
    let task = pool.submit(wait, (begun.clone(), go_on.clone())).unwrap();
    begun.wait();
    let tree = tree();
    let text = mproc(&["ps", "--pid", &own_pid().to_string()]).stdout;
    let objects = json(&["ls", "--json", "--pid", &own_pid().to_string()]);
    go_on.set();
    let worker = task.join().unwrap();
    let found = find(&tree, worker).unwrap();
    assert!(found["name"].as_str().unwrap().contains("worker"), "{found:#}");
    assert!(found["task"]["ticket"].as_u64().is_some(), "{found:#}");
    assert!(found["task"]["seconds"].as_f64().unwrap() >= 0.0);
    let line = text.lines().find(|line| line.trim_start().starts_with(&worker.to_string()));
    assert!(line.unwrap().contains("task "), "{text}");
    let objects = objects["objects"].as_array().unwrap();
    let seen = objects.iter().find(|object| {
        let holders = object["holders"].as_array().unwrap();
        object["what"] == "Pool" && holders.iter().any(|holder| holder["pid"] == worker)
    });
    assert_eq!(seen.unwrap()["depth"], 1);
}

#[test]
fn an_orphan_is_told_to_be_one() {
    // It leaves a child behind, and gives its number.
    let ready = Event::new().unwrap();
    let child = Process::spawn(
        |ready: Event| {
            let stay = |ready: Event| {
                ready.set();
                loop {
                    std::thread::park();
                }
            };
            let left: Process<()> = Process::builder().name("left").spawn(stay, ready).unwrap();
            left.detach()
        },
        ready.clone(),
    );
    let orphan: u32 = child.unwrap().join().unwrap();
    ready.wait();
    let listing = json(&["ps", "--json"]);
    let roots = listing["processes"].as_array().unwrap();
    let found = roots.iter().find_map(|root| find(root, orphan)).cloned();
    crate::run::kill(orphan);
    let found = found.unwrap();
    assert_eq!((&found["name"], &found["orphan"]), (&"left".into(), &true.into()));
}
