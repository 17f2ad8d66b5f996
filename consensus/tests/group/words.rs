//! Words of gateways, for requests that a test brings in by hand.

use byzantine_consensus::{Admission, Message, ReplicaId, Request, Sequence};

/// Later than anything that these tests order.
const LATE: Sequence = Sequence(999);

/// REQUESTS of a gateway that knew all keys there are.
pub fn requests(requests: &[&Request]) -> Message {
    Message::Requests {
        as_of: LATE,
        requests: requests.iter().map(|request| request.encode()).collect(),
    }
}

/// The same by name.
pub fn admitted(requests: &[&Request]) -> Message {
    Message::Admitted {
        as_of: LATE,
        names: requests.iter().map(|request| request.id()).collect(),
    }
}

/// A word in a batch, of a gateway that knew no keys yet.
pub const fn word(gateway: u8) -> Admission {
    Admission {
        gateway: ReplicaId(gateway),
        as_of: Sequence(0),
    }
}
