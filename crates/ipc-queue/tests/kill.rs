//! A death after every instruction of every operation of the ring.

mod sweeps;
mod takeover;

use std::process::ExitCode;

use testkit::Outcome;
use testkit::kill::Sweep;

fn main() -> ExitCode {
    testkit::main(&[
        ("ring: put into a free slot", sweeps::put_into_a_free_slot),
        ("ring: put beside another putter", sweeps::put_beside_another_putter),
        ("ring: get from a full slot", sweeps::get_from_a_full_slot),
        ("ring: get beside another getter", sweeps::get_beside_another_getter),
        ("ring: put wakes a getter", sweeps::put_wakes_a_getter),
        ("ring: get wakes a putter", sweeps::get_wakes_a_putter),
        ("ring: a getter dies asleep", sweeps::a_getter_dies_asleep),
        ("ring: a putter dies asleep", sweeps::a_putter_dies_asleep),
        ("ring: close wakes everybody", sweeps::close_wakes_everybody),
        ("heap: put a large message", sweeps::put_a_large_message),
        ("heap: get a large message", sweeps::get_a_large_message),
        ("heap: get wakes who waits for memory", sweeps::get_wakes_who_waits_for_memory),
        ("heap: lend and commit", sweeps::lend_and_commit),
        ("heap: read in place", sweeps::read_in_place),
        ("heap: hold what others wait for", sweeps::hold_what_others_wait_for),
        ("heap: put with memory of another size", sweeps::put_with_memory_of_another_size),
        ("joinable: put", sweeps::joinable::put),
        ("joinable: get and done", sweeps::joinable::get_and_done),
        ("joinable: put wakes a worker", sweeps::joinable::put_wakes_a_worker),
        ("joinable: fail wakes a worker", sweeps::joinable::fail_wakes_a_worker),
        ("joinable: done wakes who joins", sweeps::joinable::done_wakes_who_joins),
        ("joinable: a joiner dies asleep", sweeps::joinable::a_joiner_dies_asleep),
        ("joinable: get from the dead", sweeps::joinable::get_from_the_dead),
        ("joinable: take a dead worker's seat", sweeps::joinable::take_a_dead_workers_seat),
        ("ring: take a dead one's seat", sweeps::take_a_dead_ones_seat),
        ("growth: a put that grows", sweeps::growth::put_that_grows),
        ("growth: two puts that grow", sweeps::growth::put_that_grows_beside_another),
        ("growth: put into a chunk that was left", sweeps::growth::put_into_a_chunk_that_was_left),
        (
            "growth: get wakes who waits for a chunk",
            sweeps::growth::get_wakes_who_waits_for_a_chunk,
        ),
        ("ends: the last putter leaves", sweeps::ends::the_last_putter_leaves),
        ("ends: the last getter leaves", sweeps::ends::the_last_getter_leaves),
        ("ring: take a dead one's seat and die", takeover::take_over_and_die),
    ])
}

fn run<S>(sweep: Sweep<'_, S>) -> Outcome {
    Ok(sweep.at_every_instruction()?.into())
}
