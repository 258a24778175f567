//! The way out of a build's network: an HTTP proxy on a socket in the file system.
//!
//! It connects to what the internet has, as a build on AWS may. What listens on this machine is not
//! there for builds, nor is the link-local network, where clouds answer with credentials.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use axum::http::Uri;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpStream, UnixListener, UnixStream, lookup_host},
    sync::Semaphore,
    task::JoinHandle,
};

use crate::sandbox::SOCKET;

/// Connections of one build at once.
const CONNECTIONS: usize = 256;
/// The longest head of a request.
const HEAD: usize = 32 * 1024;
/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(20);

/// A proxy for one build. It ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    folder: TempDir,
    server: JoinHandle<()>,
}

impl Proxy {
    /// Listens in a new folder. `upstream` is the machine's own proxy, where it has one; `ports` are
    /// those of this machine's loopback that the build may reach all the same.
    pub(crate) fn start(upstream: Option<Uri>, ports: Vec<u16>) -> io::Result<Self> {
        // A short path: the name of a socket has room for little more than a hundred bytes.
        let folder = tempfile::Builder::new().prefix("build-").tempdir()?;
        let listener = UnixListener::bind(folder.path().join(SOCKET))?;
        let ways = Arc::new(Ways { upstream, ports });
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        let server = tokio::spawn(async move {
            loop {
                let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
                let Ok((client, _)) = listener.accept().await else { continue };
                let ways = Arc::clone(&ways);
                tokio::spawn(async move {
                    if let Err(error) = serve(client, &ways).await {
                        tracing::debug!(%error, "a connection of a build ended");
                    }
                    drop(permit);
                });
            }
        });
        Ok(Self { folder, server })
    }

    /// Folder of the socket.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Where a build may go.
#[derive(Debug)]
struct Ways {
    upstream: Option<Uri>,
    ports: Vec<u16>,
}

/// What a client asks for.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    host: String,
    port: u16,
    /// What is sent first; none for a tunnel.
    head: Option<Vec<u8>>,
}

async fn serve(mut client: UnixStream, ways: &Ways) -> io::Result<()> {
    let mut read = Vec::new();
    let end = loop {
        if let Some(end) = head_end(&read) {
            break end;
        }
        if read.len() > HEAD || client.read_buf(&mut read).await? == 0 {
            return Ok(());
        }
    };
    let (head, rest) = read.split_at(end);
    let Some(wanted) = wanted(head) else {
        return client.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
    };
    let connected = tokio::time::timeout(CONNECT, connect(&wanted, ways)).await;
    let mut server = match connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
        Ok(server) => server,
        Err(error) => {
            let status = match error.kind() {
                io::ErrorKind::PermissionDenied => "403 Forbidden",
                _ => "502 Bad Gateway",
            };
            let text = format!("a build cannot reach {}:{}: {error}\n", wanted.host, wanted.port);
            let length = text.len();
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{text}");
            return client.write_all(answer.as_bytes()).await;
        }
    };
    match &wanted.head {
        None => client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?,
        Some(head) => server.write_all(head).await?,
    }
    server.write_all(rest).await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

/// Where the head of a request ends.
fn head_end(read: &[u8]) -> Option<usize> {
    read.windows(4).position(|window| window == b"\r\n\r\n").map(|place| place + 4)
}

fn wanted(head: &[u8]) -> Option<Wanted> {
    let text = std::str::from_utf8(head).ok()?;
    let (line, fields) = text.split_once("\r\n")?;
    let mut words = line.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    let uri: Uri = target.parse().ok()?;
    let host = uri.host()?.trim_matches(['[', ']']).to_owned();
    if method == "CONNECT" {
        return Some(Wanted { host, port: uri.port_u16()?, head: None });
    }
    if uri.scheme_str() != Some("http") {
        return None;
    }
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    // One answer a connection: the next request may be for another host.
    let mut own = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    for field in fields.split("\r\n").filter(|field| !field.is_empty()) {
        let name = field.split(':').next().unwrap_or_default().to_ascii_lowercase();
        if name != "connection" && !name.starts_with("proxy-") {
            own.push_str(field);
            own.push_str("\r\n");
        }
    }
    own.push_str("\r\n");
    Some(Wanted { host, port: uri.port_u16().unwrap_or(80), head: Some(own.into_bytes()) })
}

