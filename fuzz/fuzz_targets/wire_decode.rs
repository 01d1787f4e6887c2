//! Any bytes with any handles, decoded as a value that has a bit of everything.
#![no_main]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::pipe;
use std::os::fd::{AsFd as _, OwnedFd};

use ipc_core::wire::{
    Handle, Message, MessageSocket, Pieces, decode, decode_pieces, decode_plain, encode,
};
use ipc_core::{Kind, ProcessId, Segment};
use libfuzzer_sys::{Corpus, fuzz_target};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
enum Tree {
    Nothing,
    Numbers(u8, i16, u32, i64, u128),
    Float(f64),
    Letter(char),
    Flag(bool),
    Text(String),
    Bytes(Vec<u8>),
    Who(ProcessId),
    Handle(Handle),
    #[serde(with = "ipc_core::wire::file")]
    File(File),
    Segment(Segment),
    Socket(MessageSocket),
    Maybe(Option<Box<Tree>>),
    Result(Result<Box<Tree>, String>),
    Pair(Box<(Tree, Tree)>),
    List(Vec<Tree>),
    Map(BTreeMap<String, Tree>),
}

fuzz_target!(|data: &[u8]| -> Corpus {
    // The first byte says how many handles come, and what they are.
    let Some((kinds, bytes)) = data.split_first() else { return Corpus::Reject };
    let handles: Option<Vec<OwnedFd>> = (0..kinds & 7).map(|at| some_handle(kinds ^ at)).collect();
    let Some(handles) = handles else { return Corpus::Reject };
    if let Ok(tree) = decode::<Tree>(Message { bytes: bytes.to_vec(), handles }) {
        // What was understood can be said, and is understood again.
        let again = encode(&tree).expect("a value that was decoded can be encoded");
        assert!(decode::<Tree>(again).is_ok(), "a value that was encoded can be decoded");
    }
    // Without handles it is a value, or none, wherever it is cut.
    let (first, run) = bytes.split_at(usize::from(*kinds).min(bytes.len()));
    let pieces = Pieces::new(first.to_vec(), vec![(first.len(), run.to_vec())]);
    let (whole, cut) = (decode_plain::<Tree>(bytes), decode_pieces::<Tree>(pieces));
    assert_eq!(whole.is_ok(), cut.is_ok(), "it is the same in pieces");
    Corpus::Keep
});

fn some_handle(kind: u8) -> Option<OwnedFd> {
    match kind % 4 {
        0 => File::open("/dev/null").ok().map(OwnedFd::from),
        1 => Segment::create(Kind::new([0; 8], 0), 0, 8).ok()?.as_fd().try_clone_to_owned().ok(),
        2 => pipe().ok().map(|(read, _)| read.into()),
        _ => MessageSocket::pair().ok().map(|(left, _)| left.into()),
    }
}
