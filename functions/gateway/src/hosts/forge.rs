//! A host for tests alone, as unlike the others as hosts are: two kinds of secret, several pushes in
//! one delivery, a limit of its own. One file, and one line in the registry.

use axum::http::HeaderMap;
use pact_agent::secrets::{Parameter, Secret};
use pact_contract::{Repository, run::Trigger};
use pact_hosts::Sources;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use url::Url;

use super::host::{About, Composed, Delivery, Event, Incoming, PushNotice, WebhookHost, path};
use crate::{
    auth,
    error::{Answer, ApiError},
    push::Push,
    validate::{self, Reference},
};

const ID: &str = "X-Forge-Id";
const TOKEN: &str = "X-Forge-Token";
const SIGNATURE: &str = "X-Forge-Signature";

static SECRETS: [Parameter; 2] = [
    Parameter { name: "forge-key", about: "signs what the forge sends", variable: Some("FORGE") },
    Parameter { name: "forge-token", about: "what the forge sends along", variable: None },
];

pub(crate) struct Forge;

impl WebhookHost for Forge {
    fn name(&self) -> &'static str {
        "forge"
    }

    fn about(&self) -> &'static About {
        &About { title: "Forge", signed: "with `X-Forge-Signature`", setup: "pushes" }
    }

    fn parameters(&self) -> &'static [Parameter] {
        &SECRETS
    }

    fn parameter(&self, headers: &HeaderMap) -> &'static Parameter {
        &SECRETS[usize::from(headers.contains_key(TOKEN))]
    }

    fn is_at(&self, _: &Url) -> bool {
        false
    }

    fn max_body(&self) -> usize {
        1_000
    }

    fn verify(&self, secret: &Secret, incoming: &Incoming<'_>) -> Answer<()> {
        if let Some(token) = incoming.only(TOKEN) {
            let same = Sha256::digest(token).ct_eq(&Sha256::digest(secret.reveal().as_bytes()));
            return if same.into() { Ok(()) } else { Err(ApiError::unauthorized("wrong token")) };
        }
        let id = incoming.only(ID).unwrap_or_default();
        let claimed = incoming.only(SIGNATURE).and_then(|hex| hex::decode(hex).ok());
        auth::hmac_sha256(secret, &[id, b".", incoming.body], claimed.as_deref())
    }

    /// A line for each push: name, address, default branch, ref, commit, the commit before.
    fn read(&self, incoming: &Incoming<'_>, allowed: &Sources) -> Answer<Delivery> {
        let id = incoming.delivery_id(ID)?;
        let text = std::str::from_utf8(incoming.body)
            .map_err(|_| ApiError::invalid("body", "not a text"))?;
        let mut pushes = Vec::new();
        for line in text.lines() {
            let parts: Vec<_> = line.split(' ').collect();
            let [name, url, default_branch, reference, commit, base] = parts[..] else {
                return Err(ApiError::invalid("body", "six words a line"));
            };
            let wrong = |reason: String| ApiError::invalid("body", reason);
            let Reference::Branch(branch) = validate::reference(reference).map_err(wrong)? else {
                continue;
            };
            pushes.push(Push {
                repository: Repository {
                    name: name.parse().map_err(|_| wrong("no name".to_owned()))?,
                    url: validate::source(url, allowed).map_err(wrong)?,
                    default_branch: default_branch.to_owned(),
                },
                branch: branch.to_owned(),
                commit: validate::commit(commit).map_err(wrong)?,
                base: Some(base.to_owned()).filter(|base| base != "-"),
                message: None,
                author: None,
                template: None,
                environment: None,
                policy: Default::default(),
                host_id: None,
                on_purpose: None,
                pull: None,
                skip: false,
                tag: false,
                trigger: Trigger {
                    kind: "push".to_owned(),
                    actor: None,
                    delivery: Some(id.clone()),
                },
            });
        }
        let nothing = || Event::Ignored("no branch was pushed".to_owned());
        let event = if pushes.is_empty() { nothing() } else { Event::Pushes(pushes) };
        Ok(Delivery { id, event })
    }

    fn compose(
        &self,
        notice: &PushNotice<'_>,
        delivery: &str,
        secret: &Secret,
    ) -> Option<Composed> {
        let Repository { name, url, default_branch } = notice.repository;
        let base = notice.base.unwrap_or("-");
        let line =
            format!("{name} {url} {default_branch} {} {} {base}", notice.reference, notice.commit);
        let body = line.into_bytes();
        let signature = auth::sign_sha256(secret, &[delivery.as_bytes(), b".", &body])?;
        Some(Composed {
            path: path(self),
            headers: vec![(ID, delivery.to_owned()), (SIGNATURE, hex::encode(signature))],
            body,
        })
    }
}
