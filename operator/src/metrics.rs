//! The operator's own numbers.

use std::time::Duration;

use prometheus::{
    Encoder as _, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};

/// Upper bounds in seconds: a look takes a few round trips to the API server.
const BUCKETS: [f64; 10] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The operator's own numbers.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    looks: IntCounterVec,
    durations: HistogramVec,
    leader: IntGauge,
    /// What became of enrolments.
    pub enrolments: IntCounterVec,
}

impl Metrics {
    /// Registers all of them.
    ///
    /// # Errors
    /// What the library says of names that are not valid or taken twice.
    pub fn new() -> Result<Self, prometheus::Error> {
        let looks = IntCounterVec::new(
            Opts::new(
                "byzantine_operator_reconciles_total",
                "Looks at a service, by result: ok, conflict (others wrote first) or error.",
            ),
            &["result"],
        )?;
        let durations = HistogramVec::new(
            HistogramOpts::new(
                "byzantine_operator_reconcile_duration_seconds",
                "How long a look at a service took, by result.",
            )
            .buckets(BUCKETS.to_vec()),
            &["result"],
        )?;
        let leader = IntGauge::new(
            "byzantine_operator_is_leader",
            "1 while this operator holds the lease and acts.",
        )?;
        let enrolments = IntCounterVec::new(
            Opts::new(
                "byzantine_operator_enrolments_total",
                "Enrolments of sidecars' public keys, by result: complete, pinned, or the reason \
                 of the refusal.",
            ),
            &["result"],
        )?;
        let registry = Registry::new();
        registry.register(Box::new(looks.clone()))?;
        registry.register(Box::new(durations.clone()))?;
        registry.register(Box::new(leader.clone()))?;
        registry.register(Box::new(enrolments.clone()))?;
        // Series that are there from the start can be alerted on.
        for result in ["ok", "conflict", "error"] {
            looks.with_label_values(&[result]);
            durations.with_label_values(&[result]);
        }
        enrolments.with_label_values(&["complete"]);
        Ok(Self {
            registry,
            looks,
            durations,
            leader,
            enrolments,
        })
    }

    /// Counts a look at a service.
    pub fn looked(&self, result: &str, took: Duration) {
        self.looks.with_label_values(&[result]).inc();
        self.durations
            .with_label_values(&[result])
            .observe(took.as_secs_f64());
    }

    /// Whether this operator acts.
    pub fn set_leader(&self, leader: bool) {
        self.leader.set(i64::from(leader));
    }

    /// All of them in the text format of Prometheus.
    pub fn text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        let encoded = TextEncoder::new().encode(&self.registry.gather(), &mut text);
        encoded.expect("a vector takes everything, and every metric has a name");
        text
    }
}
