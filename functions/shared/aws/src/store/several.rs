//! Several items by one question.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::KeysAndAttributes;
use pact_agent::ports::StoreError;

use super::{
    DynamoStore,
    item::{Item, optional_text, s},
    recorder::wait,
};
use crate::error::{failed, unavailable};

/// How often what the table left out of an answer is asked for again.
const READS: u32 = 5;

/// Keys of an item.
pub(super) type Key = (String, &'static str);

impl DynamoStore {
    /// Several items by one question, read consistently, expired or not.
    pub(super) async fn get_all(
        &self,
        what: &str,
        keys: &[Key],
    ) -> Result<HashMap<Key, Item>, StoreError> {
        if keys.is_empty() {
            return Ok(HashMap::new());
        }
        let incomplete =
            |error| StoreError::unavailable(format!("cannot {what}: request: {error}"), error);
        let mut wanted = KeysAndAttributes::builder().consistent_read(true);
        for (pk, sk) in keys {
            wanted = wanted.keys([("pk".to_owned(), s(pk)), ("sk".to_owned(), s(*sk))].into());
        }
        let mut wanted = Some([(self.table.clone(), wanted.build().map_err(incomplete)?)].into());
        let mut found = HashMap::new();
        for attempt in 0..READS {
            let request = self.client.batch_get_item().set_request_items(wanted.take());
            let answer = request.send().await.map_err(|error| failed(what, error))?;
            for item in answer.responses.into_iter().flatten().flat_map(|(_, items)| items) {
                let same = |(pk, sk): &&Key| {
                    optional_text(&item, "pk") == Some(pk) && optional_text(&item, "sk") == Some(sk)
                };
                if let Some(key) = keys.iter().find(same) {
                    found.insert(key.clone(), item);
                }
            }
            wanted = answer.unprocessed_keys.filter(|left| !left.is_empty());
            if wanted.is_none() {
                return Ok(found);
            }
            // What the table had no capacity for at this moment.
            tokio::time::sleep(wait(attempt)).await;
        }
        Err(unavailable(format!("cannot {what}: the table left a part of it out {READS} times")))
    }
}
