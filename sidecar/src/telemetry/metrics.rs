//! The Prometheus metrics; `tests/golden/metrics.txt` holds their names.

use std::time::Duration;

use byzantine_consensus::Rejection;
use byzantine_proof::{Membership, ReplicaId};
use prometheus::{
    Encoder as _, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder,
};

/// Seconds: from a fraction of a loopback round trip to an app at its limit.
const SECONDS: [f64; 16] = [
    0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.5, 1.0, 2.0, 5.0,
    10.0, 30.0,
];

/// Requests in a batch.
const SIZES: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// The phases of agreement, in order.
pub(crate) const PHASES: [&str; 4] = ["prepare", "commit", "result", "attest"];

const REASONS: [&str; 4] = ["request", "sequence", "new_view", "slow"];

/// The queues of `byzantine_queue_depth`.
const QUEUES: [&str; 3] = ["waiting", "abroad", "executions"];

/// All metrics of a replica.
pub struct Metrics {
    registry: Registry,
    pub(crate) quorum_latency: HistogramVec,
    pub(crate) view: IntGauge,
    pub(crate) view_changes: IntCounterVec,
    pub(crate) view_change_duration: Histogram,
    pub(crate) is_primary: IntGauge,
    pub(crate) peers_connected: IntGauge,
    pub(crate) executed_sequence: IntGauge,
    pub(crate) stable_checkpoint_sequence: IntGauge,
    pub(crate) divergences: IntCounterVec,
    pub(crate) verdicts: IntCounter,
    pub(crate) equivocations: IntCounterVec,
    pub(crate) rejections: IntCounterVec,
    journal_fsync: Histogram,
    http_requests: HistogramVec,
    app_roundtrip: Histogram,
    pub(crate) batch_size: Histogram,
    pub(crate) queue_depth: IntGaugeVec,
}

impl Metrics {
    pub(super) fn new(membership: &Membership) -> Result<Self, prometheus::Error> {
        let make = Maker(Registry::new_custom(Some("byzantine".to_owned()), None)?);
        make.constants(membership)?;
        let metrics = Self {
            quorum_latency: make.histograms(
                "quorum_latency_seconds",
                "From a batch's PRE-PREPARE to the end of each phase.",
                "phase",
            )?,
            view: make.gauge("view", "The current view, or the one being changed to.")?,
            view_changes: make.counters(
                "view_changes_total",
                "Views left, by what their primary failed at.",
                "reason",
            )?,
            view_change_duration: make.seconds(
                "view_change_duration_seconds",
                "From leaving a view to entering the next.",
            )?,
            is_primary: make.gauge("is_primary", "1 while this replica is the primary.")?,
            peers_connected: make.gauge("peers_connected", "Other replicas with a link up.")?,
            executed_sequence: make.gauge("executed_sequence", "Executed by this app.")?,
            stable_checkpoint_sequence: make
                .gauge("stable_checkpoint_sequence", "The last stable checkpoint.")?,
            divergences: make.counters(
                "divergences_total",
                "Sequences where a replica's answer was not the settled one.",
                "replica",
            )?,
            verdicts: make.counter(
                "verdicts_total",
                "Requests answered by a certified 502: the replicas' answers differed.",
            )?,
            equivocations: make.counters(
                "equivocations_total",
                "Proofs that a replica signed two different votes where one is allowed.",
                "replica",
            )?,
            rejections: make.counters("rejections_total", "Messages refused.", "kind")?,
            journal_fsync: make.seconds(
                "journal_fsync_duration_seconds",
                "Waiting for the journal's disk.",
            )?,
            http_requests: make.histograms(
                "http_request_duration_seconds",
                "Answering clients, by status code.",
                "code",
            )?,
            app_roundtrip: make.seconds("app_roundtrip_seconds", "Calls of the app.")?,
            batch_size: make.histogram("batch_size", "Requests in proposed batches.", &SIZES)?,
            queue_depth: make.gauges("queue_depth", "What waits in this replica.", "queue")?,
            registry: make.0,
        };
        metrics.begin(membership);
        Ok(metrics)
    }

