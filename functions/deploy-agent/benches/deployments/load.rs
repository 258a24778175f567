//! Those who send requests all along.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    Request,
    client::conn::http1::{SendRequest, handshake},
    header::HOST,
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, task::JoinSet, time::Instant};

use crate::service::SLOW;

/// Connections that are kept.
const CONNECTIONS: u64 = 5;
/// Time between two requests of one of them: 50 a second together.
const PACE: Duration = Duration::from_millis(20 * CONNECTIONS);
/// Connections on which one long answer after the other is waited for.
const LONG: u64 = 4;
/// How long anybody waits.
const PATIENCE: Duration = Duration::from_secs(20);

/// What came back.
#[derive(Debug, Default, Clone)]
pub(crate) struct Answers {
    pub(crate) asked: u64,
    pub(crate) failed: u64,
    /// How the first one failed.
    pub(crate) how: Option<String>,
    pub(crate) releases: BTreeMap<String, u64>,
}

impl Answers {
    fn add(&mut self, answer: Result<String, String>) {
        self.asked += 1;
        match answer {
            Ok(release) => *self.releases.entry(release).or_default() += 1,
            Err(how) => {
                self.failed += 1;
                self.how.get_or_insert(how);
            }
        }
    }

    pub(crate) fn text(&self) -> String {
        let how = self.how.as_ref().map(|how| format!(" ({how})")).unwrap_or_default();
        format!("{} of {} requests failed{how}", self.failed, self.asked)
    }
}

/// A connection that is kept for as long as both sides want.
struct Client {
    address: String,
    kept: Option<SendRequest<Full<Bytes>>>,
}

impl Client {
    fn new(url: &str) -> Self {
        let address = url.strip_prefix("http://").unwrap().trim_end_matches('/').to_owned();
        Self { address, kept: None }
    }

    async fn get(&mut self, path: &str) -> Result<String, String> {
        match tokio::time::timeout(PATIENCE, self.ask(path)).await {
            Ok(answer) => answer,
            Err(_) => {
                self.kept = None;
                Err("no answer in time".to_owned())
            }
        }
    }

    async fn ask(&mut self, path: &str) -> Result<String, String> {
        for again in [true, false] {
            // It may have been closed while nothing was asked.
            let open = match self.kept.as_mut() {
                Some(kept) => kept.ready().await.is_ok(),
                None => false,
            };
            let mut kept = match self.kept.take().filter(|_| open) {
                Some(kept) => kept,
                None => connect(&self.address).await?,
            };
            let request = Request::get(path).header(HOST, &self.address);
            let request = request.body(Full::default()).map_err(|error| error.to_string())?;
            let answer = match kept.send_request(request).await {
                Ok(answer) => answer,
                // Closed in the moment in which it was to be used: nothing was sent.
                Err(error) if error.is_canceled() && again => continue,
                Err(error) => return Err(format!("no answer: {error}")),
            };
            let status = answer.status();
            let body = answer.into_body().collect().await;
            let body = body.map_err(|error| format!("half an answer: {error}"))?.to_bytes();
            self.kept = Some(kept);
            let text = String::from_utf8_lossy(&body).into_owned();
            return if status == 200 { Ok(text) } else { Err(format!("{status} {text}")) };
        }
        Err("no connection is kept".to_owned())
    }
}

async fn connect(address: &str) -> Result<SendRequest<Full<Bytes>>, String> {
    let stream = TcpStream::connect(address).await.map_err(|e| format!("no connection: {e}"))?;
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|e| e.to_string())?;
    tokio::spawn(async move { connection.await.unwrap_or_default() });
    Ok(sender)
}

/// Somebody who asks all along.
pub(crate) struct Load {
    over: Arc<AtomicBool>,
    answers: Arc<Mutex<Answers>>,
    asking: JoinSet<()>,
}

impl Load {
    pub(crate) fn on(url: &str) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let answers = Arc::<Mutex<Answers>>::default();
        let mut asking = JoinSet::new();
        for number in 0..CONNECTIONS + LONG {
            let (over, answers) = (Arc::clone(&over), Arc::clone(&answers));
            let mut client = Client::new(url);
            asking.spawn(async move {
                let begin = Instant::now() + PACE * u32::try_from(number).unwrap() / 5;
                let mut tick = tokio::time::interval_at(begin, PACE);
                while !over.load(Ordering::SeqCst) {
                    let path = if number < CONNECTIONS {
                        tick.tick().await;
                        "/"
                    } else {
                        SLOW
                    };
                    let answer = client.get(path).await;
                    if path == SLOW && answer.is_err() {
                        tokio::time::sleep(PACE).await;
                    }
                    answers.lock().unwrap().add(answer);
                }
            });
        }
        Self { over, answers, asking }
    }

    /// Waits for what is under way.
    pub(crate) async fn end(mut self) -> Answers {
        self.over.store(true, Ordering::SeqCst);
        while self.asking.join_next().await.is_some() {}
        self.answers.lock().unwrap().clone()
    }
}

/// As many requests as fast as they are answered, by a few at once.
pub(crate) async fn many(url: &str, requests: u64) -> Answers {
    let mut asking = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let mut client = Client::new(url);
        asking.spawn(async move {
            let mut answers = Answers::default();
            for _ in 0..requests / CONNECTIONS {
                answers.add(client.get("/").await);
            }
            answers
        });
    }
    let mut all = Answers::default();
    while let Some(Ok(answers)) = asking.join_next().await {
        all.asked += answers.asked;
        all.failed += answers.failed;
        all.how = all.how.or(answers.how);
        for (release, count) in answers.releases {
            *all.releases.entry(release).or_default() += count;
        }
    }
    all
}
