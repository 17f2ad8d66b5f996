//! A deterministic service in memory, small enough to read: `POST /add` counts, `GET /` tells.
//!
//! It serves on the port in the variable PORT. `byz run -- target/debug/examples/counter` gives it
//! four replicas.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};

/// The longest body that is read over.
const MAX_BODY_BYTES: u64 = 1 << 20;

/// The longest head that is read.
const MAX_HEAD_BYTES: u64 = 64 << 10;

static COUNT: AtomicU64 = AtomicU64::new(0);

fn main() -> io::Result<()> {
    let port = std::env::var("PORT")
        .ok()
        .and_then(|port| port.parse().ok())
        .unwrap_or(8080);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    for stream in listener.incoming() {
        let stream = stream?;
        // A client that goes away ends its own connection only.
        std::thread::spawn(move || drop(serve(&stream)));
    }
    Ok(())
}

fn serve(stream: &TcpStream) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    while let Some((line, length)) = head(&mut reader)? {
        io::copy(
            &mut (&mut reader).take(length.min(MAX_BODY_BYTES)),
            &mut io::sink(),
        )?;
        let (status, body) = answer(&line);
        let mut writer = stream;
        write!(
            writer,
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\n\
            Content-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
    }
    Ok(())
}

/// The request line and the body's length; `None` at the end of the connection.
fn head(reader: &mut BufReader<&TcpStream>) -> io::Result<Option<(String, u64)>> {
    let (mut head, mut first, mut length) = (reader.take(MAX_HEAD_BYTES), String::new(), 0);
    if head.read_line(&mut first)? == 0 {
        return Ok(None);
    }
    loop {
        let mut line = String::new();
        head.read_line(&mut line)?;
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            return Ok(Some((first, length)));
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
}

fn answer(line: &str) -> (&'static str, String) {
    let mut words = line.split(' ');
    match (words.next(), words.next()) {
        (Some("GET"), Some("/")) => (
            "200 OK",
            format!("{{\"count\":{}}}", COUNT.load(Ordering::SeqCst)),
        ),
        (Some("POST"), Some("/add")) => {
            let count = COUNT.fetch_add(1, Ordering::SeqCst) + 1;
            ("201 Created", format!("{{\"count\":{count}}}"))
        }
        _ => (
            "404 Not Found",
            "{\"error\":\"GET / and POST /add are here\"}".to_owned(),
        ),
    }
}
