//! The real binary on a free port, and the plainest HTTP client that can speak to it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A running wallet; killed when dropped.
pub(crate) struct Wallet {
    pub(crate) child: Child,
    address: String,
}

/// A kept-alive connection to it.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
}

/// All that came back: head and body, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Wallet {
    /// Starts it on a free port and waits until it says that it listens.
    pub(crate) fn start(data: &Path) -> Self {
        let mut child = command(data, "0")
            .spawn()
            .expect("the binary was built for this test");
        let stderr = child.stderr.take().expect("piped");
        let mut line = String::new();
        BufReader::new(stderr)
            .read_line(&mut line)
            .expect("a line of text");
        let start = line
            .find("http://")
            .unwrap_or_else(|| panic!("it said: {line}"))
            + 7;
        let address = line[start..]
            .split(',')
            .next()
            .expect("an address")
            .to_owned();
        Self { child, address }
    }

    pub(crate) fn connect(&self) -> Client {
        let stream = TcpStream::connect(&self.address).expect("it listens");
        stream.set_nodelay(true).expect("an open socket");
        Client {
            stream: BufReader::new(stream),
        }
    }

    pub(crate) fn port(&self) -> &str {
        self.address
            .rsplit(':')
            .next()
            .expect("an address has a port")
    }
}

impl Drop for Wallet {
    fn drop(&mut self) {
        // It may have ended already, which is all this wants.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The wallet's command line, with its output piped.
pub(crate) fn command(data: &Path, port: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wallet"));
    command.env("PORT", port).arg("--data").arg(data);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

impl Client {
    /// Sends a request and reads its answer; an error when the wallet is gone.
    pub(crate) fn try_call(
        &mut self,
        ordinal: Option<u64>,
        line: &str,
        body: &str,
    ) -> io::Result<Reply> {
        let ordinal = ordinal
            .map(|number| format!("byzantine-ordinal: {number}\r\n"))
            .unwrap_or_default();
        let length = body.len();
        let request = format!(
            "{line} HTTP/1.1\r\nhost: wallet\r\n{ordinal}content-length: {length}\r\n\r\n{body}"
        );
        self.stream.get_mut().write_all(request.as_bytes())?;
        self.read_reply()
    }

    pub(crate) fn call(&mut self, ordinal: Option<u64>, line: &str, body: &str) -> Reply {
        self.try_call(ordinal, line, body)
            .expect("the wallet answers")
    }

    fn read_reply(&mut self) -> io::Result<Reply> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.stream.read_line(&mut head)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse().expect("a length"));
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok(Reply {
            head,
            body: String::from_utf8(body).expect("the wallet speaks JSON"),
        })
    }
}

impl Reply {
    pub(crate) fn status(&self) -> u16 {
        self.head[9..12].parse().expect("a status line")
    }
}
