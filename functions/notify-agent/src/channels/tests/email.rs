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
    /// Answers every recipient with `recipient`.
    async fn start(recipient: &'static str) -> Self {
        Self::where_each(move |_| recipient, |_| Some("250 taken")).await
    }

    /// Answers recipients as `recipient` says, and a message as `taken` does of how many there were;
    /// none: the connection is closed.
    async fn where_each(
        recipient: impl Fn(&str) -> &'static str + Send + Sync + 'static,
        taken: impl Fn(usize) -> Option<&'static str> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let told = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&told);
        let task = tokio::spawn(async move {
            let mut messages = 0;
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
                        messages += 1;
                        let Some(answer) = taken(messages) else { break };
                        answer
                    } else if line.starts_with("EHLO") {
                        "250-mail.test\r\n250 AUTH PLAIN"
                    } else if line.starts_with("AUTH PLAIN") {
                        "235 welcome"
                    } else if line.starts_with("RCPT") {
                        recipient(&line)
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

/// Ann and Bob are to be told.
fn to_two() -> Notify {
    let mut notify = succeeded();
    set(&mut notify, "email", json!({ "to": ["ann@example.org", "bob@example.org"] }));
    notify
}

/// How often the server took a recipient that it went on with.
fn handed_over(mail: &Mail, whom: &str) -> usize {
    let told = mail.told();
    let mut count = 0;
    let mut named = false;
    for line in told {
        match line.as_str() {
            "DATA" => count += usize::from(std::mem::take(&mut named)),
            _ if line.starts_with("MAIL FROM") => named = false,
            _ if line.starts_with("RCPT") && line.contains(whom) => named = true,
            _ => {}
        }
    }
    count
}

#[tokio::test]
async fn one_recipient_who_is_refused_keeps_no_other_from_being_told() {
    let bob = |line: &str| if line.contains("bob") { "550 no bob here" } else { "250 ok" };
    let mail = Mail::where_each(bob, |_| Some("250 taken")).await;
    let world = mail.world();
    for _ in 0..2 {
        let (answer, record) =
            world.act("notify.email_stakeholders", &to_two()).await.expect("no fault");
        assert_eq!(answer.response.status, StageStatus::Passed);
        assert_eq!((record.sent, record.detail.as_str()), (true, "sent to 1 person"));
    }
    assert_eq!(
        (handed_over(&mail, "ann"), handed_over(&mail, "bob")),
        (1, 0),
        "{:#?}",
        mail.told()
    );
}

#[tokio::test]
async fn who_is_refused_is_named_with_the_servers_words() {
    let bob = |line: &str| if line.contains("bob") { "550 no bob here" } else { "250 ok" };
    let mail = Mail::where_each(bob, |_| Some("250 taken")).await;
    let (answer, _) =
        mail.world().act("notify.email_stakeholders", &to_two()).await.expect("no fault");
    let findings = answer.response.findings;
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].code.as_str(), "recipient-refused");
    let message = &findings[0].message;
    assert!(message.contains("bob@example.org") && message.contains("no bob here"), "{message}");
}

#[tokio::test]
async fn who_was_told_is_not_told_again_when_another_is_taken_later() {
    let greylisted = Arc::new(Mutex::new(true));
    let still = Arc::clone(&greylisted);
    let bob = move |line: &str| {
        let wait = line.contains("bob") && *still.lock().expect("not poisoned");
        if wait { "451 come back later" } else { "250 ok" }
    };
    let mail = Mail::where_each(bob, |_| Some("250 taken")).await;
    let world = mail.world();
    for _ in 0..2 {
        let fault = world.act("notify.email_stakeholders", &to_two()).await.expect_err("a fault");
        assert!(fault.message.contains("for 1 of 2 people"), "{}", fault.message);
        assert!(fault.chain().contains("451"), "{}", fault.chain());
    }
    assert_eq!(
        (handed_over(&mail, "ann"), handed_over(&mail, "bob")),
        (1, 0),
        "{:#?}",
        mail.told()
    );
    *greylisted.lock().expect("not poisoned") = false;
    world.hurry("email", SignedDuration::ZERO).await;
    assert_eq!(world.pass().await["ended"], 1);
    let entry = world.entry("email").await;
    assert_eq!((entry.record.sent, entry.record.detail.as_str()), (true, "sent to 2 people"));
    assert_eq!(
        (handed_over(&mail, "ann"), handed_over(&mail, "bob")),
        (1, 1),
        "{:#?}",
        mail.told()
    );
}

#[tokio::test]
async fn a_server_that_lets_nobody_in_is_asked_once() {
    let mail = Mail::where_each(|_| "535 wrong password", |_| Some("250 taken")).await;
    let (answer, _) =
        mail.world().act("notify.email_stakeholders", &to_two()).await.expect("no fault");
    assert_eq!(answer.response.status, StageStatus::Failed);
    let asked = mail.told().iter().filter(|line| line.starts_with("EHLO")).count();
    assert_eq!(asked, 1, "{:#?}", mail.told());
}

#[tokio::test]
async fn a_server_that_falls_silent_behind_the_message_gets_it_again_as_the_same() {
    let mail = Mail::where_each(|_| "250 ok", |nth| (nth > 1).then_some("250 taken")).await;
    let world = mail.world();
    let fault = world.act("notify.email_stakeholders", &to_two()).await.expect_err("a fault");
    assert_eq!(fault.name, ErrorName::ChannelUnavailable);
    let (_, record) = world.act("notify.email_stakeholders", &to_two()).await.expect("no fault");
    assert!(record.sent, "{}", record.detail);
    let ids: Vec<_> =
        mail.told().into_iter().filter(|line| line.starts_with("Message-ID")).collect();
    assert!(ids.len() == 2 && ids[0] == ids[1], "{ids:?}");
}
