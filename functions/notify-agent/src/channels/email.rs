//! `notify.email_stakeholders`: a message by SMTP.
//!
//! The message of a run has the same `Message-ID` whenever it is sent, so that a mail server or
//! reader can tell a copy that was sent again after an agent was killed between sending and
//! recording. One recipient that the mail server does not take keeps no other from being told: the
//! others are told apart from it, and what each was told is kept for the next attempt.

mod envelopes;

use std::{net::IpAddr, time::Duration};

use async_trait::async_trait;
use lettre::{
    Address, AsyncSmtpTransport, Message as Mail, Tokio1Executor,
    message::{Mailbox, MultiPart},
    transport::smtp::{
        authentication::Credentials,
        client::{Tls as SmtpTls, TlsParameters},
    },
};
use pact_agent::{AgentError, secrets::Parameter};
use pact_config::{
    Rule,
    form::{Form, Shape, required},
};
use pact_contract::{Capability, Finding, Severity, agents, codes};
use serde::Deserialize;
use url::{Host, Url};

use self::envelopes::Posting;
use super::channel::{Channel, Work};
use crate::{
    config::{Installed, Unconfigured, Variable},
    delivery::{DeliveryOutcome, Interrupted},
    message::{Message, line},
};

/// Longest wait for an answer of the mail server.
const ANSWER: Duration = Duration::from_secs(15);
/// Most recipients.
const MAX_RECIPIENTS: usize = 50;

/// Address of the mail server, with user and password.
static SERVER: Parameter = Parameter {
    name: "smtp-url",
    about: "smtps://user:password@host",
    variable: Some("PACT_SMTP_URL"),
};

/// Sender of every message.
static FROM: Variable = Variable { name: "PACT_SMTP_FROM", about: "sender of every e-mail" };

/// What a repository sets.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Settings {
    to: Vec<String>,
}

/// E-mail, by an SMTP server.
pub(super) struct Email;

#[async_trait]
impl Channel for Email {
    fn kind(&self) -> &'static str {
        "email"
    }

    fn title(&self) -> &'static str {
        "E-mail"
    }

    fn capability(&self) -> &'static Capability {
        &agents::NOTIFY_EMAIL
    }

    fn form(&self) -> Form {
        let addresses = Shape::List { of: Rule::Address, min: 1 };
        Form {
            kind: self.kind().to_owned(),
            about: "E-mail.".to_owned(),
            fields: vec![required("to", "Addresses.", addresses)],
            ..Form::default()
        }
    }

    fn parameters(&self) -> &'static [Parameter] {
        std::slice::from_ref(&SERVER)
    }

    fn variables(&self) -> &'static [Variable] {
        std::slice::from_ref(&FROM)
    }

    fn reaches_people(&self) -> bool {
        true
    }

    async fn send(&self, work: &Work<'_>) -> Result<DeliveryOutcome, Interrupted> {
        let delivery = work.delivery;
        let Settings { to } = work.settings()?;
        if to.is_empty() {
            let reason = "the repository's settings name nobody in [notify.email]";
            return Ok(DeliveryOutcome::Skipped(reason.to_owned()));
        }
        let smtp = match Smtp::read(work.installed) {
            Ok(smtp) => smtp,
            Err(reason) => return Ok(DeliveryOutcome::Skipped(reason)),
        };
        let (recipients, mut findings) = recipients(&to);
        if recipients.is_empty() {
            let reason = "no recipient in [notify.email] is an e-mail address";
            return Ok(DeliveryOutcome::Refused(reason.to_owned()));
        }
        let mail = compose(&delivery.message, &smtp.from, &recipients)?;
        let posting = Posting { delivery, transport: transport(&smtp)?, mail: &mail };
        let unsure = delivery.claim().await?;
        let told = posting.send().await?;
        if told.taken.is_empty() {
            let reason = told.refused.into_values().next().unwrap_or_default();
            return Ok(DeliveryOutcome::Refused(format!("the mail server refuses: {reason}")));
        }
        findings.extend(told.refused.iter().map(|(address, reason)| {
            let message = format!("the mail server refuses {}: {reason}", line(address, 100));
            Finding::new(codes::RECIPIENT_REFUSED, Severity::Low, message)
                .remedy("correct `to` in [notify.email], or ask whoever runs the mail server")
        }));
        let mut detail = format!("sent to {}", people(told.taken.len()));
        if unsure {
            detail.push_str("; perhaps twice, as an attempt before was interrupted");
        }
        let reference = Some(message_id(&delivery.message, &smtp.from));
        Ok(DeliveryOutcome::Sent { detail, reference, findings })
    }
}

/// A mail server.
struct Smtp {
    server: Server,
    from: Mailbox,
}

