//! Which socket takes the connections to the app's port, as the kernel tells it.
//!
//! Sidecar and app share a network namespace. A process that is started anew must listen anew, and
//! the kernel gives each socket an inode of its own: another inode is another life of the app. The
//! tables are `/proc/net/tcp` and `/proc/net/tcp6` (proc(5)).

use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// `TCP_LISTEN` as the tables write it.
const LISTENS: &str = "0A";

/// Lines of one table that are looked at; whoever has more connections listens further up.
const MAX_LINES: usize = 65_536;

/// The sockets that take connections to one address.
#[derive(Debug)]
pub(super) struct ListeningSockets {
    address: SocketAddr,
    tables: [PathBuf; 2],
    /// What tells this namespace from those of other pods and earlier starts of the node.
    namespace: String,
}

/// How well a listening socket fits an address: the kernel prefers the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Exactly,
    AllOfItsFamily,
    AllOfBothFamilies,
}

impl ListeningSockets {
    /// `None` when the address is not this host's, or the kernel tells nothing.
    pub(super) fn of(address: &str) -> Option<Self> {
        let address: SocketAddr = address.parse().ok()?;
        let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(PathBuf::from);
        let known = address.ip().is_loopback() && tables[0].exists();
        known.then(|| Self {
            address,
            tables,
            namespace: namespace(),
        })
    }

    /// What names the sockets that now take connections; `None` when there are none.
    pub(super) fn identity(&self) -> Option<Vec<u8>> {
        let mut found = Vec::new();
        for table in &self.tables {
            // Without IPv6 there is no second table.
            found.extend(self.listening(table).unwrap_or_default());
        }
        let best = found.iter().map(|(fit, _)| *fit).min()?;
        let mut inodes: Vec<u64> = found
            .into_iter()
            .filter(|(fit, _)| *fit == best)
            .map(|(_, inode)| inode)
            .collect();
        // The kernel hands the table out a page at a time: what moves in between is told twice.
        inodes.sort_unstable();
        inodes.dedup();
        Some(format!("{} {inodes:?}", self.namespace).into_bytes())
    }

    /// Those of one table. It lists what listens first, so the rest is not read.
    fn listening(&self, table: &Path) -> io::Result<Vec<(Fit, u64)>> {
        let lines = BufReader::new(File::open(table)?).lines();
        let mut found = Vec::new();
        for line in lines.skip(1).take(MAX_LINES) {
            let line = line?;
            let Some((local, inode)) = listening_socket(&line) else {
                if found.is_empty() {
                    continue;
                }
                break;
            };
            if let Some(fit) = self.fit(local) {
                found.push((fit, inode));
            }
        }
        Ok(found)
    }

    fn fit(&self, local: SocketAddr) -> Option<Fit> {
        if local.port() != self.address.port() {
            return None;
        }
        let (local, wanted) = (local.ip(), self.address.ip());
        if local.to_canonical() == wanted.to_canonical() {
            Some(Fit::Exactly)
        } else if !local.is_unspecified() {
            None
        } else if local.is_ipv4() == wanted.is_ipv4() {
            Some(Fit::AllOfItsFamily)
        } else {
            local.is_ipv6().then_some(Fit::AllOfBothFamilies)
        }
    }
}

/// This start of the node and this network namespace.
fn namespace() -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let network = std::fs::read_link("/proc/self/ns/net").unwrap_or_default();
    format!("{} {}", boot.trim(), network.display())
}

/// Address and inode of a line that tells of a listening socket.
fn listening_socket(line: &str) -> Option<(SocketAddr, u64)> {
    let mut fields = line.split_ascii_whitespace();
    let local = fields.nth(1)?;
    if fields.nth(1)? != LISTENS {
        return None;
    }
    let inode = fields.nth(5)?.parse().ok()?;
    Some((socket_address(local)?, inode))
}

