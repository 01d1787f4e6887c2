//! Nothing to build: `links` in the manifest wants a build script.
//!
//! The key makes sure that a program holds one copy of this crate, because a process has one table
//! of children and one fork server.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
}
