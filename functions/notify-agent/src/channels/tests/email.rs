//! E-mail.

use super::*;

/// A mail server that takes one message at a time and keeps what it was told.
struct Mail {
    address: String,
    told: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Drop for Mail {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Mail {
    /// Answers recipients with `recipient`.
    async fn start(recipient: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let told = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&told);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                let (read, mut write) = stream.into_split();
                let mut lines = BufReader::new(read).lines();
                write.write_all(b"220 mail.test ESMTP\r\n").await.expect("is sent");
                let mut data = false;
                while let Ok(Some(line)) = lines.next_line().await {
                    log.lock().expect("not poisoned").push(line.clone());
                    let answer = if data {
                        if line != "." {
                            continue;
                        }
                        data = false;
                        "250 taken"
                    } else if line.starts_with("EHLO") {
                        "250-mail.test\r\n250 AUTH PLAIN"
                    } else if line.starts_with("AUTH PLAIN") {
                        "235 welcome"
                    } else if line.starts_with("RCPT") {
                        recipient
                    } else if line == "DATA" {
                        data = true;
                        "354 go on"
                    } else if line == "QUIT" {
                        "221 bye"
                    } else {
                        "250 ok"
                    };
                    if write.write_all(format!("{answer}\r\n").as_bytes()).await.is_err() {
                        break;
                    }
                }
            }
        });
        Self { address, told, task }
    }

    fn told(&self) -> Vec<String> {
        self.told.lock().expect("not poisoned").clone()
    }

    fn world(&self) -> World {
        let url = format!("smtp://user:pass%20word@{}", self.address);
        World::new(&[("smtp-url", &url), ("PACT_SMTP_FROM", "PACT <pact@example.org>")])
    }
}

#[tokio::test]
async fn a_mail_is_sent_once_with_headers_that_cannot_be_forged() {
    let mail = Mail::start("250 ok").await;
    let world = mail.world();
    for _ in 0..2 {
        let (answer, record) =
            world.act("notify.email_stakeholders", &rejected()).await.expect("no fault");
        assert_eq!(answer.response.status, StageStatus::Passed);
        assert_eq!(record.detail, "sent to 1 person");
    }
    let told = mail.told();
    let count = |line: &str| told.iter().filter(|l| *l == line).count();
    assert_eq!(count("RCPT TO:<ann@example.org>"), 1, "{told:#?}");
    assert_eq!(count("MAIL FROM:<pact@example.org>"), 1);
    assert_eq!(count("Message-ID: <web-0123456789-abcdef01.pact@example.org>"), 1);
    assert_eq!(count("Subject: Rejected: acme/web 0123456789"), 1);
    let head: Vec<_> =
        told.iter().skip_while(|l| *l != "DATA").take_while(|l| !l.is_empty()).collect();
    assert!(head.iter().all(|l| !l.starts_with("Bcc")), "{head:#?}");
    let all = told.join("\n");
    assert!(all.contains("text/plain") && all.contains("text/html"));
    let entry = world.entry("email").await;
    assert_eq!(entry.reference.as_deref(), Some("<web-0123456789-abcdef01.pact@example.org>"));
}

#[tokio::test]
async fn a_mail_server_that_is_busy_is_a_fault_and_one_that_says_no_a_verdict() {
    let mail = Mail::start("451 later").await;
    let world = mail.world();
    let error = world.act("notify.email_stakeholders", &succeeded()).await.expect_err("is a fault");
    assert_eq!(error.name, ErrorName::ChannelUnavailable);
    assert!(error.chain().contains("451"), "{}", error.chain());

    let mail = Mail::start("550 nobody here").await;
    let world = mail.world();
    let (answer, record) =
        world.act("notify.email_stakeholders", &succeeded()).await.expect("no fault");
    assert_eq!(answer.response.status, StageStatus::Failed);
    assert!(record.detail.contains("nobody here"), "{}", record.detail);
    let mut nobody = succeeded();
    set(&mut nobody, "email", json!({ "to": ["x"] }));
    let (answer, _) = world.act("notify.email_stakeholders", &nobody).await.expect("no fault");
    assert_eq!(answer.response.status, StageStatus::Failed);
}
