//! A frame that several replicas in one process are sent, as in simulations: it is opened once.
//!
//! What opening comes to is a function of the frame, the origin and the members' keys; so only
//! members of one group may share a frame.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use byzantine_proof::Digest;

use crate::frame::Frame;
use crate::message::Message;
use crate::rejection::Rejection;
use crate::signed::{Authority, Envelope, Sealed, Verified, open};

/// The messages of an envelope, or why it is none.
pub(crate) type Opened = Result<Vec<Verified<Message>>, Rejection>;

/// A frame, and what opening it came to.
#[derive(Debug, PartialEq, Eq)]
pub struct SharedFrame {
    frame: Frame,
    opened: OnceLock<Opened>,
}

impl SharedFrame {
    /// A frame that nobody has opened yet.
    pub const fn new(frame: Frame) -> Self {
        Self {
            frame,
            opened: OnceLock::new(),
        }
    }

    /// An envelope that a replica in this process sealed: opening it can come to nothing else than
    /// what was said, so that is not done again by those whom it reaches.
    pub fn sealed(envelope: Envelope, batches: Vec<Bytes>, sealed: &Sealed) -> Self {
        Self {
            frame: Frame::Envelope { envelope, batches },
            opened: OnceLock::from(Ok(sealed.messages().to_vec())),
        }
    }

    /// The messages of an envelope that was opened already.
    pub fn messages(&self) -> Option<&[Verified<Message>]> {
        let opened = self.opened.get()?;
        opened.as_deref().ok()
    }

    /// The frame.
    pub const fn frame(&self) -> &Frame {
        &self.frame
    }

    /// The frame itself, without a copy where nobody else holds it.
    pub(crate) fn take(shared: Arc<Self>) -> Frame {
        match Arc::try_unwrap(shared) {
            Ok(alone) => alone.frame,
            Err(shared) => shared.frame.clone(),
        }
    }

    /// What opening its envelope comes to.
    pub(crate) fn opened(
        &self,
        envelope: &Envelope,
        origin: &Digest,
        authority: &dyn Authority,
    ) -> &Opened {
        self.opened
            .get_or_init(|| open(origin, envelope, authority))
    }
}
