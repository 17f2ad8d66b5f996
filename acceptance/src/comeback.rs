//! What must be true of a replica that was away.

use crate::Call;
use crate::eventually::until;
use crate::programs::byz;
use crate::service::Service;

/// The replica has everything that the others have.
///
/// # Panics
/// When it does not catch up in time.
pub async fn caught_up(service: &mut Service, victim: u8) {
    service.ready(victim).await;
    let service = &*service;
    let what = format!("replica {victim} has caught up");
    let roots = async || {
        let mut roots = Vec::new();
        for replica in service.replicas() {
            let status = service.status(replica).await;
            roots.push(status.map(|status| (status.ledger_size, status.ledger_root)));
        }
        roots
    };
    until(&what, roots, |roots| {
        roots.iter().all(|root| *root == roots[0])
    })
    .await;
}

/// While another replica stands still, there is a quorum only if the one that was killed votes.
///
/// # Panics
/// When it does not.
pub async fn votes_again(service: &Service, victim: u8) {
    let other = (victim + 1) % 4;
    service.pause(other);
    let client = service.client();
    for number in 0..10 {
        let call = Call::get("/total", format!("votes-{number}"));
        let answered = client.call(&call, usize::from(victim)).await;
        assert_eq!(
            answered.gateway,
            usize::from(victim),
            "{:?}",
            client.refusals()
        );
    }
    service.resume(other);
}

/// The ledgers on disk are equal byte for byte, and every checkpoint carries its signatures.
///
/// # Panics
/// When the audit says otherwise.
pub fn ledgers_are_equal(service: &Service) {
    let data = service.data().display().to_string();
    let audit = byz(["audit", "--data", &data]);
    assert_eq!(audit.code, Some(0), "{audit:?}");
}
