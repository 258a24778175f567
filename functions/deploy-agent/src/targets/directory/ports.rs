//! The port of an environment's service.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
};

use super::layout::{Layout, read_json, remove_file, write_json};

/// Ports that are picked for services: below those that systems give to outgoing connections.
const PORTS: std::ops::Range<u16> = 20_000..30_000;

/// The port that was picked before for the folder's service: it stays its own for ever after.
pub(crate) fn kept(layout: &Layout) -> io::Result<Option<u16>> {
    Ok(read_json::<u16>(&layout.run().join(".port"))?.filter(|port| PORTS.contains(port)))
}

/// Keeps the port that was picked.
pub(crate) fn keep(layout: &Layout, port: u16) -> io::Result<()> {
    if kept(layout)? == Some(port) {
        return Ok(());
    }
    write_json(&layout.run().join(".port"), &port)
}

/// Forgets it: another is picked.
pub(crate) fn forget(layout: &Layout) -> io::Result<()> {
    remove_file(&layout.run().join(".port"))
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
