//! Counts the words in files, with a pool of worker processes: one task for each file.
//!
//! ```console
//! $ cargo run --release --example wordcount -- PATH --workers 4 --chaos 20
//! ```
//!
//! With `--chaos 20` a random worker is killed every 20 milliseconds, and the counts are the same: a
//! task whose worker died runs again. A long file takes longer than a worker then lives, so its task
//! has a *ledger* with it, a file to which it adds what it has counted piece by piece; when it runs
//! again, it goes on from there.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::error::Error;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, IsTerminal as _, Write as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use multiproc::Result;
use multiproc::prelude::*;
use multiproc::wire::{self, Handle};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Counts words: maximal runs of letters and digits, in lower case.
#[derive(Debug, Parser)]
struct Options {
    /// Files and folders; this repository, without what was built, if there are none.
    ///
    /// Of a folder every regular file counts but those in hidden folders and hidden ones. A link to a
    /// regular file counts as that file, once for each name; links to folders are not followed.
    paths: Vec<PathBuf>,
    /// How many worker processes; as many as there are processors if not said.
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
    /// Kill a random worker every so many milliseconds.
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..))]
    chaos: Option<u64>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// How often each word occurs.
type Counts = HashMap<String, u64>;

/// What a worker gets.
#[derive(Serialize, Deserialize)]
struct Order {
    path: Vec<u8>,
    /// For a file that is longer than a piece.
    ledger: Option<Handle>,
}

/// What a worker gives back.
#[derive(Serialize, Deserialize)]
enum Counted {
    /// All of a short file.
    Whole(Counts, u64),
    /// Piece by piece in this ledger.
    InLedger(Handle),
    /// The file does not count; says which and why.
    Skipped(String),
}

#[derive(Default)]
struct Total {
    counts: Counts,
    files: u64,
    skipped: u64,
    words: u64,
    bytes: u64,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&format!("wordcount: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    let start = Instant::now();
    let mut total = Total::default();
    let files = total.find_files(&options.paths);

    let mut builder = Pool::builder().on_worker_death(Retry::always());
    if let Some(n_workers) = options.workers {
        builder = builder.workers(n_workers);
    }
    let pool = builder.build()?;
    // It is drawn on the standard error, and for somebody who watches the standard output too.
    let bar = if io::stdout().is_terminal() && io::stderr().is_terminal() {
        ProgressBar::new(files.len() as u64)
    } else {
        ProgressBar::hidden()
    };
    let bar = bar.with_style(ProgressStyle::with_template(
        "{bar:40} {pos}/{len} files, {per_sec}, {eta} left",
    )?);
    thread::scope(|scope| {
        // Chaos ends when `done` is dropped, however this ends.
        let (done, is_done) = mpsc::channel::<()>();
        if let Some(millis) = options.chaos {
            let pool = &pool;
            scope.spawn(move || cause_chaos(pool, Duration::from_millis(millis), &is_done));
        }
        let orders = files.iter().map(|path| order(path));
        for counted in pool.imap_unordered(count_file, orders) {
            total.add(counted?, &bar)?;
            bar.inc(1);
        }
        drop(done);
        Ok::<(), Box<dyn Error + Send + Sync>>(())
    })?;
    bar.finish_and_clear();
    let replaced = pool.stats().replaced;
    match total.print(&mut io::stdout().lock(), options, replaced, start.elapsed()) {
        // Whoever read it has enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        printed => Ok(printed?),
    }
}

/// Says something on the standard error, if anybody listens.
fn tell(what: &str) {
    let _told = writeln!(io::stderr(), "{what}");
}

/// Kills a random worker again and again, until the other end of the channel is dropped.
fn cause_chaos(pool: &Pool, interval: Duration, is_done: &mpsc::Receiver<()>) {
    let mut random = proc_number() | 1;
    let mut next = Instant::now() + interval;
    while let Err(RecvTimeoutError::Timeout) =
        is_done.recv_timeout(next.saturating_duration_since(Instant::now()))
    {
        next += interval;
        // Xorshift: nobody shall guess who is next.
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        let n_workers = pool.stats().workers.len().max(1);
        if let Err(error) = pool.kill_worker(random as usize % n_workers) {
            tell(&format!("chaos: {error}"));
        }
    }
}

fn proc_number() -> u32 {
    multiproc::current().pid()
}

impl Total {
    /// The regular files under the paths, in a fixed order.
    fn find_files(&mut self, paths: &[PathBuf]) -> Vec<PathBuf> {
        let mut files = Vec::new();
        if paths.is_empty() {
            let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
            let root = root.canonicalize().unwrap_or_else(|_| PathBuf::from("."));
            let built = root.join("target");
            self.walk(&root, &mut files, &|path| path != built);
        }
        for path in paths {
            match fs::metadata(path) {
                Ok(about) if about.is_dir() => self.walk(path, &mut files, &|_| true),
                Ok(about) if about.is_file() => files.push(path.clone()),
                Ok(_) => self.skip(&format!("{}: not a regular file", path.display())),
                Err(error) => self.skip(&format!("{}: {error}", path.display())),
            }
        }
        files
    }

