//! Ports of services and of their instances.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    ops::Range,
    path::Path,
    time::Duration,
};

use tokio::net::TcpStream;

/// Ports that are picked for services: below those that systems give to outgoing connections.
pub(crate) const SERVICES: Range<u16> = 20_000..30_000;
/// Ports that are picked for instances.
const INSTANCES: Range<u16> = 10_000..20_000;
/// How long a connection to a program of this machine may take.
const CONNECTS: Duration = Duration::from_secs(1);

/// A free port for an instance, none of `taken`. Hosts begin their search at different places, so
/// that two of them hardly take the same port between the look and the start.
///
/// # Errors
/// Every port is in use.
pub(crate) fn for_instance(taken: &[u16]) -> io::Result<u16> {
    search(INSTANCES, RandomState::new().build_hasher().finish(), taken)
}

/// A free port for the service of this name of the host with this folder, none of `taken`: as a rule
/// the same one again, and another than that of the same name of another host.
///
/// # Errors
/// Every port is in use.
pub(crate) fn for_service(home: &Path, name: &str, taken: &[u16]) -> io::Result<u16> {
    // FNV-1a: spreads names; nothing relies on it being hard to reverse.
    let bytes = home.as_os_str().as_encoded_bytes().iter().copied().chain(name.bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    search(SERVICES, hash, taken)
}

fn search(range: Range<u16>, start: u64, taken: &[u16]) -> io::Result<u16> {
    let count = range.end - range.start;
    let first = u16::try_from(start % u64::from(count)).unwrap_or(0);
    (0..count)
        .map(|offset| range.start + (first + offset) % count)
        .find(|port| !taken.contains(port) && is_free(*port))
        .ok_or_else(|| io::Error::new(io::ErrorKind::AddrInUse, "every port is in use"))
}

/// Whether no program listens on the port, on any address of this machine.
pub(crate) fn is_free(port: u16) -> bool {
    let in_use = |address: SocketAddr| {
        TcpListener::bind(address).is_err_and(|e| e.kind() == io::ErrorKind::AddrInUse)
    };
    !in_use((Ipv4Addr::UNSPECIFIED, port).into())
        && !in_use((Ipv4Addr::LOCALHOST, port).into())
        && !in_use((Ipv6Addr::UNSPECIFIED, port).into())
}

/// Where something takes connections on the port, if it does.
pub(crate) async fn connect(port: u16) -> Option<SocketAddr> {
    for address in
        [SocketAddr::from((Ipv4Addr::LOCALHOST, port)), (Ipv6Addr::LOCALHOST, port).into()]
    {
        if let Ok(Ok(_)) = tokio::time::timeout(CONNECTS, TcpStream::connect(address)).await {
            return Some(address);
        }
    }
    None
}