/// `0100007F:1F90`: the address in words of the host's byte order, the port in plain hexadecimal.
fn socket_address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let words: Option<Vec<[u8; 4]>> = address
        .as_bytes()
        .chunks(8)
        .map(|digits| {
            let digits = std::str::from_utf8(digits).ok()?;
            Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
        })
        .collect();
    let words = words?.concat();
    let address = match words.len() {
        4 => IpAddr::from(Ipv4Addr::from(<[u8; 4]>::try_from(words).ok()?)),
        16 => IpAddr::from(Ipv6Addr::from(<[u8; 16]>::try_from(words).ok()?)),
        _ => return None,
    };
    Some(SocketAddr::new(address, port))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    const HEAD: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when \
        retrnsmt   uid  timeout inode\n";

    fn line(local: &str, state: &str, inode: u64) -> String {
        format!(
            "   0: {local} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000 65532\
             \u{20}       0 {inode} 1 0000000000000000 100 0 0 10 0\n"
        )
    }

    /// What names the sockets of 127.0.0.1:8080, of whose namespace nothing is known.
    fn identity(v4: &[String], v6: &[String]) -> Option<String> {
        let directory = tempfile::tempdir().unwrap();
        let tables = ["tcp", "tcp6"].map(|name| directory.path().join(name));
        for (table, lines) in tables.iter().zip([v4, v6]) {
            std::fs::write(table, HEAD.to_owned() + &lines.concat()).unwrap();
        }
        let sockets = ListeningSockets {
            address: "127.0.0.1:8080".parse().unwrap(),
            tables,
            namespace: "here".to_owned(),
        };
        let identity = sockets.identity()?;
        Some(String::from_utf8(identity).unwrap())
    }

    #[test]
    fn the_socket_on_all_addresses_is_found() {
        let lines = [
            line("00000000:1F91", LISTENS, 6),
            line("00000000:1F90", LISTENS, 7),
            line("0100007F:1F90", "01", 8),
        ];
        assert_eq!(identity(&lines, &[]).unwrap(), "here [7]");
    }

    #[test]
    fn the_most_exact_socket_is_the_one_that_answers() {
        let wide = line("00000000:1F90", LISTENS, 7);
        let exact = line("0100007F:1F90", LISTENS, 9);
        let other = line("0200007F:1F90", LISTENS, 11);
        let both = line("00000000000000000000000000000000:1F90", LISTENS, 12);
        let v6 = [both];
        assert_eq!(identity(&[], &v6).unwrap(), "here [12]");
        assert_eq!(
            identity(std::slice::from_ref(&wide), &v6).unwrap(),
            "here [7]"
        );
        assert_eq!(identity(&[other, wide, exact], &v6).unwrap(), "here [9]");
    }

    #[test]
    fn mapped_addresses_and_shared_ports_count() {
        let mapped = line("0000000000000000FFFF00000100007F:1F90", LISTENS, 13);
        assert_eq!(identity(&[], &[mapped]).unwrap(), "here [13]");
        let first = line("00000000:1F90", LISTENS, 21);
        let second = line("00000000:1F90", LISTENS, 20);
        assert_eq!(identity(&[first, second], &[]).unwrap(), "here [20, 21]");
    }

    #[test]
    fn a_socket_told_twice_is_one() {
        let told = [7, 7].map(|inode| line("0100007F:1F90", LISTENS, inode));
        assert_eq!(identity(&told, &[]).unwrap(), "here [7]");
    }

    #[test]
    fn nothing_listens_and_noise_is_no_socket() {
        assert_eq!(identity(&[line("0100007F:1F90", "06", 0)], &[]), None);
        assert_eq!(
            identity(&["garbage\n".to_owned(), ":\n".to_owned()], &[]),
            None
        );
        assert_eq!(identity(&[line("0100007F1:1F90", LISTENS, 3)], &[]), None);
    }

    #[test]
    fn a_real_listener_is_seen_and_its_successor_told_apart() {
        for (bound, asked) in [("127.0.0.1:0", "127.0.0.1"), ("[::]:0", "127.0.0.1")] {
            let Ok(listener) = TcpListener::bind(bound) else {
                continue;
            };
            let port = listener.local_addr().unwrap().port();
            let sockets = ListeningSockets::of(&format!("{asked}:{port}")).unwrap();
            let first = sockets.identity().expect("it listens");
            assert_eq!(sockets.identity(), Some(first.clone()));
            drop(listener);
            assert_eq!(sockets.identity(), None);
            let address = format!("{}:{port}", bound.trim_end_matches(":0"));
            let again = TcpListener::bind(address).unwrap();
            let second = sockets.identity().expect("it listens again");
            assert_ne!(first, second);
            drop(again);
        }
    }

    #[test]
    fn of_other_hosts_nothing_is_known() {
        assert!(ListeningSockets::of("10.0.0.1:80").is_none());
        assert!(ListeningSockets::of("app:80").is_none());
    }
}