impl Smtp {
    fn read(installed: &Installed) -> Result<Self, Unconfigured> {
        let server = installed.get(SERVER.name).and_then(|text| {
            Server::parse(&text).map_err(|reason| format!("{} {reason}", SERVER.name))
        });
        let from = installed.get(FROM.name).and_then(|text| {
            text.parse::<Mailbox>().map_err(|_| format!("{} is not an e-mail address", FROM.name))
        });
        match (server, from) {
            (Ok(server), Ok(from)) => Ok(Self { server, from }),
            (server, from) => {
                let faults: Vec<_> = [server.err(), from.err()].into_iter().flatten().collect();
                Err(faults.join("; "))
            }
        }
    }
}

/// Where a mail server is, and how it is spoken to.
#[derive(Debug, PartialEq, Eq)]
struct Server {
    /// Name or address.
    host: String,
    port: u16,
    tls: Tls,
    /// User and password.
    credentials: Option<(String, String)>,
}

/// How a connection to a mail server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tls {
    /// Not at all.
    None,
    /// By `STARTTLS` where the server offers it.
    Opportunistic,
    /// By `STARTTLS`, or nothing is sent.
    Required,
    /// From the first byte.
    Wrapper,
}

impl Server {
    /// Reads `smtp://user:password@host:port` or `smtps://…`; `?tls=none|opportunistic|required`
    /// changes how `smtp` is protected. Without it a password never leaves this machine unprotected.
    fn parse(text: &str) -> Result<Self, &'static str> {
        let url = Url::parse(text).map_err(|_| "is not an smtp:// or smtps:// address")?;
        // In an address of this kind an IPv4 host is read as a name.
        let host = match url.host() {
            Some(Host::Domain(name)) if !name.is_empty() => name.to_owned(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            _ => return Err("names no host"),
        };
        let loopback = host == "localhost"
            || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        let credentials = match url.password() {
            None if url.username().is_empty() => None,
            None => return Err("has a user and no password"),
            Some(password) => Some((decode(url.username())?, decode(password)?)),
        };
        let asked = url.query_pairs().find(|(name, _)| name == "tls").map(|(_, value)| value);
        let (tls, port) = match (url.scheme(), asked.as_deref()) {
            ("smtps", None) => (Tls::Wrapper, 465),
            ("smtp", Some("none")) => (Tls::None, 25),
            ("smtp", Some("opportunistic")) => (Tls::Opportunistic, 587),
            ("smtp", Some("required")) => (Tls::Required, 587),
            ("smtp", None) if loopback => (Tls::None, 25),
            ("smtp", None) if credentials.is_some() => (Tls::Required, 587),
            ("smtp", None) => (Tls::Opportunistic, 25),
            ("smtp", Some(_)) => {
                return Err("has a tls other than none, opportunistic or required");
            }
            _ => return Err("is not an smtp:// or smtps:// address"),
        };
        Ok(Self { host, port: url.port().unwrap_or(port), tls, credentials })
    }
}

/// Undoes percent-encoding.
fn decode(text: &str) -> Result<String, &'static str> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        let escaped = tail.get(..2).filter(|_| *first == b'%').and_then(|hex| {
            let hex = std::str::from_utf8(hex).ok()?;
            hex.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u8::from_str_radix(hex, 16).ok())?
        });
        match escaped {
            Some(byte) => {
                out.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => out.push(*first),
        }
    }
    String::from_utf8(out).map_err(|_| "has a user or password that is not text")
}

/// The recipients that are addresses, and a finding for each that is none.
fn recipients(to: &[String]) -> (Vec<Mailbox>, Vec<Finding>) {
    let mut good: Vec<Mailbox> = Vec::new();
    let mut wrong = Vec::new();
    for text in to.iter().take(MAX_RECIPIENTS) {
        match text.trim().parse::<Address>() {
            Ok(address) if good.iter().all(|g| g.email != address) => {
                good.push(Mailbox::new(None, address));
            }
            Ok(_) => {}
            Err(_) => wrong.push(
                Finding::new(
                    codes::RECIPIENT_INVALID,
                    Severity::Low,
                    format!("{:?} is not an e-mail address", line(text, 100)),
                )
                .remedy("correct `to` in [notify.email]"),
            ),
        }
    }
    if to.len() > MAX_RECIPIENTS {
        wrong.push(
            Finding::new(
                codes::RECIPIENTS_MANY,
                Severity::Low,
                format!("only the first {MAX_RECIPIENTS} recipients are told"),
            )
            .remedy("name a mailing list in [notify.email]"),
        );
    }
    (good, wrong)
}

fn people(count: usize) -> String {
    if count == 1 { "1 person".to_owned() } else { format!("{count} people") }
}