    fn walk(&mut self, folder: &Path, files: &mut Vec<PathBuf>, wanted: &dyn Fn(&Path) -> bool) {
        let entries = fs::read_dir(folder).and_then(|entries| {
            let mut entries = entries.collect::<io::Result<Vec<_>>>()?;
            entries.sort_by_key(fs::DirEntry::file_name);
            Ok(entries)
        });
        let entries = match entries {
            Ok(entries) => entries,
            Err(error) => return self.skip(&format!("{}: {error}", folder.display())),
        };
        for entry in entries {
            let path = entry.path();
            if entry.file_name().as_bytes().starts_with(b".") || !wanted(&path) {
                continue;
            }
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => self.walk(&path, files, wanted),
                Ok(kind) if kind.is_file() => files.push(path),
                Ok(kind) if kind.is_symlink() => match fs::metadata(&path) {
                    Ok(about) if about.is_file() => files.push(path),
                    Ok(_) => {}
                    Err(error) => self.skip(&format!("{}: {error}", path.display())),
                },
                // Pipes, sockets and devices.
                Ok(_) => {}
                Err(error) => self.skip(&format!("{}: {error}", path.display())),
            }
        }
    }

    fn skip(&mut self, what: &str) {
        self.skipped += 1;
        tell(&format!("skipped {what}"));
    }

    fn add(&mut self, counted: Counted, bar: &ProgressBar) -> Result<()> {
        match counted {
            Counted::Whole(counts, bytes) => {
                self.files += 1;
                self.add_piece(counts, bytes);
            }
            Counted::InLedger(ledger) => {
                self.files += 1;
                let ledger = Ledger(ledger.into());
                let (mut place, mut start) = (0, 0);
                while let Some(piece) = ledger.piece_at(place)? {
                    self.add_piece(ledger.counts(place, &piece)?, piece.end - start);
                    (place, start) = (place + Ledger::HEADER + piece.len, piece.end);
                }
            }
            Counted::Skipped(what) => bar.suspend(|| self.skip(&what)),
        }
        Ok(())
    }

    fn add_piece(&mut self, counts: Counts, bytes: u64) {
        self.bytes += bytes;
        for (word, n) in counts {
            self.words += n;
            *self.counts.entry(word).or_default() += n;
        }
    }

    fn print(
        &self,
        out: &mut impl io::Write,
        options: &Options,
        replaced: u64,
        elapsed: Duration,
    ) -> io::Result<()> {
        const N_TOP: usize = 20;

        let mut top: Vec<(&String, u64)> = self.counts.iter().map(|(word, n)| (word, *n)).collect();
        top.sort_by_key(|(word, n)| (Reverse(*n), *word));
        top.truncate(N_TOP);
        let Self { files, skipped, words, bytes, .. } = self;
        let (distinct, seconds) = (self.counts.len(), elapsed.as_secs_f64());
        if options.json {
            let report = json!({
                "files": files, "skipped": skipped, "words": words, "distinct": distinct,
                "bytes": bytes, "top": top, "workers_replaced": replaced, "seconds": seconds,
            });
            writeln!(out, "{report}")?;
            return out.flush();
        }
        for (word, n) in &top {
            writeln!(out, "{n:>10}  {word}")?;
        }
        writeln!(out, "{files} files, {skipped} skipped, {words} words, {distinct} distinct")?;
        writeln!(out, "{bytes} bytes in {seconds:.3} s, {replaced} workers replaced")?;
        out.flush()
    }
}

/// So much of a file is counted at a time: a few milliseconds' work.
const PIECE: usize = 64 << 10;

/// The task for a file.
fn order(path: &Path) -> Order {
    // What is wrong with a file is found by the worker.
    let is_long = fs::metadata(path).is_ok_and(|about| about.len() > PIECE as u64);
    let ledger = is_long.then(Ledger::new).and_then(io::Result::ok);
    Order {
        path: path.as_os_str().as_bytes().to_vec(),
        ledger: ledger.map(|ledger| Handle::from(ledger.0)),
    }
}

/// The work of a worker.
fn count_file(order: Order) -> Counted {
    let path = PathBuf::from(OsString::from_vec(order.path));
    let counted = open(&path).and_then(|file| match order.ledger {
        None => {
            let mut counts = Counts::new();
            let mut bytes = 0;
            while let Some(end) = count_piece(&file, bytes, &mut counts)? {
                bytes = end;
            }
            Ok(Counted::Whole(counts, bytes))
        }
        Some(ledger) => {
            let ledger = Ledger(ledger.into());
            let (mut place, mut start) = ledger.end()?;
            let mut counts = Counts::new();
            while let Some(end) = count_piece(&file, start, &mut counts)? {
                place = ledger.add(place, end, &counts)?;
                start = end;
                counts.clear();
            }
            Ok(Counted::InLedger(ledger.0.into()))
        }
    });
    counted.unwrap_or_else(|error| Counted::Skipped(format!("{}: {error}", path.display())))
}

