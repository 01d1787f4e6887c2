//! Trees of processes.
//!
//! A tree begins with a program that has started processes by us, or with one of these whose parent is
//! gone. In it is who has a badge, and what these have started in turn, by us or not.

use std::collections::{BTreeMap, BTreeSet};
use std::iter;

use proc_core::inspect;
use serde::Serialize;

use super::find::Found;
use crate::system::Facts;

/// A process, with those that it has started.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Node {
    pub(crate) pid: u32,
    /// Who is its parent now.
    pub(crate) parent: u32,
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) state: String,
    pub(crate) threads: u64,
    /// How many bytes of memory it has.
    pub(crate) memory: u64,
    /// What it is at, if it is a pool's worker.
    pub(crate) task: Option<Task>,
    /// Whether the one that had it started is gone.
    pub(crate) orphan: bool,
    pub(crate) children: Vec<Node>,
}

/// What a process is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Role {
    /// It has started others by us.
    Program,
    /// It was started by us, to call a function.
    Child,
    /// It makes copies of itself.
    ForkServer,
    /// It was started by one of these, in another way.
    Other,
}

/// A task of a pool.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Task {
    /// The number of its handing-out.
    pub(crate) ticket: u64,
    /// For how long.
    pub(crate) seconds: f64,
}

/// Puts the processes into trees; those that have nothing to do with us are left out.
pub(super) fn plant(found: Vec<Found>) -> Vec<Node> {
    let mut forest = Forest::default();
    for it in &found {
        let (pid, parent) = (it.facts.pid, it.facts.parent);
        forest.parents.insert(pid, parent);
        if let Some(badge) = &it.badge {
            forest.badged.insert(pid);
            if badge.parent == parent {
                forest.programs.insert(parent);
            }
        }
    }
    forest.programs.retain(|pid| !forest.badged.contains(pid));
    for it in found {
        forest.children.entry(it.facts.parent).or_default().push(it.facts.pid);
        let role = forest.role(&it);
        forest.nodes.insert(it.facts.pid, node(it, role));
    }
    let ours: BTreeSet<u32> = forest.badged.union(&forest.programs).copied().collect();
    let roots = ours.into_iter().filter(|pid| !forest.is_inside(*pid));
    let roots: Vec<u32> = roots.collect();
    roots.into_iter().filter_map(|pid| forest.grow(pid, false)).collect()
}

#[derive(Debug, Default)]
struct Forest {
    /// What is not in a tree yet.
    nodes: BTreeMap<u32, Node>,
    parents: BTreeMap<u32, u32>,
    children: BTreeMap<u32, Vec<u32>>,
    badged: BTreeSet<u32>,
    /// Who has started one with a badge, and has none.
    programs: BTreeSet<u32>,
}

impl Forest {
    fn role(&self, found: &Found) -> Role {
        match found.badge.as_ref().map(|badge| badge.role) {
            Some(inspect::Role::Child) => Role::Child,
            Some(inspect::Role::ForkServer) => Role::ForkServer,
            None if self.programs.contains(&found.facts.pid) => Role::Program,
            None => Role::Other,
        }
    }

    /// Whether anybody above it is in a tree.
    fn is_inside(&self, pid: u32) -> bool {
        let above = |pid: &u32| self.parents.get(pid).copied();
        // Parents that were read at different moments may lead in a circle.
        let mut ancestors = iter::successors(above(&pid), above).take(self.parents.len());
        ancestors.any(|it| self.badged.contains(&it) || self.programs.contains(&it))
    }

    /// Takes a process out, with all below it that belong into its tree: those with a badge, and
    /// everybody below one of those.
    fn grow(&mut self, pid: u32, is_below: bool) -> Option<Node> {
        let mut node = self.nodes.remove(&pid)?;
        let is_below = is_below || self.badged.contains(&pid);
        for child in self.children.remove(&pid).unwrap_or_default() {
            let belongs = is_below || self.badged.contains(&child);
            if let Some(child) = belongs.then(|| self.grow(child, is_below)).flatten() {
                node.children.push(child);
            }
        }
        Some(node)
    }
}

fn node(found: Found, role: Role) -> Node {
    let Found { facts, badge, task } = found;
    let Facts { pid, parent, name, state, threads, memory } = facts;
    let orphan = badge.as_ref().is_some_and(|badge| badge.parent != parent);
    let name = badge.map_or(name, |badge| badge.name);
    Node { pid, parent, name, role, state, threads, memory, task, orphan, children: Vec::new() }
}

impl Node {
    /// Calls `see` with each process of the tree, and how deep it lies.
    pub(crate) fn walk<'n>(&'n self, depth: usize, see: &mut impl FnMut(&'n Self, usize)) {
        see(self, depth);
        for child in &self.children {
            child.walk(depth + 1, see);
        }
    }

    /// Whether a process is in the tree.
    pub(super) fn has(&self, pid: u32) -> bool {
        let mut found = false;
        self.walk(0, &mut |node, _| found |= node.pid == pid);
        found
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proc_core::inspect::Badge;

    use super::{Found, Node, plant};
    use crate::system::Facts;

    /// A process; its badge says who had it started, if it has one.
    fn process(pid: u32, parent: u32, badge: Option<u32>) -> Found {
        let badge = badge.map(|starter| {
            let label =
                format!("/memfd:multiproc-process 1 {pid} 9 {starter} child c{pid} (deleted)");
            Badge::read(Path::new(&label)).unwrap()
        });
        let (name, state) = (format!("p{pid}"), "sleeping".to_owned());
        let facts = Facts { pid, parent, name, state, threads: 1, memory: 0 };
        Found { facts, badge, task: None }
    }

    /// The trees, in few letters.
    fn drawn(found: Vec<Found>) -> Vec<String> {
        fn draw(node: &Node) -> String {
            let children: Vec<String> = node.children.iter().map(draw).collect();
            let mark = if node.orphan { "!" } else { "" };
            let below = if children.is_empty() {
                String::new()
            } else {
                format!("({})", children.join(" "))
            };
            format!("{}{mark}{below}", node.name)
        }
        plant(found).iter().map(draw).collect()
    }

    #[test]
    fn who_has_started_one_of_ours_is_a_root_with_nobody_else_below() {
        let found = vec![
            process(1, 0, None),
            process(10, 1, None),
            process(11, 10, Some(10)),
            process(12, 10, None),
            process(13, 11, None),
            process(20, 1, None),
        ];
        assert_eq!(drawn(found), ["p10(c11(p13))"]);
    }

    #[test]
    fn an_orphan_is_a_root_unless_it_came_to_one_of_ours() {
        let found = vec![process(1, 0, None), process(11, 1, Some(10)), process(12, 11, Some(11))];
        assert_eq!(drawn(found), ["c11!(c12)"]);
        let found =
            vec![process(10, 1, None), process(11, 10, Some(10)), process(12, 11, Some(99))];
        assert_eq!(drawn(found), ["p10(c11(c12!))"]);
    }

    #[test]
    fn a_program_that_one_of_ours_runs_is_inside_with_what_it_started() {
        let found = vec![
            process(10, 1, None),
            process(11, 10, Some(10)),
            process(12, 11, None),
            process(13, 12, Some(12)),
        ];
        assert_eq!(drawn(found), ["p10(c11(p12(c13)))"]);
    }

    #[test]
    fn parents_that_lead_in_a_circle_end() {
        let found = vec![process(11, 12, Some(12)), process(12, 11, Some(11))];
        assert_eq!(drawn(found), Vec::<String>::new());
        let found = vec![process(11, 11, Some(11))];
        assert_eq!(drawn(found), Vec::<String>::new());
    }
}
