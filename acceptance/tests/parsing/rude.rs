//! Clients that are slow, stop in the middle, or go away: none keeps others from their answers.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bytes::Bytes;
use byzantine_acceptance::Service;
use http::Request;
use http_body_util::Empty;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};

const REQUEST: &[u8] = b"GET /rude HTTP/1.1\r\nHost: a\r\n\r\n";

/// How many connections or streams are begun and given up.
const RESETS: usize = 300;

/// Longer than a gateway waits for a head.
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) async fn clients_do_no_harm(service: &Service) {
    let address = service.gateway_address(0);
    let stalled: Vec<TcpStream> = (0..50).map(|_| stalled(address)).collect();
    byte_by_byte(address);
    for _ in 0..RESETS {
        reset(address).await;
    }
    reset_streams(address).await;
    let answered = tokio::task::spawn_blocking(|| stalled.into_iter().map(answer_to).collect());
    let answers: Vec<Vec<u8>> = answered.await.expect("reading does not panic");
    for answer in answers {
        let text = String::from_utf8_lossy(&answer);
        assert!(
            text.starts_with("HTTP/1.1 408 "),
            "half a head got {text:?}"
        );
    }
}

/// Sends half a head and no more.
fn stalled(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("the gateway listens");
    stream.write_all(&REQUEST[..20]).expect("it reads");
    stream
}

fn answer_to(mut stream: TcpStream) -> Vec<u8> {
    let _ = stream.set_read_timeout(Some(PATIENCE));
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

/// Every byte in a segment of its own.
fn byte_by_byte(address: SocketAddr) {
    let mut stream = TcpStream::connect(address).expect("the gateway listens");
    stream.set_nodelay(true).expect("a TCP option");
    for byte in REQUEST {
        stream.write_all(&[*byte]).expect("it reads");
    }
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let answer = answer_to(stream);
    let text = String::from_utf8_lossy(&answer);
    assert!(
        text.starts_with("HTTP/1.1 200 "),
        "byte by byte got {text:?}"
    );
}

/// Sends a whole request and resets the connection.
async fn reset(address: SocketAddr) {
    let stream = tokio::net::TcpStream::connect(address).await;
    let stream = stream.expect("the gateway listens");
    stream.set_zero_linger().expect("a TCP option");
    let _ = stream.try_write(REQUEST);
}

/// What took HTTP/2 servers down in 2023 (CVE-2023-44487): streams begun and cancelled at once.
async fn reset_streams(address: SocketAddr) {
    let stream = tokio::net::TcpStream::connect(address).await;
    let stream = TokioIo::new(stream.expect("the gateway listens"));
    let connected = http2::handshake::<_, _, Empty<Bytes>>(TokioExecutor::new(), stream).await;
    let (mut sender, connection) = connected.expect("the gateway speaks HTTP/2");
    let connection = tokio::spawn(connection);
    for _ in 0..RESETS {
        let request = Request::get(format!("http://{address}/rude"));
        let request = request.body(Empty::new()).expect("a well-formed request");
        // The gateway may have enough of this and close.
        if sender.ready().await.is_err() {
            break;
        }
        // Polled once, then dropped: HEADERS, then RST_STREAM.
        let _ = tokio::time::timeout(Duration::ZERO, sender.send_request(request)).await;
    }
    drop(sender);
    let _ = connection.await;
}
