//! Finding ports for four replicas: a gateway, a peer and an admin port each.

use std::net::{Ipv4Addr, TcpListener};

use crate::demo::seen;
use crate::error::XtaskError;

/// How many replicas the demonstration runs.
pub(crate) const REPLICAS: u16 = 4;
/// The distance between the gateways of two replicas, as `byz run` lays them out.
pub(crate) const STRIDE: u16 = 10;

const FIRST_BASE: u16 = 15080;
const BASES_MAX: u16 = 200;
const PORTS_PER_REPLICA: u16 = 3;

/// The first base from which all ports are free.
///
/// # Errors
/// [`XtaskError::Demo`] if none is.
pub(crate) fn free_base() -> Result<u16, XtaskError> {
    let mut bases = (0..BASES_MAX).map(|index| FIRST_BASE + index * STRIDE * REPLICAS);
    bases.find(|base| ports(*base).all(is_free)).ok_or_else(|| {
        seen(
            "no free ports on 127.0.0.1",
            "Stop what listens between 15080 and 23080.",
        )
    })
}

fn ports(base: u16) -> impl Iterator<Item = u16> {
    (0..REPLICAS).flat_map(move |replica| {
        (0..PORTS_PER_REPLICA).map(move |port| base + replica * STRIDE + port)
    })
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twelve_ports_are_needed() {
        let ports: Vec<_> = ports(15080).collect();
        assert_eq!((ports.len(), ports[0], ports[11]), (12, 15080, 15112));
    }

    #[test]
    fn a_base_with_a_port_in_use_is_passed_over() {
        let base = free_base().unwrap();
        let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, base + 11)).unwrap();
        assert_ne!(free_base().unwrap(), base);
    }
}