async fn connect(wanted: &Wanted, ways: &Ways) -> io::Result<TcpStream> {
    let Wanted { host, port, .. } = wanted;
    if ["127.0.0.1", "localhost"].contains(&host.as_str()) && ways.ports.contains(port) {
        return TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).await;
    }
    if let Some(proxy) = &ways.upstream {
        return through(proxy, host, *port).await;
    }
    let mut refused = io::Error::new(io::ErrorKind::NotFound, "it has no address");
    for address in lookup_host((host.as_str(), *port)).await? {
        if !reachable(address.ip()) {
            let reason = "it is this machine, or a network of its own";
            refused = io::Error::new(io::ErrorKind::PermissionDenied, reason);
            continue;
        }
        match TcpStream::connect(SocketAddr::new(address.ip(), *port)).await {
            Ok(stream) => return Ok(stream),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

/// Through the machine's own proxy, which resolves names itself.
async fn through(proxy: &Uri, host: &str, port: u16) -> io::Result<TcpStream> {
    let odd = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, what.to_owned());
    if host.parse::<IpAddr>().is_ok_and(|ip| !reachable(ip)) || host == "localhost" {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is this machine"));
    }
    let own = proxy.host().ok_or_else(|| odd("the proxy has no host"))?;
    let mut stream = TcpStream::connect((own, proxy.port_u16().unwrap_or(80))).await?;
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let ask = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n");
    stream.write_all(ask.as_bytes()).await?;
    let mut answer = Vec::new();
    while head_end(&answer).is_none() {
        if answer.len() > HEAD || stream.read_buf(&mut answer).await? == 0 {
            return Err(odd("the proxy does not answer"));
        }
    }
    let line = answer.split(|byte| *byte == b'\r').next().unwrap_or_default();
    if line.split(|byte| *byte == b' ').nth(1) == Some(b"200") {
        return Ok(stream);
    }
    Err(odd(&format!("the proxy says {}", String::from_utf8_lossy(line))))
}

/// Whether an address is one of the world outside.
fn reachable(ip: IpAddr) -> bool {
    let ip = match ip {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(ip, IpAddr::V4),
        IpAddr::V4(_) => ip,
    };
    let own = ip.is_loopback() || ip.is_unspecified() || ip.is_multicast();
    let link = match ip {
        IpAddr::V4(v4) => v4.is_link_local() || v4.is_broadcast(),
        IpAddr::V6(v6) => v6.is_unicast_link_local() || v6 == Ipv6Addr::LOCALHOST || metadata(v6),
    };
    !own && !link
}

/// Where AWS answers a machine of its own with credentials.
fn metadata(ip: Ipv6Addr) -> bool {
    ip.segments() == [0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x254]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_and_metadata_are_not_reachable() {
        for own in [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "169.254.169.254",
            "::1",
            "::ffff:127.0.0.1",
            "fe80::1",
            "fd00:ec2::254",
        ] {
            assert!(!reachable(own.parse().unwrap()), "{own}");
        }
        for other in ["1.1.1.1", "10.0.0.7", "2606:4700::1111"] {
            assert!(reachable(other.parse().unwrap()), "{other}");
        }
    }

    #[test]
    fn requests_are_rewritten_and_tunnels_are_not() {
        let tunnel = wanted(b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n");
        assert_eq!(tunnel, Some(Wanted { host: "a.example".to_owned(), port: 443, head: None }));
        let plain = wanted(
            b"GET http://a.example/x?y HTTP/1.1\r\nHost: a.example\r\nProxy-Connection: keep-alive\r\nConnection: keep-alive\r\n\r\n",
        )
        .unwrap();
        assert_eq!(
            String::from_utf8(plain.head.unwrap()).unwrap(),
            "GET /x?y HTTP/1.1\r\nConnection: close\r\nHost: a.example\r\n\r\n"
        );
        for odd in [
            "GET / HTTP/1.1\r\n\r\n",
            "CONNECT a HTTP/1.1\r\n\r\n",
            "\r\n\r\n",
            "GET ftp://a/ HTTP/1.1\r\n\r\n",
        ] {
            assert_eq!(wanted(odd.as_bytes()), None, "{odd}");
        }
    }
}
