//! Listeners for one client on this machine, at an address that nobody guesses.
//!
//! A program is told `host:port` and nothing else, so there is no room for a password in it. But all
//! of 127.0.0.0/8 is this machine: the host is drawn at random, and with the port it makes about 37
//! bits that whoever looks for a listener (a page in a browser, a test that probes ports) would have
//! to try. It does not hide the listener from processes of the same user, who may read where others
//! listen; those are kept apart by namespaces, or not at all.

use std::{
    io,
    net::{Ipv4Addr, TcpListener},
};

/// Listens on a random port of a random loopback address.
///
/// Where the system has 127.0.0.1 alone, it is that one, and only the port is random.
///
/// # Errors
/// When no port is free.
pub fn listen() -> io::Result<TcpListener> {
    let random = uuid::Uuid::new_v4().into_bytes();
    let [a, b, c, ..] = random;
    // Neither the network's own address nor its broadcast address, nor a host that others use.
    let host = Ipv4Addr::new(127, a | 1, b, c.clamp(2, 254));
    let listener =
        TcpListener::bind((host, 0)).or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;

    #[test]
    fn an_address_is_reached_by_who_knows_it_and_by_no_other_host() {
        let (one, other) = (listen().unwrap(), listen().unwrap());
        let address = one.local_addr().unwrap();
        assert!(address.ip().is_loopback());
        assert!(TcpStream::connect(address).is_ok());
        if cfg!(target_os = "linux") {
            assert_ne!(address.ip(), other.local_addr().unwrap().ip());
            assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, address.port())).is_err());
        }
    }
}
