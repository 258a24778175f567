//! To whom a mail server takes a message: all of them at once, or where it does not take them all,
//! each apart.
//!
//! A mail server takes or refuses recipients one by one (RFC 5321, 3.3). The client ends the whole at
//! the first that is refused, before the message is handed over, so that nobody has it yet.

use std::collections::{BTreeMap, BTreeSet};

use lettre::{
    Address, AsyncSmtpTransport, AsyncTransport as _, Message as Mail, Tokio1Executor,
    address::Envelope,
    transport::smtp::{Error, response::Category},
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    delivery::{Delivery, Interrupted},
    http,
    message::line,
};

/// What the mail server said of each recipient, as the outbox keeps it.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Told {
    /// Those for whom it has the message.
    pub(super) taken: BTreeSet<String>,
    /// Those whom it refuses for good, with the reason.
    pub(super) refused: BTreeMap<String, String>,
}

impl Told {
    fn knows(&self, to: &Address) -> bool {
        let to = to.to_string();
        self.taken.contains(&to) || self.refused.contains_key(&to)
    }

    /// Takes over what the server said of them; what it does not take for now is given back.
    fn note(&mut self, to: &[Address], end: Result<(), Error>) -> Result<(), Error> {
        let to = to.iter().map(Address::to_string);
        match end {
            Ok(()) => self.taken.extend(to),
            Err(error) if error.is_permanent() || error.is_client() => {
                let reason = line(&error.to_string(), 300);
                self.refused.extend(to.map(|to| (to, reason.clone())));
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn kept(&self) -> String {
        json!(self).to_string()
    }
}

/// A message on its way to a mail server.
pub(super) struct Posting<'a> {
    pub(super) delivery: &'a Delivery<'a>,
    pub(super) transport: AsyncSmtpTransport<Tokio1Executor>,
    pub(super) mail: &'a Mail,
}

impl Posting<'_> {
    /// Hands the message over for whoever does not have it from an attempt before.
    ///
    /// # Errors
    /// It was not taken for somebody and may be later; who has it is kept.
    pub(super) async fn send(&self) -> Result<Told, Interrupted> {
        let before = self.delivery.reference();
        let before = before.and_then(|before| serde_json::from_str(before).ok());
        let mut told: Told = before.unwrap_or_default();
        let all = self.mail.envelope().to();
        let open: Vec<_> = all.iter().filter(|to| !told.knows(to)).cloned().collect();
        if open.is_empty() {
            return Ok(told);
        }
        match self.hand_over(&open).await {
            Err(error) if open.len() > 1 && is_of_recipient(&error) => {
                self.each(&open, &mut told).await?;
            }
            end => told.note(&open, end).map_err(|error| self.not_now(error, &told))?,
        }
        Ok(told)
    }

    /// Hands it over for each apart: who is not taken now keeps nobody else from being told.
    async fn each(&self, open: &[Address], told: &mut Told) -> Result<(), Interrupted> {
        let mut later = None;
        for to in open {
            let one = std::slice::from_ref(to);
            if let Err(error) = told.note(one, self.hand_over(one).await) {
                let alone = is_of_recipient(&error);
                later = Some(error);
                // What is the server's own trouble everybody else would have as well.
                if !alone {
                    break;
                }
            }
            self.delivery.progress(&told.kept()).await?;
        }
        later.map_or(Ok(()), |error| Err(self.not_now(error, told)))
    }

    async fn hand_over(&self, to: &[Address]) -> Result<(), Error> {
        let mut envelope = self.mail.envelope().clone();
        // A mail without a recipient is not composed, and one of nobody is not handed over.
        if let Ok(some) = Envelope::new(envelope.from().cloned(), to.to_vec()) {
            envelope = some;
        }
        self.transport.send_raw(&envelope, &self.mail.formatted()).await.map(drop)
    }

    fn not_now(&self, error: Error, told: &Told) -> Interrupted {
        let all = self.mail.envelope().to();
        let without = all.iter().filter(|to| !told.knows(to)).count();
        let mut what = "did not take the message".to_owned();
        if without < all.len() {
            what.push_str(&format!(" for {without} of {} people", all.len()));
        }
        let fault = http::unavailable("the mail server", &what).caused_by(error);
        Interrupted::from(fault).at(told.kept())
    }
}

/// Whether it may be one recipient's alone: a word of the mail system (the second digit, RFC 5321,
/// 4.2.1), and neither of the connection nor of who may send; or an address that the server cannot
/// write.
fn is_of_recipient(error: &Error) -> bool {
    error.is_client() || error.status().is_some_and(|code| code.category == Category::MailSystem)
}
