//! The status as text.

use std::fmt::Write as _;

use byzantine_sidecar::status::{Divergence, Observation, ObservationKind, Status};
use comfy_table::{Table, presets::UTF8_HORIZONTAL_ONLY};
use http::Uri;

use super::faults_left;
use crate::instant::rfc3339;

/// Observations and divergences shown; all of them are in the JSON.
const SHOWN: usize = 20;

/// Everything on one page.
pub(super) fn text(addresses: &[Uri], statuses: &[Option<Status>]) -> String {
    let mut text = headline(statuses);
    let _ = writeln!(text, "{}", replicas(addresses, statuses));
    section(&mut text, "noticed", &observations(statuses));
    section(&mut text, "answers that differed", &divergences(statuses));
    text.push_str(
        "limits: silence is not blame; a replica that lies in ways that nobody could notice is \
         not shown; each replica speaks for itself.",
    );
    text
}

fn headline(statuses: &[Option<Status>]) -> String {
    let Some(any) = statuses.iter().flatten().next() else {
        return "no replica answers\n".to_owned();
    };
    let ready = statuses
        .iter()
        .flatten()
        .filter(|status| status.ready)
        .count();
    let state = if ready >= any.quorum {
        "serving"
    } else {
        "NO QUORUM"
    };
    format!(
        "{}: {state}; {ready} of {} replicas ready, {} needed, {} more may fail (f = {}), a proof \
         has {} signatures\n",
        any.service,
        any.members,
        any.quorum,
        faults_left(statuses, any.fault_tolerance),
        any.fault_tolerance,
        any.reply_quorum,
    )
}

fn replicas(addresses: &[Uri], statuses: &[Option<Status>]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY);
    table.set_header([
        "replica", "state", "view", "sequence", "lag", "leaves", "app", "peers",
    ]);
    let newest = statuses
        .iter()
        .flatten()
        .map(|status| status.settled_sequence)
        .max();
    for (place, (address, status)) in addresses.iter().zip(statuses).enumerate() {
        let at = address
            .authority()
            .map_or("", |authority| authority.as_str());
        let silent = || [place.to_string(), format!("not heard at {at}")].into();
        let cells: Vec<String> = status
            .as_ref()
            .map_or_else(silent, |status| row(status, newest.unwrap_or(0)).into());
        table.add_row(cells);
    }
    table
}

fn row(status: &Status, newest: u64) -> [String; 8] {
    let role = if status.primary == status.replica {
        " (primary)"
    } else {
        ""
    };
    let state = match (status.ready, status.in_view_change) {
        (_, true) => "changing view".to_owned(),
        (true, false) => format!("ready{role}"),
        (false, false) => format!("not ready{role}: {}", status.reasons.join(" ")),
    };
    let app = &status.app;
    let health = match (app.diverged, app.healthy) {
        (true, _) => "diverged",
        (false, true) => "well",
        (false, false) => "unwell",
    };
    let connected = status.peers.iter().filter(|peer| peer.connected).count();
    [
        status.replica.to_string(),
        state,
        status.view.to_string(),
        status.settled_sequence.to_string(),
        newest.saturating_sub(status.settled_sequence).to_string(),
        status.ledger_size.to_string(),
        format!("{health}, {} {}", app.state, app.detail)
            .trim_end()
            .to_owned(),
        format!("{connected} of {}", status.peers.len()),
    ]
}

fn observations(statuses: &[Option<Status>]) -> Vec<String> {
    let mut all: Vec<(u8, &Observation)> = statuses
        .iter()
        .flatten()
        .flat_map(|status| {
            status
                .observations
                .iter()
                .map(|seen| (status.replica, seen))
        })
        .collect();
    all.sort_by_key(|(_, seen)| seen.last_unix_ms);
    all.iter()
        .rev()
        .map(|(by, seen)| observation(*by, seen))
        .collect()
}

fn observation(by: u8, seen: &Observation) -> String {
    let about = seen
        .replica
        .map_or(String::new(), |replica| format!(" of replica {replica}"));
    format!(
        "{}{about}, {}×, seen by replica {by}, last {}: {} Next: {}",
        kind(seen.kind),
        seen.count,
        rfc3339(seen.last_unix_ms),
        seen.detail,
        seen.next_step,
    )
}

fn kind(kind: ObservationKind) -> &'static str {
    match kind {
        ObservationKind::Equivocation => "equivocation",
        ObservationKind::BadSignature => "bad signature",
        ObservationKind::WrongAnswer => "wrong answer",
        ObservationKind::InvalidMessage => "invalid message",
        ObservationKind::Silent => "silence",
        ObservationKind::Slow => "slowness",
        ObservationKind::NoQuorumAnswer => "no quorum answer",
        ObservationKind::ViewChange => "view change",
        ObservationKind::DamagedJournal => "damaged journal",
    }
}

fn divergences(statuses: &[Option<Status>]) -> Vec<String> {
    let mut all: Vec<(u8, &Divergence)> = statuses
        .iter()
        .flatten()
        .flat_map(|status| status.divergences.iter().map(|one| (status.replica, one)))
        .collect();
    all.sort_by_key(|(_, one)| std::cmp::Reverse((one.sequence, one.index)));
    all.iter().map(|(by, one)| divergence(*by, one)).collect()
}

/// Each is one replica's word, which a liar gives, too.
fn divergence(by: u8, one: &Divergence) -> String {
    let differs = &one.differs;
    let place = match (&differs.name, &differs.pointer) {
        (Some(name), _) => format!("header `{name}`"),
        (None, Some(pointer)) => format!("content at `{pointer}`"),
        (None, None) => differs.part.clone(),
    };
    let other = if by == one.replica {
        "the others".to_owned()
    } else {
        format!("replica {}", one.replica)
    };
    let outcome = if one.settled {
        "a quorum agreed"
    } else {
        "not settled when it was seen"
    };
    format!(
        "{} (request {}.{}): replica {by} says that {place} is {} with it and {} with {other}; \
         {outcome}",
        one.request, one.sequence, one.index, differs.ours, differs.theirs,
    )
}

fn section(text: &mut String, title: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{title}:");
    for line in lines.iter().take(SHOWN) {
        let _ = writeln!(text, "  - {line}");
    }
    if lines.len() > SHOWN {
        let _ = writeln!(text, "  and {} more: --output json", lines.len() - SHOWN);
    }
}
