//! Condition `KeysPinned`: whether the replicas are those that the service began with.

use super::{Picture, Reason, Verdict};
use crate::plan::ClaimTrouble;
use crate::report::EnrolmentState;

/// Whose keys are missing or wrong.
pub(super) fn pinned(picture: &Picture<'_>) -> Verdict {
    let lost = picture.claims.troubles.iter();
    let mut lost = lost.filter(|(_, trouble)| {
        matches!(trouble, ClaimTrouble::LedgerLost | ClaimTrouble::VolumeLost)
    });
    if let Some((ordinal, _)) = lost.next() {
        return Verdict::no(Reason::KeyChanged, message_of(picture, *ordinal));
    }
    if let Some(verdict) = said(picture) {
        return verdict;
    }
    let missing: Vec<String> = (0..picture.situation.replicas())
        .filter(|ordinal| !picture.situation.pinned.keys.contains_key(ordinal))
        .map(|ordinal| ordinal.to_string())
        .collect();
    if picture.is_member() {
        let message = "every replica is known by the keys that it began with";
        return Verdict::yes(Reason::AllPinned, message);
    }
    let message = format!(
        "waiting for the keys of replicas {}. Next: if this stays so, see status.members",
        missing.join(", ")
    );
    Verdict::no(Reason::WaitingForReplica, message)
}

fn message_of(picture: &Picture<'_>, ordinal: u32) -> String {
    let mut members = picture.members.iter();
    let member = members.find(|member| member.ordinal == ordinal);
    let message = member.map_or("", |member| &member.message);
    format!("replica {ordinal}: {message}")
}

/// What sidecars say about their own keys.
fn said(picture: &Picture<'_>) -> Option<Verdict> {
    picture
        .situation
        .observed
        .reports
        .iter()
        .find_map(|(ordinal, report)| {
            let enrolment = report.enrolment.as_ref()?;
            let reason = match enrolment.state {
                EnrolmentState::KeysLost | EnrolmentState::Refused => Reason::KeyChanged,
                EnrolmentState::ForeignVolume => Reason::ForeignVolume,
                _ => return None,
            };
            let detail = &enrolment.detail;
            Some(Verdict::no(
                reason,
                format!("replica {ordinal} says: {detail}"),
            ))
        })
}
