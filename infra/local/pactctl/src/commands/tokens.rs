//! `pactctl tokens`: API tokens.

use jiff::Timestamp;
use pact_contract::access::{Revoked, Scopes, TokenId};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::repos::ask;
use crate::{
    cli::TokensCommand,
    document,
    failure::{Context, Exit, Failure},
    term,
};

/// A token as the gateway shows it.
#[derive(Deserialize)]
struct Shown {
    id: TokenId,
    owner: String,
    scopes: Scopes,
    expires_at: Timestamp,
    #[serde(default)]
    used_at: Option<Timestamp>,
    #[serde(default)]
    revoked: Option<Revoked>,
    /// The token itself, when it was made just now.
    #[serde(default)]
    token: Option<String>,
}

/// Carries the command out.
pub(crate) fn tokens(command: TokensCommand) -> Result<Exit, Failure> {
    crate::runtime::start()?.block_on(async {
        match command {
            TokensCommand::Add { owner, scopes, days, json: as_json, data } => {
                let body = json!({ "owner": owner, "scopes": scopes, "days": days });
                let answer = ask(&data, Method::POST, "/v1/tokens", Some(&body)).await?;
                if as_json {
                    return document(&answer);
                }
                let shown = shown(answer)?;
                let day = shown.expires_at.strftime("%Y-%m-%d");
                term::note(&format!(
                    "{} is {}'s, for {}, until {day}; it is shown this once",
                    shown.id,
                    term::plain(&shown.owner),
                    shown.scopes
                ));
                println!("{}", shown.token.unwrap_or_default());
                Ok(Exit::Success)
            }
            TokensCommand::List { json: as_json, data } => {
                let answer = ask(&data, Method::GET, "/v1/tokens", None).await?;
                if as_json { document(&answer) } else { list(answer) }
            }
            TokensCommand::Revoke { id, data } => {
                let path = format!("/v1/tokens/{id}");
                let shown = shown(ask(&data, Method::DELETE, &path, None).await?)?;
                let owner = term::plain(&shown.owner);
                println!("{} of {owner} is good for nothing from now on", shown.id);
                Ok(Exit::Success)
            }
        }
    })
}

fn shown(answer: Value) -> Result<Shown, Failure> {
    serde_json::from_value(answer).doing("understand the gateway's answer")
}

fn document(answer: &Value) -> Result<Exit, Failure> {
    document::print(answer)?;
    Ok(Exit::Success)
}

fn list(answer: Value) -> Result<Exit, Failure> {
    #[derive(Deserialize)]
    struct Listed {
        tokens: Vec<Shown>,
    }
    let listed: Listed = serde_json::from_value(answer).doing("understand the list")?;
    if listed.tokens.is_empty() {
        term::note("nobody has a token");
        term::hint("`pactctl tokens add OWNER --scope read` hands one out");
    }
    let now = Timestamp::now();
    for token in listed.tokens {
        let end = match &token.revoked {
            Some(Revoked { by, at }) => {
                format!("revoked by {} on {}", term::plain(by), at.strftime("%Y-%m-%d"))
            }
            None if token.expires_at <= now => "expired".to_owned(),
            None => format!("until {}", token.expires_at.strftime("%Y-%m-%d")),
        };
        let used = token.used_at.map_or_else(
            || "never used".to_owned(),
            |at| format!("used {}", at.strftime("%Y-%m-%d %H:00 UTC")),
        );
        println!("{}  {}  {}  {end}, {used}", token.id, term::plain(&token.owner), token.scopes);
    }
    Ok(Exit::Success)
}
