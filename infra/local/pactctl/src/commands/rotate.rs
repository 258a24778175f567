//! `pactctl repos rotate`: another secret for a repository's webhook.

use jiff::{SignedDuration, Timestamp, Unit};
use pact_agent::{rotation::Rotating, secrets::Secret};
use pact_contract::{registry::RepositoryEntry, statuses::webhook_secret_name};
use pact_web::access::new_secret;
use reqwest::Method;
use serde_json::json;

use crate::{
    cli::RotateArgs,
    data,
    failure::{Context, Exit, Failure},
    run::session::Session,
    stack::options::Options,
    term,
};

/// What became of the secret before.
#[derive(Debug, PartialEq, Eq)]
enum Before {
    /// There was none.
    None,
    /// It counts until then.
    Until(Timestamp),
    /// It counts no more.
    Ended,
}

/// Carries the command out.
pub(super) async fn rotate(args: &RotateArgs) -> Result<Exit, Failure> {
    let session = Session::open(&args.data.data, 0, &Options::default()).await?;
    let path = format!("/v1/repositories/{}", args.name);
    let answer = session.client.api(Method::GET, &path, None).await;
    // The port of a stack that ends with this command is no address for anybody.
    let api = session.is_joined().then(|| session.client.endpoints.api.clone());
    session.close().await;
    let entry: RepositoryEntry =
        serde_json::from_value(answer?).doing("understand the gateway's answer")?;
    let path = pact_gateway::webhook_path_of(&entry)
        .ok_or_else(|| Failure::internal(format!("no git host is known of {}", entry.name)))?;

    let secret = new_secret();
    let until = match args.now {
        true => None,
        false => Some(in_hours(Timestamp::now(), args.keep_hours)?),
    };
    let mut before = Before::None;
    data::change_parameter(&args.data.data, &webhook_secret_name(&entry.name), |known| {
        let (next, was) = rotated(known, secret.clone(), until);
        before = was;
        Some(next.to_secret().reveal().to_owned())
    })?;

    let until = match before {
        Before::Until(until) => Some(until),
        Before::None | Before::Ended => None,
    };
    let url = api.as_ref().map(|api| format!("{api}{path}"));
    if args.json {
        let shown = json!({
            "repository": entry.name,
            "secret": secret.reveal(),
            "path": path,
            "url": url,
            "before_until": until,
        });
        println!("{}", serde_json::to_string_pretty(&shown).doing("write the secret")?);
        return Ok(Exit::Success);
    }
    println!("secret   {}", secret.reveal());
    match url {
        Some(url) => println!("webhook  {url}"),
        None => println!("webhook  {path}, below the address of the gateway"),
    }
    match (before, until) {
        (_, Some(until)) => println!("before   counts until {until}"),
        (Before::None, _) => println!("before   there was none"),
        _ => println!("before   counts no more"),
    }
    term::note(
        "the secret is shown this once: enter it at the git host, with the webhook's address",
    );
    Ok(Exit::Success)
}

/// Puts the new secret in the place of what is known, and says what became of that.
fn rotated(known: Option<&str>, next: Secret, until: Option<Timestamp>) -> (Rotating, Before) {
    // What cannot be read counts for nothing as it is.
    match known.and_then(|text| Rotating::parse(&Secret::new(text)).ok()) {
        None => (Rotating::new(next), Before::None),
        Some(known) => (known.rotated(next, until), until.map_or(Before::Ended, Before::Until)),
    }
}

/// So many hours from now, to the second.
fn in_hours(now: Timestamp, hours: u16) -> Result<Timestamp, Failure> {
    let end = now.checked_add(SignedDuration::from_hours(hours.into()));
    end.and_then(|end| end.round(Unit::Second)).doing("say until when the secret before counts")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRETS: [&str; 3] =
        ["the-first-secret-00", "the-second-secret-0", "the-third-secret-00"];

    #[test]
    fn of_two_rotations_the_last_two_secrets_count() {
        let now = Timestamp::from_second(1_790_000_000).expect("a time");
        let until = in_hours(now, 24).expect("a time");
        assert_eq!(until.to_string(), "2026-09-22T14:13:20Z");
        let [first, second, third] = SECRETS.map(Secret::new);
        let (known, before) = rotated(None, first, Some(until));
        assert_eq!(before, Before::None);
        let text = known.to_secret();
        let (known, before) = rotated(Some(text.reveal()), second, Some(until));
        assert_eq!(before, Before::Until(until));
        assert_eq!(
            known.to_secret().reveal(),
            "the-second-secret-0\nthe-first-secret-00 2026-09-22T14:13:20Z"
        );
        let text = known.to_secret();
        let (known, _) = rotated(Some(text.reveal()), third.clone(), Some(until));
        assert_eq!(known.current(), &third);
        assert_eq!(known.before(now).map(Secret::reveal), Some(SECRETS[1]));
        let text = known.to_secret();
        let (known, before) = rotated(Some(text.reveal()), Secret::new(SECRETS[0]), None);
        assert_eq!((known.to_secret().reveal(), before), (SECRETS[0], Before::Ended));
        assert_eq!(rotated(Some("hunter2"), third, Some(until)).1, Before::None);
    }

    #[test]
    fn a_rotation_is_one_write_and_two_at_once_are_one_after_the_other() {
        let dir = tempfile::tempdir().expect("a folder");
        let root = dir.path();
        let until = in_hours(Timestamp::now(), 1).expect("a time");
        let rotate = |next: Secret| {
            data::change_parameter(root, "x", |known| {
                Some(rotated(known, next, Some(until)).0.to_secret().reveal().to_owned())
            })
            .expect("kept");
        };
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..5).for_each(|_| rotate(new_secret())));
            }
        });
        let [_, second, third] = SECRETS.map(Secret::new);
        rotate(second.clone());
        // Killed before the one write that there is, it has changed nothing.
        std::fs::write(root.join("parameters.tmp"), "{\"x\": \"half").expect("a file");
        rotate(third.clone());
        let all = data::parameters(root).expect("a list");
        let known = Rotating::parse(&Secret::new(all["x"].as_str())).expect("two secrets");
        assert_eq!(known.current(), &third);
        assert_eq!(known.before(Timestamp::now()), Some(&second));
    }
}
