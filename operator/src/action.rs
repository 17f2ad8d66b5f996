//! What a plan wants done.

use crate::crd::Status;
use crate::object::{Kind, Object};

/// One write.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Bring an object about: the one with this UID, or a new one.
    Apply {
        /// As it should be.
        object: Object,
        /// The object that is to be changed; absent when there is none of that name.
        uid: Option<String>,
    },
    /// Delete an object, and only that one.
    Delete {
        /// Its kind.
        kind: Kind,
        /// Its name.
        name: String,
        /// Its UID.
        uid: String,
    },
    /// Write the status, if the resource is still as it was read.
    WriteStatus {
        /// All of it.
        status: Box<Status>,
        /// The resource's version when it was read.
        resource_version: String,
    },
}

/// Something worth an Event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Whether somebody should look at it.
    pub warning: bool,
    /// One word.
    pub reason: String,
    /// What the operator was doing, in one word.
    pub action: &'static str,
    /// Cause and next step.
    pub message: String,
}

/// What is to be done, in this order; the first write that fails ends it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Writes.
    pub actions: Vec<Action>,
    /// Events.
    pub notes: Vec<Note>,
    /// Seconds after which to look again, if nothing happens before.
    pub again: u64,
}
