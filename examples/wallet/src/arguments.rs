//! The command line.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

/// A wallet served over HTTP, its data in one database file.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "wallet", version)]
pub struct Arguments {
    /// Port to listen on; 0 takes a free one and prints it
    #[arg(long, env = "PORT")]
    pub port: u16,
    /// Address to listen on
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), value_name = "ADDRESS")]
    pub listen: IpAddr,
    /// Directory that holds wallet.db
    #[arg(long, default_value = ".", value_name = "DIR")]
    pub data: PathBuf,
}
