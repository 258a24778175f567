//! A server that serves a page which attacks the stack, at any name: it is also the proxy through
//! which the browser asks for hosts that are not of this machine. A name leads here while it asks
//! for the page, and to the stack from then on, as one does whose owner changes its address.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::mpsc::{self, Receiver},
    thread,
};

use serde_json::Value;

const PAGE: &str = include_str!("attack.html");
/// Longest head and body of a request; what is larger is cut off.
const MAX: u64 = 1024 * 1024;

pub(super) struct Attacker {
    port: u16,
    reports: Receiver<Value>,
}

impl Attacker {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (sender, reports) = mpsc::channel();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let sender = sender.clone();
                thread::spawn(move || {
                    // A browser leaves connections unused, and closes them at will.
                    if let Some(report) = answer(stream, port) {
                        sender.send(report).unwrap_or_default();
                    }
                });
            }
        });
        Self { port, reports }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What a page has told since the last one did.
    pub(super) fn report(&self) -> Option<Value> {
        self.reports.try_recv().ok()
    }
}

/// Answers one request; what it reports, if it does.
fn answer(mut stream: TcpStream, own: u16) -> Option<Value> {
    let mut reader = BufReader::new(stream.try_clone().ok()?.take(MAX));
    let mut head = Vec::new();
    let (mut line, mut length, mut host) = (String::new(), 0, String::new());
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if let Some(value) = lower.strip_prefix("host:") {
            value.trim().clone_into(&mut host);
        }
        if line.trim().is_empty() {
            break;
        }
        head.push(line.trim_end().to_owned());
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let mut first = head.first()?.split(' ');
    let (method, url) = (first.next()?.to_owned(), first.next()?.to_owned());
    let path = match url.strip_prefix("http://") {
        Some(rest) => rest.split_once('/').map_or_else(|| "/".to_owned(), |(_, p)| format!("/{p}")),
        None => url,
    };
    let mut say = |text: &str| stream.write_all(text.as_bytes()).ok();
    let html = |text: &str| {
        let length = text.len();
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{text}"
        )
    };
    if path.starts_with("/attack?") {
        say(&html(PAGE))?;
    } else if let Some(to) = path.strip_prefix("/link?to=") {
        say(&html(&format!("<script>location.href = \"{to}\"</script>")))?;
    } else if path == "/report" {
        say(&html(""))?;
        return serde_json::from_slice(&body).ok();
    } else {
        // The stack, if there is one at the port of that name.
        let port = host.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(80);
        if port == own {
            say("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
            return None;
        }
        let mut stack = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
        let headers = head.iter().skip(1).filter(|line| {
            let line = line.to_ascii_lowercase();
            !line.starts_with("connection:") && !line.starts_with("proxy-connection:")
        });
        let mut request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        headers.for_each(|line| request.push_str(&format!("{line}\r\n")));
        stack.write_all(format!("{request}\r\n").as_bytes()).ok()?;
        stack.write_all(&body).ok()?;
        std::io::copy(&mut stack, &mut stream).ok()?;
    }
    None
}
