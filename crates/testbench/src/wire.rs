//! The few words the bench itself speaks to a server, blocking and without a client library, so
//! that a server can be started and watched without a runtime.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// A connection to a server's unix socket.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: BufReader<UnixStream>,
}

impl Wire {
    pub(crate) fn open(socket: &Path) -> io::Result<Wire> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        Ok(Wire {
            stream: BufReader::new(stream),
        })
    }

    /// Sends one command and returns the first line of the reply.
    pub(crate) fn ask(&mut self, words: &[&str]) -> io::Result<String> {
        let mut request = format!("*{}\r\n", words.len());
        for word in words {
            request.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        self.stream.get_mut().write_all(request.as_bytes())?;
        self.line()
    }

    /// The next line the server sends, without its end.
    pub(crate) fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line)?;
        if line.pop() != Some(b'\n') {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    /// From now on waits for lines without end, until the returned stream is shut down.
    pub(crate) fn listen(&self) -> io::Result<UnixStream> {
        self.stream.get_ref().set_read_timeout(None)?;
        self.stream.get_ref().try_clone()
    }
}
