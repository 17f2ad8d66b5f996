//! A manifest is read, or refused with a cause; a service that was read has its numbers.

use byzantine_resource::read;

pub(super) fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match read(text) {
        Ok(service) => {
            if service.problems().is_empty() {
                let spec = &service.spec;
                assert!(spec.replica_count() >= spec.fewest_replicas());
                assert!(spec.reply_quorum() <= spec.replica_count());
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