fn message_id(message: &Message, from: &Mailbox) -> String {
    format!("<{}.pact@{}>", message.id, from.email.domain())
}

fn compose(message: &Message, from: &Mailbox, to: &[Mailbox]) -> Result<Mail, AgentError> {
    let mut mail = Mail::builder()
        .from(from.clone())
        .message_id(Some(message_id(message, from)))
        // One line without control characters: it cannot end the header.
        .subject(line(&message.title, 200));
    for recipient in to {
        mail = mail.to(recipient.clone());
    }
    mail.multipart(MultiPart::alternative_plain_html(message.text(), html(message)))
        .map_err(|error| AgentError::internal(format!("cannot compose the message: {error}")))
}

fn transport(smtp: &Smtp) -> Result<AsyncSmtpTransport<Tokio1Executor>, AgentError> {
    let parameters = || {
        TlsParameters::new(smtp.server.host.clone())
            .map_err(|e| AgentError::internal(format!("cannot set up TLS: {e}")).caused_by(e))
    };
    let tls = match smtp.server.tls {
        Tls::None => SmtpTls::None,
        Tls::Opportunistic => SmtpTls::Opportunistic(parameters()?),
        Tls::Required => SmtpTls::Required(parameters()?),
        Tls::Wrapper => SmtpTls::Wrapper(parameters()?),
    };
    let mut builder =
        AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(smtp.server.host.clone())
            .port(smtp.server.port)
            .tls(tls)
            .timeout(Some(ANSWER));
    if let Some((user, password)) = &smtp.server.credentials {
        builder = builder.credentials(Credentials::new(user.clone(), password.clone()));
    }
    Ok(builder.build())
}

/// The message as a page without anything that is loaded.
pub(super) fn html(message: &Message) -> String {
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\"><body style=\"font-family:sans-serif;line-height:1.5\">\n\
         <h2 style=\"margin:0 0 .5em\">{}</h2>\n<p>{}</p>\n",
        escape(&message.title),
        escape(&message.reason)
    );
    if !message.findings.is_empty() {
        out.push_str("<ul>\n");
        for finding in &message.findings {
            out.push_str(&format!("<li>{}</li>\n", escape(finding)));
        }
        out.push_str("</ul>\n");
    }
    out.push_str("<table style=\"border-collapse:collapse\">\n");
    for (name, value) in &message.facts {
        out.push_str(&format!(
            "<tr><th style=\"text-align:left;vertical-align:top;padding-right:1em\">{name}</th>\
             <td>{}</td></tr>\n",
            escape(value)
        ));
    }
    out.push_str("</table>\n");
    if let Some(link) = &message.link {
        out.push_str(&format!("<p><a href=\"{}\">{}</a></p>\n", escape(link), message.link_text));
    }
    out.push_str("</body></html>\n");
    out
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_protected_unless_it_stays_on_this_machine() {
        let cases = [
            ("smtps://u:p@mail.example", ("mail.example", 465, Tls::Wrapper)),
            ("smtp://u:p@mail.example", ("mail.example", 587, Tls::Required)),
            ("smtp://u:p@mail.example:2525", ("mail.example", 2525, Tls::Required)),
            ("smtp://mail.example", ("mail.example", 25, Tls::Opportunistic)),
            ("smtp://u:p@127.0.0.1:1025", ("127.0.0.1", 1025, Tls::None)),
            ("smtp://u:p@localhost:1025", ("localhost", 1025, Tls::None)),
            ("smtp://u:p@[::1]:1025", ("::1", 1025, Tls::None)),
            ("smtp://relay?tls=none", ("relay", 25, Tls::None)),
        ];
        for (text, expected) in cases {
            let server = Server::parse(text).expect("valid");
            assert_eq!((server.host.as_str(), server.port, server.tls), expected, "{text}");
        }
        let server = Server::parse("smtp://a%40b:p%2Fq%25@h").expect("valid");
        assert_eq!(server.credentials, Some(("a@b".to_owned(), "p/q%".to_owned())));
        for wrong in ["http://h", "smtp://", "smtp://user@h", "smtp://h?tls=maybe", "h:25"] {
            assert!(Server::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_missing_or_wrong_is_named_and_never_repeated() {
        let faults = |values: &[(&'static str, &str)]| {
            Smtp::read(&Installed::with(values)).err().expect("is not configured")
        };
        let none = faults(&[(SERVER.name, " ")]);
        assert!(none.contains(SERVER.name) && none.contains(FROM.name), "{none}");
        let wrong = faults(&[(SERVER.name, "imap://user:secret@host"), (FROM.name, "secret")]);
        assert!(
            wrong.contains("not an smtp:// or smtps://") && !wrong.contains("secret"),
            "{wrong}"
        );
    }
}
