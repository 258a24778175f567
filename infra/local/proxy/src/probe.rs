//! What a new instance has to answer before it gets a request.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, StatusCode, client::conn::http1, header::HOST};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::model::Probe;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Most bytes of an answer that are looked at.
const MAX_BODY: usize = 256 * 1024;
/// Time between two questions after a wrong answer.
const PAUSE: Duration = Duration::from_millis(100);

/// What the probes said in one turn.
pub(crate) enum Probing {
    /// All are right.
    Answers,
    /// The instance says that it starts, or does not say anything.
    NotYet,
    /// It is given up.
    Wrong(String),
}

/// The probes of an instance.
pub(crate) struct Probes<'a> {
    /// Those that did not answer rightly yet, with how often in a row they answered wrongly.
    open: Vec<(&'a Probe, u32)>,
}

impl<'a> Probes<'a> {
    pub(crate) fn new(probes: &'a [Probe]) -> Self {
        Self { open: probes.iter().map(|probe| (probe, 0)).collect() }
    }

    /// Asks those that are open.
    pub(crate) async fn ask(&mut self, address: SocketAddr) -> Probing {
        let mut wrong = false;
        let mut open = Vec::new();
        for (probe, times) in self.open.drain(..) {
            let answered = tokio::time::timeout(PATIENCE, ask(address, probe)).await;
            match answered.unwrap_or(Heard::Nothing) {
                Heard::Right => {}
                Heard::Nothing => open.push((probe, 0)),
                Heard::Wrong(what) => {
                    let times = times + 1;
                    if probe.give_up_after > 0 && times >= probe.give_up_after {
                        let message = format!(
                            "it answers {} with {what}, {times} times in a row; {} is right",
                            probe.path, probe.status
                        );
                        return Probing::Wrong(message);
                    }
                    wrong = true;
                    open.push((probe, times));
                }
            }
        }
        self.open = open;
        if wrong {
            tokio::time::sleep(PAUSE).await;
        }
        if self.open.is_empty() { Probing::Answers } else { Probing::NotYet }
    }
}

enum Heard {
    Right,
    /// Nothing that counts: no connection, no HTTP, or 503.
    Nothing,
    Wrong(String),
}

async fn ask(address: SocketAddr, probe: &Probe) -> Heard {
    let request = Request::get(&probe.path).header(HOST, address.to_string());
    let Ok(request) = request.body(Empty::<Bytes>::new()) else {
        return Heard::Wrong("nothing, as it is no path".to_owned());
    };
    let Ok(stream) = TcpStream::connect(address).await else { return Heard::Nothing };
    let Ok((mut sender, connection)) = http1::handshake(TokioIo::new(stream)).await else {
        return Heard::Nothing;
    };
    let connection = tokio::spawn(connection);
    let heard = match sender.send_request(request).await {
        Err(_) => Heard::Nothing,
        Ok(response) if response.status().as_u16() == probe.status => {
            let Some(text) = &probe.contains else { return Heard::Right };
            match Limited::new(response.into_body(), MAX_BODY).collect().await {
                Ok(body) => match holds(&body.to_bytes(), text.as_bytes()) {
                    true => Heard::Right,
                    false => Heard::Wrong(format!("{}, without {text:?}", probe.status)),
                },
                Err(error) => Heard::Wrong(format!("a body that cannot be read ({error})")),
            }
        }
        Ok(response) if response.status() == StatusCode::SERVICE_UNAVAILABLE => Heard::Nothing,
        Ok(response) => Heard::Wrong(response.status().as_u16().to_string()),
    };
    connection.abort();
    heard
}

fn holds(body: &[u8], text: &[u8]) -> bool {
    text.is_empty() || body.windows(text.len()).any(|part| part == text)
}
