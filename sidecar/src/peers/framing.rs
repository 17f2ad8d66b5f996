//! Frames on a stream: a big-endian `u32` length, then that many bytes.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use byzantine_consensus::limits::FRAME_BYTES;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes of one peer's frames that may wait for the driver: one of the largest and some more.
pub(super) const ROOM_BYTES: usize = FRAME_BYTES + (8 << 20);

/// Writes one frame; the caller flushes.
pub(super) async fn write_frame(
    stream: &mut (impl AsyncWrite + Unpin),
    frame: &Bytes,
) -> io::Result<()> {
    let too_long = |_| io::Error::from(io::ErrorKind::InvalidInput);
    let length = u32::try_from(frame.len()).map_err(too_long)?;
    stream.write_all(&length.to_be_bytes()).await?;
    stream.write_all(frame).await
}

/// Reads one frame, after waiting for room; `None` at the end of the stream.
pub(super) async fn read_frame(
    stream: &mut (impl AsyncRead + Unpin),
    room: &Arc<Semaphore>,
) -> io::Result<Option<(Bytes, OwnedSemaphorePermit)>> {
    let mut length = [0; 4];
    if stream.read(&mut length[..1]).await? == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut length[1..]).await?;
    let length = u32::from_be_bytes(length);
    let size = usize::try_from(length).unwrap_or(usize::MAX);
    if size > FRAME_BYTES {
        return Err(io::Error::from(io::ErrorKind::FileTooLarge));
    }
    let permit = Arc::clone(room).acquire_many_owned(length).await;
    let permit = permit.map_err(io::Error::other)?;
    // Grown as bytes come, so that a length alone costs no memory.
    let mut frame = Vec::new();
    let mut rest = stream.take(u64::from(length));
    rest.read_to_end(&mut frame).await?;
    if frame.len() < size {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
    }
    Ok(Some((Bytes::from(frame), permit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(bytes: &[u8]) -> io::Result<Option<Bytes>> {
        let room = Arc::new(Semaphore::new(ROOM_BYTES));
        let frame = read_frame(&mut &bytes[..], &room).await?;
        Ok(frame.map(|(frame, _)| frame))
    }

    #[tokio::test]
    async fn frames_return() {
        let mut written = Vec::new();
        write_frame(&mut written, &Bytes::from_static(b"abc"))
            .await
            .unwrap();
        assert_eq!(written, b"\0\0\0\x03abc");
        assert_eq!(read(&written).await.unwrap().unwrap(), &b"abc"[..]);
        assert!(read(b"").await.unwrap().is_none());
    }

    #[tokio::test]
    async fn cut_and_oversized_frames_are_refused() {
        for bad in [&b"\0\0\0\x03ab"[..], b"\0\0", b"\xff\xff\xff\xff"] {
            assert!(read(bad).await.is_err(), "{bad:?}");
        }
    }
}
