//! Redis, over a Unix socket, by as little as its protocol needs: the server of this machine's packages.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::Result;
use crate::subjects::manager::Client;
use crate::subjects::value::KEYS;

/// A server in a folder of its own, which goes with it.
struct Server {
    child: Child,
    folder: PathBuf,
}

/// So long the server may take until it listens.
const PATIENCE: Duration = Duration::from_secs(10);

impl Server {
    fn start() -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("compare-redis-{}", std::process::id()));
        fs::create_dir(&folder)?;
        let mut command = Command::new("redis-server");
        command.args(["--port", "0", "--save", "", "--appendonly", "no", "--dir"]).arg(&folder);
        command.arg("--unixsocket").arg(folder.join("socket"));
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        let child = child.map_err(|error| {
            // It is empty; if it stays, that harms nobody.
            fs::remove_dir(&folder).ok();
            match error.kind() {
                io::ErrorKind::NotFound => "there is no redis-server here".into(),
                _ => Box::<dyn std::error::Error + Send + Sync>::from(error),
            }
        })?;
        Ok(Self { child, folder })
    }

    fn connect(&mut self) -> Result<UnixStream> {
        let start = Instant::now();
        loop {
            match UnixStream::connect(self.folder.join("socket")) {
                Ok(stream) => return Ok(stream),
                Err(error) if start.elapsed() > PATIENCE => return Err(error.into()),
                Err(_) => thread::sleep(Duration::from_millis(5)),
            }
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("redis-server ended with {status}").into());
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // By its pid, which is not reaped before.
        self.child.kill().ok();
        self.child.wait().ok();
        fs::remove_dir_all(&self.folder).ok();
    }
}

/// A client, which connects when it begins to work: in its own process.
pub(crate) struct Redis {
    path: PathBuf,
    stream: Option<BufReader<UnixStream>>,
    line: Vec<u8>,
    _server: Option<Server>,
}

impl Redis {
    fn stream(&mut self) -> Result<&mut BufReader<UnixStream>> {
        let stream = match self.stream.take() {
            Some(stream) => stream,
            None => BufReader::new(UnixStream::connect(&self.path)?),
        };
        Ok(self.stream.insert(stream))
    }

    fn send(&mut self, bytes: &[u8]) -> Result {
        Ok(self.stream()?.get_mut().write_all(bytes)?)
    }

    /// The rest of a line that begins with that sign.
    fn line(&mut self, sign: u8) -> Result<&str> {
        let mut line = std::mem::take(&mut self.line);
        line.clear();
        self.stream()?.read_until(b'\n', &mut line)?;
        self.line = line;
        let text = self.line.strip_prefix(&[sign]).and_then(|line| line.strip_suffix(b"\r\n"));
        let text = text.and_then(|text| std::str::from_utf8(text).ok());
        text.ok_or_else(|| "redis-server says something else".into())
    }

    fn number(&mut self) -> Result<u64> {
        let len: usize = self.line(b'$')?.parse()?;
        // With the end of the line.
        let mut value = std::mem::take(&mut self.line);
        value.resize(len + 2, 0);
        self.stream()?.read_exact(&mut value)?;
        self.line = value;
        Ok(std::str::from_utf8(self.line.trim_ascii())?.parse()?)
    }
}

impl Client for Redis {
    fn new() -> Result<Self> {
        let mut server = Server::start()?;
        let stream = server.connect()?;
        let path = server.folder.join("socket");
        let stream = Some(BufReader::new(stream));
        let mut client = Self { path, stream, line: vec![], _server: Some(server) };
        for key in 0..KEYS {
            client.set(key, key)?;
        }
        client.stream = None;
        Ok(client)
    }

    fn share(&self) -> Self {
        Self { path: self.path.clone(), stream: None, line: vec![], _server: None }
    }

    fn get(&mut self, key: u64) -> Result<Option<u64>> {
        self.send(command(&["GET", &key.to_string()]).as_bytes())?;
        self.number().map(Some)
    }

    fn set(&mut self, key: u64, value: u64) -> Result {
        self.send(command(&["SET", &key.to_string(), &value.to_string()]).as_bytes())?;
        if self.line(b'+')? == "OK" { Ok(()) } else { Err("it was not set".into()) }
    }

    fn get_all(&mut self, keys: &[u64]) -> Result<Vec<Option<u64>>> {
        let commands = keys.iter().map(|key| command(&["GET", &key.to_string()]));
        self.send(commands.collect::<String>().as_bytes())?;
        keys.iter().map(|_| self.number().map(Some)).collect()
    }
}

/// A command, as the server reads it.
fn command(words: &[&str]) -> String {
    let words = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len()));
    format!("*{}\r\n{}", words.len(), words.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_its_words_with_their_lengths() {
        assert_eq!(command(&["GET", "key7"]), "*2\r\n$3\r\nGET\r\n$4\r\nkey7\r\n");
    }
}
