//! The program that the scenarios' repositories deploy: it serves what its release says.
//!
//! `GET /health` answers with the status in the file `health-<environment>` or `health` (200
//! without one), every other path with the file `version`. After a status `forwarded` says that it is
//! the one for requests that come through a proxy: it shows once the release serves. What the
//! file `ill` says goes wrong from the first of these requests on, by whatever way: `at-once`, `after-3`
//! seconds, every `fifth`, `slow` every tenth by a second, `dies` after 3 seconds, and
//! `elsewhere` every path but `/health`.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    process::ExitCode,
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

fn main() -> ExitCode {
    let port: u16 = std::env::var("PORT").ok().and_then(|p| p.parse().ok()).unwrap_or(0);
    let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) else {
        return ExitCode::FAILURE;
    };
    for stream in listener.incoming().flatten() {
        std::thread::spawn(move || answer(stream).unwrap_or_default());
    }
    ExitCode::SUCCESS
}

/// Whether somebody's request has come through a proxy.
static SERVES: AtomicBool = AtomicBool::new(false);

/// Whether this answer is wrong, for what the file says; some are only late, or never come.
fn is_wrong(probed: bool) -> bool {
    static BEGUN: OnceLock<Instant> = OnceLock::new();
    static COUNT: AtomicU64 = AtomicU64::new(1);
    let Ok(ill) = std::fs::read_to_string("ill") else { return false };
    let late = BEGUN.get_or_init(Instant::now).elapsed() >= Duration::from_secs(3);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    match ill.trim() {
        "at-once" => true,
        "elsewhere" => !probed,
        "after-3" => late,
        "fifth" => number.is_multiple_of(5),
        "slow" if number.is_multiple_of(10) => {
            std::thread::sleep(Duration::from_secs(1));
            false
        }
        "dies" if late => std::process::exit(7),
        _ => false,
    }
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let mut forwarded = false;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        forwarded |= line.to_ascii_lowercase().starts_with("x-forwarded-for:");
    }
    let environment = std::env::var("PACT_ENVIRONMENT").unwrap_or_default();
    let probed = request.starts_with("GET /health");
    let (status, body) = if probed {
        let health = std::fs::read_to_string(format!("health-{environment}"))
            .or_else(|_| std::fs::read_to_string("health"))
            .unwrap_or_else(|_| "200".to_owned());
        let status = match health.trim().strip_suffix(" forwarded") {
            Some(status) if forwarded => status,
            Some(_) => "200",
            None => health.trim(),
        };
        (status.to_owned(), health)
    } else {
        ("200".to_owned(), std::fs::read_to_string("version").unwrap_or_default())
    };
    SERVES.fetch_or(forwarded, Ordering::Relaxed);
    let status =
        if SERVES.load(Ordering::Relaxed) && is_wrong(probed) { "500".to_owned() } else { status };
    write!(
        stream,
        "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}
