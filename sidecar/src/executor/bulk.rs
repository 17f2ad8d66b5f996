//! The app's whole state, out of it and into it, in pieces: it may be larger than memory.

use std::fs::File;
use std::io::{self, Read as _};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use byzantine_proof::Digest;
use http::{HeaderValue, Method, StatusCode, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::client::AppClient;
use super::failure::CallFailure;
use super::life::{Life, Lives};
use crate::respond::stated_digest;
use crate::snapshots::{SnapshotError, SnapshotWriter};

/// How long the app may take to give or take its whole state.
const BULK_TIME: Duration = Duration::from_mins(10);

/// Bytes read from a file at a time.
const PIECE_BYTES: usize = 64 << 10;

/// Why a snapshot was not made or taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum BulkFailure {
    /// There was no whole exchange.
    #[error(transparent)]
    Call(#[from] CallFailure),
    /// The app said something else than 2xx.
    #[error("it answers {method} with {status}, not with 2xx")]
    Refused {
        /// `GET` or `PUT`.
        method: Method,
        /// What it said.
        status: StatusCode,
    },
    /// The file.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
}

impl AppClient {
    /// Asks this life of the app for its state.
    pub(super) async fn download(
        &self,
        path: &str,
        writer: &mut SnapshotWriter,
        (lives, life): (&Lives, &Life),
    ) -> Result<(), BulkFailure> {
        let request = self.bulk(Method::GET, path, Empty::<Bytes>::new());
        let exchange = async {
            let mut body = self.exchange_bulk(request, lives, life).await?.into_body();
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(CallFailure::Broken)?;
                if let Ok(data) = frame.into_data() {
                    writer.write(&data)?;
                }
            }
            Ok(())
        };
        let timed = tokio::time::timeout(BULK_TIME, exchange).await;
        timed.unwrap_or(Err(CallFailure::TimedOut.into()))
    }

    /// Gives this life of the app a state; tells what it says its state is then.
    pub(super) async fn upload(
        &self,
        path: &str,
        (file, length): (File, u64),
        (lives, life): (&Lives, &Life),
    ) -> Result<Option<Digest>, BulkFailure> {
        let mut request = self.bulk(Method::PUT, path, FileBody { file, left: length });
        let binary = HeaderValue::from_static("application/octet-stream");
        request.headers_mut().insert(header::CONTENT_TYPE, binary);
        let exchange = async {
            let response = self.exchange_bulk(request, lives, life).await?;
            let state = stated_digest(response.headers());
            // What it says is of no interest; that it has said it is.
            let mut body = response.into_body();
            while let Some(frame) = body.frame().await {
                frame.map_err(CallFailure::Broken)?;
            }
            Ok(state)
        };
        let timed = tokio::time::timeout(BULK_TIME, exchange).await;
        timed.unwrap_or(Err(CallFailure::TimedOut.into()))
    }

    fn bulk<B>(&self, method: Method, path: &str, body: B) -> http::Request<B> {
        let mut request = http::Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().unwrap_or_default();
        if let Ok(host) = self.host().parse() {
            request.headers_mut().insert(header::HOST, host);
        }
        request
    }

    async fn exchange_bulk<B>(
        &self,
        request: http::Request<B>,
        lives: &Lives,
        life: &Life,
    ) -> Result<hyper::Response<Incoming>, BulkFailure>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let method = request.method().clone();
        let mut connection = self.connect().await?;
        if lives.current().as_ref() != Some(life) {
            return Err(CallFailure::LifeChanged.into());
        }
        let response = connection.send_request(request).await;
        let response = response.map_err(CallFailure::Broken)?;
        let status = response.status();
        if !status.is_success() {
            return Err(BulkFailure::Refused { method, status });
        }
        Ok(response)
    }
}

/// A file as a body. Reading a piece that was just checked comes from memory.
struct FileBody {
    file: File,
    left: u64,
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        if this.left == 0 {
            return Poll::Ready(None);
        }
        let length = usize::try_from(this.left).unwrap_or(PIECE_BYTES);
        let mut piece = vec![0; length.min(PIECE_BYTES)];
        let read = this.file.read_exact(&mut piece);
        this.left -= piece.len() as u64;
        Poll::Ready(Some(read.map(|()| Frame::data(Bytes::from(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
