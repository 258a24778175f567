//! Tokens that were handed out with a token. They end with it: who revokes a token that leaked has ended what
//! was made of it too.

use jiff::Timestamp;
use pact_agent::{access::Tokens, ports::StoreError};
use pact_contract::access::TokenRecord;

/// Most tokens in a row of which each was handed out with the one before it.
pub const GENERATIONS: usize = 4;

/// Which one in its row this token is, from 1 on; none where it or one before it is good for nothing.
///
/// # Errors
/// When the table cannot be read.
pub async fn generation(
    tokens: &dyn Tokens,
    record: &TokenRecord,
    now: Timestamp,
) -> Result<Option<usize>, StoreError> {
    if !record.counts(now) {
        return Ok(None);
    }
    let mut next = record.made_with.clone();
    for generation in 1..=GENERATIONS {
        let Some(id) = next else { return Ok(Some(generation)) };
        let known = tokens.token(&id).await?.filter(|known| known.record.counts(now));
        let Some(known) = known else { return Ok(None) };
        next = known.record.made_with;
    }
    Ok(None)
}
