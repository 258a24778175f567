//! API tokens: handed out, listed, revoked.

use std::collections::HashMap;

use axum::http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use pact_agent::{access::Tokens, ports::Listed};
use pact_contract::{
    access::{Credential, KnownToken, Revoked, Scope, Scopes, TokenId, TokenRecord},
    problems,
};
use pact_web::access::{GENERATIONS, INSTALLATION, NewToken, generation, new_token};
use serde_json::{Value, json};

use crate::{
    doors::Who,
    error::{Answer, ApiError},
    fields::{Fields, line, parse},
};

/// Longest name of an owner.
const MAX_OWNER: usize = 100;
/// How long a token is good for, in days, where nothing is said; and at most.
const DAYS: u64 = 90;
const MAX_DAYS: u64 = 366;
/// Attempts against others who write the same token.
const ATTEMPTS: usize = 5;

/// What is to be handed out.
#[derive(Debug)]
pub(crate) struct Wanted {
    owner: String,
    scopes: Scopes,
    days: u64,
}

/// Reads the body of `POST /v1/tokens`.
pub(crate) fn read(body: &[u8]) -> Answer<Wanted> {
    let value = parse(body)?;
    let fields = Fields::of(&value)?;
    fields.only(&["owner", "scopes", "days"])?;
    let owner = line(fields.text("owner", MAX_OWNER)?, MAX_OWNER)
        .ok_or_else(|| fields.wrong("owner", "nobody's name"))?;
    // Or the log could not tell one of them from the other.
    if owner == INSTALLATION || owner.starts_with("installation for ") || owner.starts_with("pact.")
    {
        return Err(fields.wrong("owner", "a name that the installation itself has"));
    }
    let names = value.get("scopes").and_then(Value::as_array);
    let names = names.ok_or_else(|| fields.wrong("scopes", "not a list of scopes"))?;
    let scope = |name: &Value| -> Answer<Scope> {
        let name = name.as_str().unwrap_or_default();
        name.parse().map_err(|error: pact_contract::access::NoScope| {
            fields.wrong("scopes", error.to_string())
        })
    };
    let scopes: Scopes = names.iter().map(scope).collect::<Answer<Vec<_>>>()?.into_iter().collect();
    if scopes.is_empty() {
        return Err(fields.wrong("scopes", "a token without a scope is good for nothing"));
    }
    let days = match value.get("days").filter(|days| !days.is_null()) {
        None => DAYS,
        Some(days) => days
            .as_u64()
            .filter(|days| (1..=MAX_DAYS).contains(days))
            .ok_or_else(|| fields.wrong("days", format!("not a number from 1 to {MAX_DAYS}")))?,
    };
    Ok(Wanted { owner, scopes, days })
}

