//! `sim run`: one seed, with a line for each event if wanted.

use clap::Args;
use serde_json::json;

use super::{Output, Verdict, reproduction};
use crate::say::say;
use crate::selection::Selection;
use crate::world::run;

/// Arguments of `sim run`.
#[derive(Debug, Args)]
pub(super) struct Run {
    #[command(flatten)]
    selection: Selection,
    /// Print one line an event
    #[arg(long, short)]
    verbose: bool,
}

impl Run {
    pub(super) fn execute(&self, output: Output) -> Verdict {
        let options = self.selection.options();
        let report = run(&options, self.verbose && output == Output::Text);
        let arguments = options.arguments();
        if output == Output::Json {
            let violation = report.violation.as_ref();
            let text = json!({
                "arguments": arguments,
                "hash": format!("{:016x}", report.hash),
                "events": report.events,
                "virtualMicroseconds": report.ended,
                "viewsAfterHealing": report.views,
                "answered": report.answered,
                "counts": report.counts,
                "invariant": violation.map(|violation| violation.invariant),
                "detail": violation.map(|violation| violation.detail.clone()),
            });
            say!("{text}");
        } else {
            let seconds = report.ended / 1_000_000;
            let (events, answered, hash) = (report.events, report.answered, report.hash);
            say!("{events} events in {seconds} virtual seconds, {answered} requests answered");
            say!("hash {hash:016x}");
        }
        match report.violation {
            None => Verdict::Kept,
            Some(violation) => {
                eprintln!("broken: {}: {}", violation.invariant, violation.detail);
                eprintln!("again:  {}", reproduction(&arguments));
                Verdict::Broken
            }
        }
    }
}
