//! The ports of services.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    time::Duration,
};

use tokio::net::TcpStream;

use super::{
    layout::{Layout, read_json, write_json},
    settings::Service,
};
use crate::names::hash;

/// Ports that are picked for services: below those that systems give to outgoing connections.
const PORTS: std::ops::Range<u16> = 20_000..30_000;

/// The port of the folder's service: the configured one, or the one that was picked before, or
/// a free one, which is kept for ever after.
pub(crate) fn port(layout: &Layout, service: &Service) -> io::Result<u16> {
    match service.port {
        Some(port) => Ok(port),
        None => match read_json::<u16>(&layout.run().join(".port"))? {
            Some(port) if PORTS.contains(&port) => Ok(port),
            _ => pick_port(layout),
        },
    }
}

/// Picks a free port and keeps it. Folders begin their search at different places.
pub(crate) fn pick_port(layout: &Layout) -> io::Result<u16> {
    let count = PORTS.end - PORTS.start;
    let first = u16::try_from(hash(&layout.marker()) % u64::from(count)).unwrap_or(0);
    let port = (0..count)
        .map(|offset| PORTS.start + (first + offset) % count)
        .find(|port| is_free(*port))
        .ok_or_else(|| io::Error::new(io::ErrorKind::AddrInUse, "every port is in use"))?;
    write_json(&layout.run().join(".port"), &port)?;
    Ok(port)
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
        let attempt = tokio::time::timeout(Duration::from_secs(1), TcpStream::connect(address));
        if let Ok(Ok(_)) = attempt.await {
            return Some(address);
        }
    }
    None
}
