//! `pactctl repos rotate`: another secret for a repository's webhook.
//!
//! The secret is made and kept aside before it counts, and forgotten only once it was printed: whoever was
//! interrupted in between calls the command again, and is shown the same one.

use std::io::Write as _;

use pact_contract::{RepositoryName, statuses::webhook_secret_name};
use pact_web::access::new_secret;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    cli::RotateArgs,
    data,
    failure::{Context, Exit, Failure},
    run::session::Session,
    stack::options::Options,
    term,
};

/// What the secret is called that does not count yet, or was not shown.
pub(super) fn pending_name(name: &RepositoryName) -> String {
    format!("{}-next", webhook_secret_name(name))
}

/// Carries the command out.
pub(super) async fn rotate(args: &RotateArgs) -> Result<Exit, Failure> {
    let (root, pending) = (&args.data.data, pending_name(&args.name));
    let session = Session::open(root, &Options::default()).await?;
    // The port of a stack that ends with this command is no address for anybody.
    let api = session.is_joined().then(|| session.client.endpoints.api.clone());
    // What is not registered gets none.
    let entry = format!("/v1/repositories/{}", args.name);
    let changed = match session.client.api(Method::GET, &entry, None).await {
        Err(refused) => Err(refused),
        Ok(_) => match aside(args) {
            Err(failure) => Err(failure),
            Ok(secret) => {
                let hours = if args.now { 0 } else { args.keep_hours };
                let body = json!({ "secret": secret, "keep_hours": hours });
                let path = format!("/v1/webhook-secrets/{}", args.name);
                let answer = session.client.api(Method::POST, &path, Some(&body)).await;
                answer.map(|answer| (secret, answer))
            }
        },
    };
    session.close().await;
    let (secret, answer) = changed?;
    let text = |key: &str| answer.get(key).and_then(Value::as_str);
    let path = text("path").ok_or_else(|| Failure::internal("the gateway names no webhook"))?;
    let url = api.as_ref().map(|api| format!("{api}{path}"));
    let until = text("before_until");
    let mut out = std::io::stdout().lock();
    if args.json {
        let shown = json!({
            "repository": args.name,
            "secret": secret,
            "path": path,
            "url": url,
            "before_until": until,
        });
        let shown = serde_json::to_string_pretty(&shown).doing("write the secret")?;
        writeln!(out, "{}", term::escaped(&shown)).doing("print the secret")?;
    } else {
        let webhook = match &url {
            Some(url) => url.clone(),
            None => format!("{path}, below the address of the gateway"),
        };
        let before = match until {
            Some(until) => format!("counts until {until}"),
            None => "there is none, or it counts no more".to_owned(),
        };
        writeln!(out, "secret   {secret}\nwebhook  {webhook}\nbefore   {before}")
            .doing("print the secret")?;
    }
    out.flush().doing("print the secret")?;
    data::put_parameter(root, &pending, None)?;
    term::note(
        "the secret is shown this once: enter it at the git host, with the webhook's address",
    );
    Ok(Exit::Success)
}

/// The secret that is to count, kept aside until it was shown: that of a call that was interrupted, or a
/// new one.
fn aside(args: &RotateArgs) -> Result<String, Failure> {
    let mut secret = new_secret().reveal().to_owned();
    data::change_parameter(&args.data.data, &pending_name(&args.name), |known| {
        if let Some(known) = known {
            known.clone_into(&mut secret);
        }
        Some(secret.clone())
    })?;
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::DataArgs;

    #[test]
    fn until_it_was_shown_the_same_secret_is_meant() {
        let dir = tempfile::tempdir().expect("a folder");
        let args = RotateArgs {
            name: "acme/shop".parse().expect("a name"),
            keep_hours: 24,
            now: false,
            json: false,
            data: DataArgs { data: dir.path().to_owned() },
        };
        let first = aside(&args).expect("a secret");
        assert_eq!(aside(&args).expect("a secret"), first);
        let kept = data::parameters(dir.path()).expect("a list");
        assert_eq!(kept["repositories/acme/shop/webhook-secret-next"], first);
        data::put_parameter(dir.path(), &pending_name(&args.name), None).expect("forgotten");
        assert_ne!(aside(&args).expect("a secret"), first);
    }

    #[test]
    fn what_changes_a_parameter_is_one_write_and_two_at_once_are_one_after_the_other() {
        let dir = tempfile::tempdir().expect("a folder");
        let root = dir.path();
        let add = || {
            let one_more = |known: Option<&str>| {
                let number: u32 = known.and_then(|text| text.parse().ok()).unwrap_or_default();
                Some((number + 1).to_string())
            };
            data::change_parameter(root, "x", one_more).expect("kept");
        };
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..5).for_each(|_| add()));
            }
        });
        // Killed before the one write that there is, it has changed nothing.
        std::fs::write(root.join("parameters.tmp"), "{\"x\": \"half").expect("a file");
        add();
        assert_eq!(data::parameters(root).expect("a list")["x"], "41");
    }
}