/// Hands a token out. Nobody gives what they do not have: the owner of a token makes further ones
/// for themselves, with no scope and no day more, which end with it.
pub(crate) async fn add(tokens: &dyn Tokens, wanted: Wanted, who: &Who) -> Answer<Value> {
    let Wanted { owner, scopes, days } = wanted;
    let refused = |message: String| {
        Err(ApiError::new(StatusCode::FORBIDDEN, problems::SCOPE_MISSING, message))
    };
    if !who.0.is_installation() && owner != who.0.owner {
        let message = format!(
            "the token of {} makes tokens for nobody else; the installation's own token does",
            who.0.owner
        );
        return refused(message);
    }
    let beyond = scopes.beyond(&who.0.scopes);
    if !beyond.is_empty() {
        return refused(format!("your token does not have what it would give: {beyond}"));
    }
    let now = Timestamp::now();
    let made_with = match &who.0.credential {
        Credential::Token { id } => Some(id.clone()),
        Credential::Installation { .. } | Credential::Provider { .. } => None,
    };
    if let Some(id) = &made_with {
        let maker = tokens.token(id).await?.ok_or_else(ApiError::unavailable)?.record;
        if generation(tokens, &maker, now).await?.is_none_or(|nth| nth >= GENERATIONS) {
            return refused(format!(
                "your token was made with a token that was made with a token: the {GENERATIONS}th of \
                 such a row makes no further ones"
            ));
        }
    }
    let life = SignedDuration::from_hours(i64::try_from(days).unwrap_or(1).saturating_mul(24));
    let end = now.checked_add(life).unwrap_or(Timestamp::MAX);
    let NewToken { id, hash, text } = new_token().map_err(|_| ApiError::unavailable())?;
    let record = TokenRecord {
        schema: TokenRecord::VERSION,
        id,
        hash,
        owner,
        scopes,
        created_by: who.0.owner.clone(),
        made_with,
        created_at: now,
        expires_at: who.0.until.map_or(end, |until| until.min(end)),
        revoked: None,
    };
    if !tokens.put_token(&record, None).await? {
        return Err(ApiError::unavailable());
    }
    tracing::info!(
        token = record.id.as_str(), owner = record.owner, scopes = %record.scopes,
        by = record.created_by, "a token was handed out"
    );
    let mut answer = shown(&record);
    if let Some(fields) = answer.as_object_mut() {
        fields.insert("token".to_owned(), json!(text));
    }
    Ok(answer)
}

/// Every token, good or not.
pub(crate) async fn list(tokens: &dyn Tokens) -> Answer<Value> {
    let Listed { mut items, unreadable } = tokens.tokens().await?;
    items.sort_by_key(|known| known.record.created_at);
    end_with_makers(&mut items);
    let all: Vec<Value> = items
        .iter()
        .map(|KnownToken { record, used_at }| {
            let mut value = shown(record);
            if let Some(fields) = value.as_object_mut() {
                fields.insert("used_at".to_owned(), json!(used_at));
            }
            value
        })
        .collect();
    Ok(json!({ "tokens": all, "unreadable": unreadable }))
}

/// Says of tokens that ended with the one they were made with who revoked that, and when. They are sorted:
/// the one comes before what was made with it.
fn end_with_makers(sorted: &mut [KnownToken]) {
    let mut ended: HashMap<TokenId, Revoked> = HashMap::new();
    for KnownToken { record, .. } in sorted {
        let maker = record.made_with.as_ref().and_then(|id| ended.get(id));
        record.revoked = record.revoked.take().or_else(|| maker.cloned());
        if let Some(revoked) = &record.revoked {
            ended.insert(record.id.clone(), revoked.clone());
        }
    }
}

/// Makes a token good for nothing, at once; and every session that was begun and every token that was made
/// with it.
pub(crate) async fn revoke(tokens: &dyn Tokens, id: &str, who: &Who) -> Answer<Value> {
    let missing = || ApiError::not_found("there is no token with this id");
    let id = TokenId::parse(id).map_err(|_| missing())?;
    for _ in 0..ATTEMPTS {
        let known = tokens.token(&id).await?.ok_or_else(missing)?.record;
        if let Some(Revoked { by, at }) = &known.revoked {
            let message = format!("{by} revoked the token at {at}");
            return Err(ApiError::conflict(problems::TOKEN_REVOKED, message));
        }
        let revoked = Some(Revoked { by: who.0.owner.clone(), at: Timestamp::now() });
        let ended = TokenRecord { revoked, ..known.clone() };
        if tokens.put_token(&ended, Some(&known)).await? {
            tracing::info!(token = id.as_str(), by = who.0.owner, "a token was revoked");
            return Ok(shown(&ended));
        }
    }
    Err(ApiError::unavailable())
}

/// A token as the API shows it: with nothing of its secret.
fn shown(record: &TokenRecord) -> Value {
    json!({
        "id": record.id,
        "owner": record.owner,
        "scopes": record.scopes,
        "created_by": record.created_by,
        "made_with": record.made_with,
        "created_at": record.created_at,
        "expires_at": record.expires_at,
        "revoked": record.revoked,
    })
}