/// Opens a regular file; does not wait for the other end of a pipe that took its name meanwhile.
fn open(path: &Path) -> io::Result<File> {
    /// `O_NONBLOCK`, by its number on `x86_64` and `aarch64`. For regular files it means nothing.
    const DO_NOT_WAIT: i32 = 0o4000;

    let file = OpenOptions::new().read(true).custom_flags(DO_NOT_WAIT).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "not a regular file"));
    }
    Ok(file)
}

/// Counts the words from `start` up to where no word is cut apart, and returns where that is; `None`
/// at the end of the file.
fn count_piece(file: &File, start: u64, counts: &mut Counts) -> io::Result<Option<u64>> {
    let mut bytes = Vec::new();
    loop {
        let known = bytes.len();
        // Longer and longer, if the words are.
        bytes.resize(known * 2 + PIECE, 0);
        let mut filled = known;
        while filled < bytes.len() {
            match file.read_at(&mut bytes[filled..], start + filled as u64) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let is_end = filled < bytes.len();
        bytes.truncate(filled);
        let text = match str::from_utf8(&bytes) {
            Ok(text) => text,
            // The last character is cut apart.
            Err(error) if error.error_len().is_none() && !is_end => {
                str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default()
            }
            Err(_) => return Err(io::Error::new(ErrorKind::InvalidData, "not UTF-8")),
        };
        let text = match text.rfind(|c: char| !c.is_alphanumeric()) {
            _ if is_end => text,
            Some(last) => &text[..last + text[last..].chars().next().map_or(1, char::len_utf8)],
            None => continue,
        };
        for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
            let word = word.to_lowercase();
            *counts.entry(word).or_default() += 1;
        }
        return Ok((!text.is_empty()).then_some(start + text.len() as u64));
    }
}

/// What has been counted of a file, piece by piece; whole whenever its writer dies.
///
/// ```text
/// | end of the piece in the file (8) | length of the counts (8) | counts | next piece ...
/// ```
///
/// The counts are written first. A piece is there from the moment that its first 16 bytes are.
struct Ledger(File);

struct Piece {
    end: u64,
    len: u64,
}

impl Ledger {
    const HEADER: u64 = 16;

    /// An empty one, which nobody can find.
    fn new() -> io::Result<Self> {
        let folder = std::env::temp_dir();
        for n in 0_u32.. {
            let path = folder.join(format!("wordcount-{}-{n}", proc_number()));
            match OpenOptions::new().read(true).write(true).create_new(true).open(&path) {
                Ok(file) => {
                    fs::remove_file(path)?;
                    return Ok(Self(file));
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(ErrorKind::AlreadyExists.into())
    }

    /// The piece at a place in the ledger, if there is one.
    fn piece_at(&self, place: u64) -> io::Result<Option<Piece>> {
        let number_at = |place| {
            let mut bytes = [0; 8];
            match self.0.read_exact_at(&mut bytes, place) {
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(0),
                read => read.map(|()| u64::from_le_bytes(bytes)),
            }
        };
        let piece = Piece { end: number_at(place)?, len: number_at(place + 8)? };
        Ok((piece.end != 0).then_some(piece))
    }

    fn counts(&self, place: u64, piece: &Piece) -> Result<Counts> {
        let mut bytes = vec![0; usize::try_from(piece.len)?];
        self.0.read_exact_at(&mut bytes, place + Self::HEADER)?;
        Ok(wire::decode_plain(&bytes)?)
    }

    /// Where the next piece goes, and where in the file it begins.
    fn end(&self) -> io::Result<(u64, u64)> {
        let (mut place, mut start) = (0, 0);
        while let Some(piece) = self.piece_at(place)? {
            (place, start) = (place + Self::HEADER + piece.len, piece.end);
        }
        Ok((place, start))
    }

    /// Adds a piece, and returns where the next one goes.
    fn add(&self, place: u64, end: u64, counts: &Counts) -> io::Result<u64> {
        let mut bytes = Vec::new();
        wire::encode_plain(counts, &mut bytes).map_err(io::Error::other)?;
        self.0.write_all_at(&bytes, place + Self::HEADER)?;
        let header = [end.to_le_bytes(), (bytes.len() as u64).to_le_bytes()].concat();
        self.0.write_all_at(&header, place)?;
        Ok(place + Self::HEADER + bytes.len() as u64)
    }
}
