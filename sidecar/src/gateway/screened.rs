//! A connection whose bytes are screened before the HTTP parser sees them, with the time limits
//! that the parser cannot keep.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::framing::Framing;
use super::violation::Violation;

/// How long a client may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// From the first byte of a head, or the start of the connection, to the head's end.
    pub(super) head: Duration,
    /// From one request to the next.
    pub(super) idle: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            idle: Duration::from_secs(75),
        }
    }
}

/// Bytes read from the socket at a time.
const READ_BYTES: usize = 8 * 1024;

/// What is read and thrown away behind a refused request, lest closing resets the connection
/// before the client has read why.
const MAX_DISCARDED: usize = 256 * 1024;

/// The screen in front of a stream.
pub(super) struct Screened<S> {
    stream: S,
    framing: Framing,
    held: Vec<u8>,
    cleared: usize,
    refused: bool,
    discarded: usize,
    patience: Patience,
    timer: Pin<Box<Sleep>>,
    timing_head: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Screened<S> {
    /// Screens a fresh connection.
    pub(super) fn new(stream: S, patience: Patience) -> Self {
        Self {
            stream,
            framing: Framing::new(),
            held: Vec::new(),
            cleared: 0,
            refused: false,
            discarded: 0,
            patience,
            timer: Box::pin(tokio::time::sleep(patience.head)),
            timing_head: true,
        }
    }

    /// Hands out cleared bytes.
    fn hand_out(&mut self, buffer: &mut ReadBuf<'_>) {
        let count = self.cleared.min(buffer.remaining());
        buffer.put_slice(&self.held[..count]);
        self.held.drain(..count);
        self.cleared -= count;
    }

    /// Looks at what is held; whether something may be handed out now.
    fn screen(&mut self) -> io::Result<bool> {
        if self.held.is_empty() {
            return Ok(false);
        }
        let in_head = self.framing.expects_head();
        match self.framing.step(&self.held) {
            Ok(count) => {
                self.cleared = count;
                if count > 0 {
                    self.restart_timer(self.patience.idle, false);
                }
            }
            Err(violation) if in_head => self.refuse(violation),
            // The head has passed: its handler learns of it as a broken body.
            Err(violation) => {
                self.refused = true;
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    violation.detail(),
                ));
            }
        }
        Ok(self.cleared > 0)
    }

    /// Puts the refusal in the place of what is held.
    fn refuse(&mut self, violation: Violation) {
        self.held = violation.request();
        self.cleared = self.held.len();
        self.refused = true;
    }

    fn restart_timer(&mut self, timeout: Duration, timing_head: bool) {
        self.timer.as_mut().reset(Instant::now() + timeout);
        self.timing_head = timing_head;
    }

    /// Reads more; `Ready(false)` at the end of the stream or of patience.
    fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut space = [0; READ_BYTES];
        let mut buffer = ReadBuf::new(&mut space);
        if Pin::new(&mut self.stream)
            .poll_read(context, &mut buffer)?
            .is_pending()
        {
            return self.poll_timer(context).map(Ok);
        }
        let first = self.held.is_empty();
        self.held.extend_from_slice(buffer.filled());
        if first && self.framing.expects_head() && !self.timing_head {
            self.restart_timer(self.patience.head, true);
        }
        Poll::Ready(Ok(!buffer.filled().is_empty()))
    }

    /// Waits for the head's time to run out; bodies and answers are timed by the gateway.
    fn poll_timer(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        if !self.framing.expects_head() {
            return Poll::Pending;
        }
        ready!(self.timer.as_mut().poll(context));
        if self.held.is_empty() {
            return Poll::Ready(false);
        }
        self.refuse(Violation::Slow);
        Poll::Ready(true)
    }

    /// Throws away what has arrived behind a refused request.
    fn discard(&mut self, context: &mut Context<'_>) {
        let mut space = [0; READ_BYTES];
        while self.discarded < MAX_DISCARDED {
            let mut buffer = ReadBuf::new(&mut space);
            let read = Pin::new(&mut self.stream).poll_read(context, &mut buffer);
            if !matches!(read, Poll::Ready(Ok(()))) || buffer.filled().is_empty() {
                return;
            }
            self.discarded += buffer.filled().len();
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Screened<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if this.cleared > 0 {
                this.hand_out(buffer);
                return Poll::Ready(Ok(()));
            }
            if this.refused {
                this.discard(context);
                return Poll::Ready(Ok(()));
            }
            if this.screen()? {
                continue;
            }
            if !ready!(this.poll_fill(context))? {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Screened<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    fn screened<S: AsyncRead + AsyncWrite + Unpin>(stream: S) -> Screened<S> {
        let short = Duration::from_millis(20);
        Screened::new(
            stream,
            Patience {
                head: short,
                idle: short,
            },
        )
    }

    #[tokio::test]
    async fn good_bytes_pass_and_bad_ones_become_a_refusal() {
        let (mut client, server) = duplex(1024);
        let good = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
        client.write_all(good).await.unwrap();
        client
            .write_all(b"GET / HTTP/1.1\nhost: a\n\n")
            .await
            .unwrap();
        let mut seen = Vec::new();
        screened(server).read_to_end(&mut seen).await.unwrap();
        assert_eq!(&seen[..good.len()], good);
        assert_eq!(&seen[good.len()..], Violation::LineEnding.request());
    }

    #[tokio::test]
    async fn slow_heads_are_refused_and_silent_connections_closed() {
        let (mut client, server) = duplex(1024);
        client.write_all(b"GET / HTT").await.unwrap();
        let mut seen = Vec::new();
        screened(server).read_to_end(&mut seen).await.unwrap();
        assert_eq!(seen, Violation::Slow.request());
        let (_client, server) = duplex(1024);
        seen.clear();
        screened(server).read_to_end(&mut seen).await.unwrap();
        assert!(seen.is_empty());
    }

    #[tokio::test]
    async fn broken_chunks_are_an_error_of_the_body() {
        let (mut client, server) = duplex(1024);
        let head = b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
        client.write_all(head).await.unwrap();
        client.write_all(b"+1\r\n").await.unwrap();
        let mut seen = Vec::new();
        let error = screened(server).read_to_end(&mut seen).await.unwrap_err();
        assert_eq!(
            (error.kind(), &seen[..]),
            (io::ErrorKind::InvalidData, &head[..])
        );
    }
}