    /// Makes every known series exist at zero: an alert cannot watch one that does not.
    fn begin(&self, membership: &Membership) {
        for phase in PHASES {
            self.quorum_latency.with_label_values(&[phase]);
        }
        for reason in REASONS {
            self.view_changes.with_label_values(&[reason]);
        }
        for replica in membership.ids() {
            let replica = replica.to_string();
            self.divergences.with_label_values(&[&replica]);
            self.equivocations.with_label_values(&[&replica]);
        }
        for rejection in Rejection::ALL {
            self.rejections.with_label_values(&[rejection.label()]);
        }
        for queue in QUEUES {
            self.queue_depth.with_label_values(&[queue]);
        }
        self.http_requests.with_label_values(&["200"]);
    }

    /// A client was answered.
    pub fn http_request(&self, code: u16, duration: Duration) {
        // Apps choose codes; three digits bound the series.
        let code = code.clamp(100, 999).to_string();
        let series = self.http_requests.with_label_values(&[&code]);
        series.observe(duration.as_secs_f64());
    }

    /// The app answered, or did not in time.
    pub fn app_roundtrip(&self, duration: Duration) {
        self.app_roundtrip.observe(duration.as_secs_f64());
    }

    /// Where the journal's syncs are timed.
    pub(crate) fn journal_fsync(&self) -> Histogram {
        self.journal_fsync.clone()
    }

    pub(crate) fn count_for(counter: &IntCounterVec, replica: ReplicaId) {
        counter.with_label_values(&[&replica.to_string()]).inc();
    }

    /// The text that Prometheus scrapes.
    ///
    /// # Errors
    /// [`prometheus::Error`] when a metric cannot be written: a defect.
    pub fn to_text(&self) -> Result<Vec<u8>, prometheus::Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}

pub(crate) fn integer(value: impl TryInto<i64>) -> i64 {
    value.try_into().unwrap_or(i64::MAX)
}

/// Makes metrics and registers them.
struct Maker(Registry);

impl Maker {
    /// What never changes within an epoch.
    fn constants(&self, membership: &Membership) -> Result<(), prometheus::Error> {
        let quorum = self.gauge("quorum", "Replicas that make a quorum (q).")?;
        quorum.set(integer(membership.order_quorum()));
        let faults = self.gauge("fault_tolerance", "Faulty replicas tolerated (f).")?;
        faults.set(integer(membership.f()));
        Ok(())
    }

    fn register<M: prometheus::core::Collector + Clone + 'static>(
        &self,
        metric: Result<M, prometheus::Error>,
    ) -> Result<M, prometheus::Error> {
        let metric = metric?;
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
        self.register(IntGauge::new(name, help))
    }

    fn gauges(
        &self,
        name: &str,
        help: &str,
        label: &str,
    ) -> Result<IntGaugeVec, prometheus::Error> {
        self.register(IntGaugeVec::new(Opts::new(name, help), &[label]))
    }

    fn counter(&self, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
        self.register(IntCounter::new(name, help))
    }

    fn counters(
        &self,
        name: &str,
        help: &str,
        label: &str,
    ) -> Result<IntCounterVec, prometheus::Error> {
        self.register(IntCounterVec::new(Opts::new(name, help), &[label]))
    }

    fn seconds(&self, name: &str, help: &str) -> Result<Histogram, prometheus::Error> {
        self.histogram(name, help, &SECONDS)
    }

    fn histogram(
        &self,
        name: &str,
        help: &str,
        buckets: &[f64],
    ) -> Result<Histogram, prometheus::Error> {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        self.register(Histogram::with_opts(options))
    }

    fn histograms(
        &self,
        name: &str,
        help: &str,
        label: &str,
    ) -> Result<HistogramVec, prometheus::Error> {
        let options = HistogramOpts::new(name, help).buckets(SECONDS.to_vec());
        self.register(HistogramVec::new(options, &[label]))
    }
}
