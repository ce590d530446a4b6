//! What may travel unencrypted: nothing that leaves this machine, unless an operator allows it.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Host and port, where `url` is plain HTTP to another machine.
pub(super) fn plain_to_another_machine(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("http://")?;
    let authority = rest.split(['/', '?']).next().unwrap_or(rest);
    (!is_loopback(authority)).then_some(authority)
}

pub(super) fn is_loopback(authority: &str) -> bool {
    let host = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => authority.split(':').next().unwrap_or(authority),
    };
    // With bucket names in the host: `bucket.localhost`.
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
        || host.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback())
}
