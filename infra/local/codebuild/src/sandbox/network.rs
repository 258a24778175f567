//! The build's own network: its loopback, and one way out through the host's proxy.
//!
//! Nothing that listens on the machine can be reached from here, as nothing of the stack can be
//! reached from a build on AWS. What goes out is asked of the host, through a socket in the file
//! system.

use std::{
    fs, io,
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    os::unix::net::UnixStream,
    path::Path,
    thread,
};

use nix::mount::{MntFlags, MsFlags, mount, umount2};

/// Folder of the host's socket, inside.
pub(super) const FOLDER: &str = "/codebuild/network";
/// Name of the socket.
pub(crate) const SOCKET: &str = "proxy";
/// Port of the proxy on the build's loopback: one that hardly any test wants for itself.
const PORT: u16 = 61_080;
/// Up, and a loopback.
const UP: &str = "0x9";

/// Switches the loopback on. The kernel's file for it can be written since the network was made in
/// the agent's own user namespace.
pub(super) fn loopback_up() -> io::Result<()> {
    let place = Path::new("/tmp");
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("sysfs"), place, Some("sysfs"), flags, None::<&str>)?;
    let written = fs::write(place.join("class/net/lo/flags"), UP);
    umount2(place, MntFlags::MNT_DETACH)?;
    written
}

/// Listens on the loopback and passes every connection on to the host. What is returned is for the
/// environment of the commands.
pub(super) fn proxy() -> io::Result<Vec<(&'static str, String)>> {
    // Yarn 2 and later read those of their own name alone.
    const NAMES: [&str; 6] = [
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "YARN_HTTP_PROXY",
        "YARN_HTTPS_PROXY",
        "http_proxy",
        "https_proxy",
    ];
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, PORT))?;
    thread::Builder::new().name("proxy".to_owned()).spawn(move || {
        for connection in listener.incoming().flatten() {
            // No thread, no connection: the client says that it was refused.
            thread::Builder::new().spawn(move || pass(&connection)).ok();
        }
    })?;
    let address = format!("http://127.0.0.1:{PORT}");
    let own = "localhost,127.0.0.1,::1".to_owned();
    let java = format!(
        "-Dhttp.proxyHost=127.0.0.1 -Dhttp.proxyPort={PORT} -Dhttps.proxyHost=127.0.0.1 \
         -Dhttps.proxyPort={PORT} -Dhttp.nonProxyHosts=localhost|127.*|[::1]"
    );
    let mut variables = Vec::new();
    for name in NAMES {
        variables.push((name, address.clone()));
    }
    variables.extend([("NO_PROXY", own.clone()), ("no_proxy", own)]);
    // Java's tools read no variable of that kind.
    variables.extend([("MAVEN_OPTS", java.clone()), ("GRADLE_OPTS", java)]);
    Ok(variables)
}

/// Passes connections to a port of the build's loopback on to the same port of the machine's.
pub(super) fn forward(port: u16) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    thread::Builder::new().name("forward".to_owned()).spawn(move || {
        for connection in listener.incoming().flatten() {
            thread::Builder::new().spawn(move || tunnel(&connection, port)).ok();
        }
    })?;
    Ok(())
}

fn pass(inside: &TcpStream) {
    if let Ok(outside) = host() {
        both(inside, &outside);
    }
}

fn tunnel(inside: &TcpStream, port: u16) {
    let Ok(mut outside) = host() else { return };
    let ask = format!("CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n");
    if outside.write_all(ask.as_bytes()).is_err() {
        return;
    }
    // Byte by byte: what follows the answer's head belongs to the connection.
    let (mut head, mut byte) = (Vec::new(), [0_u8]);
    while !head.ends_with(b"\r\n\r\n") {
        match outside.read(&mut byte) {
            Ok(1) if head.len() < 1_024 => head.extend(byte),
            _ => return,
        }
    }
    if head.starts_with(b"HTTP/1.1 200 ") {
        both(inside, &outside);
    }
}

fn host() -> io::Result<UnixStream> {
    UnixStream::connect(Path::new(FOLDER).join(SOCKET))
}

fn both(inside: &TcpStream, outside: &UnixStream) {
    let (Ok(from), Ok(to)) = (inside.try_clone(), outside.try_clone()) else { return };
    let back = thread::Builder::new().spawn(move || {
        copy(&to, &from);
        from.shutdown(Shutdown::Write).ok();
    });
    copy(inside, outside);
    outside.shutdown(Shutdown::Write).ok();
    if let Ok(back) = back {
        back.join().ok();
    }
}

fn copy(mut from: impl Read, mut to: impl Write) {
    let mut buffer = [0_u8; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        if to.write_all(buffer.get(..read).unwrap_or_default()).is_err() {
            return;
        }
    }
}
