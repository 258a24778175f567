//! `notify.email_stakeholders`: a message by SMTP.
//!
//! The message of a run has the same `Message-ID` whenever it is sent, so that a mail server or
//! reader can tell a copy that was sent again after an agent was killed between sending and
//! recording.

use std::time::Duration;

use lettre::{
    Address, AsyncSmtpTransport, AsyncTransport, Message as Mail, Tokio1Executor,
    message::{Mailbox, MultiPart},
    transport::smtp::{
        authentication::Credentials,
        client::{Tls as SmtpTls, TlsParameters},
    },
};
use pact_agent::{AgentError, Call, Outcome, secrets::SMTP};
use pact_contract::{Finding, Severity};

use crate::{
    NotifyAgent,
    config::{Smtp, Tls},
    delivery::Delivery,
    http,
    message::{Message, line},
};

/// Longest wait for an answer of the mail server.
const ANSWER: Duration = Duration::from_secs(15);
/// Most recipients.
const MAX_RECIPIENTS: usize = 50;

pub(crate) async fn notify(agent: &NotifyAgent, call: &Call) -> Result<Outcome, AgentError> {
    let delivery = match Delivery::begin(agent, call, "email").await? {
        Ok(delivery) => delivery,
        Err(before) => return Ok(before),
    };
    let to = match &delivery.notify.settings.email {
        Some(settings) if !settings.to.is_empty() => settings.to.clone(),
        _ => return delivery.skip("the repository's settings name nobody in [notify.email]").await,
    };
    let smtp = match agent.config(SMTP).await?.smtp {
        Ok(smtp) => smtp,
        Err(reason) => return delivery.skip(&reason).await,
    };
    let (recipients, wrong) = recipients(&to);
    if recipients.is_empty() {
        return delivery.refused("no recipient in [notify.email] is an e-mail address").await;
    }
    let mail = compose(&delivery.message, &smtp.from, &recipients)?;
    let transport = transport(&smtp)?;
    let unsure = delivery.claim().await?;
    match transport.send(mail).await {
        Ok(_) => {}
        Err(error) if error.is_permanent() || error.is_client() => {
            let reason = line(&error.to_string(), 300);
            return delivery.refused(&format!("the mail server refuses: {reason}")).await;
        }
        Err(error) => {
            let fault = http::unavailable("the mail server", "did not take the message");
            return Err(delivery.interrupted(fault.caused_by(error)).await);
        }
    }
    let count = recipients.len();
    let mut detail = format!("sent to {count} {}", if count == 1 { "person" } else { "people" });
    if unsure {
        detail.push_str("; perhaps twice, as an attempt before was interrupted");
    }
    delivery.sent(detail, Some(message_id(&delivery.message, &smtp.from)), wrong).await
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
                    "recipient-invalid",
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
                "recipients-many",
                Severity::Low,
                format!("only the first {MAX_RECIPIENTS} recipients are told"),
            )
            .remedy("name a mailing list in [notify.email]"),
        );
    }
    (good, wrong)
}

fn message_id(message: &Message, from: &Mailbox) -> String {
    format!("<{}.pact@{}>", message.run_id, from.email.domain())
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
        TlsParameters::new(smtp.host.clone())
            .map_err(|e| AgentError::internal(format!("cannot set up TLS: {e}")).caused_by(e))
    };
    let tls = match smtp.tls {
        Tls::None => SmtpTls::None,
        Tls::Opportunistic => SmtpTls::Opportunistic(parameters()?),
        Tls::Required => SmtpTls::Required(parameters()?),
        Tls::Wrapper => SmtpTls::Wrapper(parameters()?),
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(smtp.host.clone())
        .port(smtp.port)
        .tls(tls)
        .timeout(Some(ANSWER));
    if let Some((user, password)) = &smtp.credentials {
        builder = builder.credentials(Credentials::new(user.clone(), password.clone()));
    }
    Ok(builder.build())
}

/// The message as a page without anything that is loaded.
pub(crate) fn html(message: &Message) -> String {
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
        out.push_str(&format!("<p><a href=\"{}\">Open the run</a></p>\n", escape(link)));
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
