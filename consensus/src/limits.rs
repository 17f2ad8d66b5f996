//! Every limit of the core, in one place. Nothing in this crate grows past what stands here.

use std::time::Duration;

/// The most requests in one batch.
pub const BATCH_REQUESTS: usize = 256;

/// The most request bytes in one batch. A single larger request still makes a batch of its own.
pub const BATCH_BYTES: usize = 1 << 20;

/// The longest encoded request: head, and a body of what `spec.http.maxBodyBytes` may allow.
pub const REQUEST_BYTES: usize = 9 << 20;

/// How many proposed batches may be uncommitted before the primary lets requests gather.
pub const PIPELINE: usize = 4;

/// The window above the stable checkpoint, in checkpoint intervals.
pub const WINDOW_INTERVALS: u64 = 2;

/// The most unexecuted requests that one gateway may have abroad.
pub const GATEWAY_REQUESTS: usize = 256;

/// How many keys that one gateway let in the table of keys remembers, unless the service says
/// otherwise: some 100 MB of memory a gateway when all of them are in use. Beyond it a request is
/// refused, by agreement.
pub const GATEWAY_KEYS: u32 = 1 << 18;

/// Refused requests that a replica remembers of one gateway.
pub const REFUSALS: usize = 4096;

/// Requests of which is remembered that they were taken up for one replica.
pub const TAKEN_UP: usize = 64;

/// How often the time doubles after which the same one is taken up once more.
pub const TAKEN_UP_DOUBLINGS: u32 = 10;

/// Requests that a replica keeps for one gateway before it ignores more. Twice the quota, since
/// a request that is executed there may not be executed here yet.
pub const KNOWN_REQUESTS: usize = 2 * GATEWAY_REQUESTS;

/// The most messages in one envelope; a tick that says more uses several.
pub const ENVELOPE_MESSAGES: usize = 64;

/// Entries of the ledger supplied for one FETCH.
pub const FETCH_ENTRIES: u64 = 32;

/// The most bytes supplied for one FETCH; one item always goes.
pub const SUPPLY_BYTES: usize = 4 << 20;

/// The most names in one FETCH.
pub const FETCH_NAMES: usize = 256;

/// Messages in a RELAY frame.
pub const RELAYED_MESSAGES: usize = 64;

/// The most peers' differing answers looked at for one sequence.
pub const DIFFERENCES: usize = 16;

/// Leaves below the stable checkpoint of which is remembered that answers differed.
pub const DISPUTES: usize = 64;

/// What those answers may come to, in bytes.
pub const DISPUTE_BYTES: usize = 4 << 20;

/// Times a view-change timeout doubles before it stays as it is.
pub const TIMEOUT_DOUBLINGS: u32 = 4;

/// How often a replica is given its share of null batches.
pub const HEARTBEAT_PERIOD: Duration = Duration::from_hours(1);

/// That share, in windows. Two let a replica vote again; the rest is for the next mishap.
pub const HEARTBEAT_WINDOWS: u64 = 6;

/// A frame between peers, in bytes.
pub const FRAME_BYTES: usize = 32 << 20;

/// How often a STATUS goes out.
pub const STATUS_INTERVAL: Duration = Duration::from_millis(250);

/// How long what a proposal names may be on its way before the primary is asked for it.
pub const BODY_PATIENCE: Duration = Duration::from_millis(20);

/// Sequences for which votes are repeated to a peer for one STATUS.
pub const RESENT_SEQUENCES: usize = 32;

/// How long the median delay of a primary may be at least, however fast others were.
pub const SLOWNESS_FLOOR: Duration = Duration::from_millis(50);

/// How many times as slow as the best of the last views a primary may be.
pub const SLOWNESS: u32 = 4;

/// The delays of a primary, and agreements, of which the median is taken.
pub const RECENT_DELAYS: usize = 16;

/// The fewest delays, and agreements, from which a primary is judged.
pub const FEW_DELAYS: usize = 5;

/// The longest request whose delay is measured: bodies take their time on the way.
pub const MEASURED_BYTES: usize = 64 << 10;

/// Requests whose delay is measured at a time.
pub const GIVEN_REQUESTS: usize = 64;

/// Times an eviction for slowness doubles the limit.
pub const EVICTION_DOUBLINGS: u32 = 8;

/// After what time one such doubling has worn off.
pub const EVICTION_DECAY: Duration = Duration::from_mins(10);

/// After how many request timeouts a request that others overtook makes its primary suspect.
pub const PATIENCE: u32 = 8;

/// What one PROMISE shows of answers, in bytes; the leaf hashes always fit.
pub const PROMISE_BYTES: usize = 64 << 10;

/// The longest field block that a PROMISE shows.
pub const PROMISED_FIELDS: usize = 4 << 10;

/// The most header fields that a verdict names.
pub const NAMED_FIELDS: usize = 16;

/// The most RESOLVEs in one batch.
pub const BATCH_RESOLUTIONS: usize = 16;

/// Senders of two different RESULTs whose second one is kept, for one sequence: the largest f.
pub const SECOND_RESULTS: usize = 7;

/// Sequences at the window's end that only RESOLVEs may use: what is not settled keeps the
/// watermarks from moving, and must not keep itself from being resolved. One a view, so more than
/// faulty primaries can follow each other; half the window, K, where that is shorter: so K is to be
/// above f.
pub const RESERVED: u64 = 16;
