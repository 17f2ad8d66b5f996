//! Ports that nobody listens on.

use std::net::{Ipv4Addr, TcpListener};

/// Below the range from which the system takes the ports of outgoing connections.
const LOWEST: u16 = 20_000;

/// Above the last block tried.
const HIGHEST: u16 = 32_000;

/// The first of `count` adjacent free ports.
///
/// # Panics
/// When there is no such block.
pub fn free_block(count: u16) -> u16 {
    // Different test programs start at different places, so that they seldom meet.
    let spread = u16::try_from(std::process::id() % 100).unwrap_or(0) * 100;
    let bases = (0..120).map(|step| LOWEST + (spread + step * 100) % (HIGHEST - LOWEST));
    let mut free = bases.filter(|base| (*base..base + count).all(is_free));
    free.next().expect("the machine has a block of free ports")
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_with_a_taken_port_is_passed_over() {
        let first = free_block(3);
        let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, first + 1)).unwrap();
        assert_ne!(free_block(3), first);
    }
}
