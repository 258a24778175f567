//! The run store: one DynamoDB table.
//!
//! Keys `pk` and `sk`; indexes `gsi1` (`gsi1pk`, `gsi1sk`) and `gsi2` (`gsi2pk`, `gsi2sk`), which
//! project everything, and `open` (`openpk`, `opensk`), which projects keys and has what something is left
//! to do for; time to live by `expires`. Nothing scans. The state machines write to the
//! same items by their native DynamoDB integration, so that these keys are a contract with them.
//!
//! | what is asked | key that serves it |
//! |---|---|
//! | one run | `RUN#<run>` / `RUN` |
//! | latest runs | `gsi1`: `RUNS#<shard>` / `<started_at>#<run>`, backwards |
//! | latest runs of a repository | `gsi2`: `REPO#<repository>` / `<started_at>#<run>`, backwards |
//! | both of a status, branch, author, word or environment | the same keys with `#STATUS#<status>`, `#BRANCH#…`, `#AUTHOR#…`, `#WORD#…`, `#ENVIRONMENT#…` |
//! | why a run is in such a list | `RUN#<run>` / begins with `IN#`; the run's own item is in those of its status |
//! | stages of a run | `RUN#<run>` / begins with `STAGE#` |
//! | one stage | `RUN#<run>` / `STAGE#<state>` |
//! | transaction log of a run | `RUN#<run>` / begins with `LOG#`, ten digits |
//! | end of that log | `RUN#<run>` / `LOGHEAD` |
//! | notifications of a run | `RUN#<run>` / begins with `OUTBOX#` |
//! | messages that are to be sent again | `open`: `OUTBOX` / `<when>` |
//! | approvals of a run | `RUN#<run>` / begins with `APPROVAL#`, each pointing to a callback |
//! | calls of a run that wait for an answer | `RUN#<run>` / begins with `CALL#`, with the task token |
//! | a callback with its task token | `CALLBACK#<callback>` / `CALLBACK` |
//! | an environment with its lock | `ENV#<repository>#<environment>` / `ENV` |
//! | a repository of the registry | `REPOSITORY#<repository>` / `REPOSITORY` |
//! | the rules that count for a repository | `REPOSITORY#<repository>` / `POLICY`, with a place |
//! | the rules that a run's commit asks for | `RUN#<run>` / `POLICY` |
//! | pull requests of forks of a repository | `PULLS#<repository>` / begins with `PULL#`, twenty digits |
//! | every repository of the registry | `gsi1`: `REPOSITORIES` / `<repository>` |
//! | every environment | `gsi1`: `ENVIRONMENTS` / `<repository>#<environment>` |
//! | the pushes of a branch | `BRANCH#<repository>#<reference>` / `BRANCH`, with a version |
//! | runs that have not ended, by status | `open`: `OPEN#<status>#<shard>` / `<started_at>#<run>` |
//! | what a commit is to show on its host | `STATUS#<repository>#<commit>#<context>` / `STATUS`, with a version |
//! | what of that is due | `open`: `STATUSES#<shard>` / `<when>` |
//! | heads of the branches of a repository at its host | `HEADS#<repository>` / `HEADS`, with a version |
//! | whose host is to be asked | `open`: `HEADS` / `<when>` |
//! | who has room to go on | `ROOM` / `ROOM`, with a version |
//! | the queue of a repository | `QUEUE#<repository>` / `<started_at>#<run>` |
//! | repositories that have one | `QUEUES` / `<repository>`, with when each had its turn |
//! | who looks after those now | `PASS` / `PASS`, with a fence |
//! | who claimed a delivery or a push | `CLAIM#<key>` / `CLAIM`, expires |
//! | an API token | `TOKEN#<id>` / `TOKEN`, expires a while after the token |
//! | every API token | `gsi1`: `TOKENS` / `<id>` |
//! | a browser that is signed in | `SESSION#<hash of its secret>` / `SESSION`, expires |
//! | a code that signs one in, once | `CODE#<hash of the code>` / `CODE`, expires |
//! | the answer to a request | `IDEMPOTENCY#<key>` / `IDEMPOTENCY`, expires |
//!
//! Every item has the version of its form in `schema`, and is read by its `kind`; two parts of
//! items that the state machines write have their own, `outcome_schema` and `watch_schema`. An item
//! that cannot be read is told with its key and the reason beside those that can: it hides nothing.
//!
//! Stage records, entries of the log and its end carry a keyed `seal` over the whole item, where the
//! installation has a key for it.
//!
//! What belongs to a run expires: the run itself counted from its start, everything else from when
//! it was written, so that nothing of a run that is shown is gone. An expired item is not there,
//! though DynamoDB may take days to take it away. Environments do not expire.
//!
//! What a run consists of is read consistently; the lists come from indexes, which follow a write
//! after a moment. One thing that is asked for has a list of its own; further ones are applied to
//! bounded reads of that: the cursor then says where to go on, so that a page may be short but
//! nothing is left out.

mod access;
mod arrivals;
mod branches;
mod callbacks;
mod conditional;
mod entries;
mod environments;
mod heads;
mod incidents;
mod item;
mod keyed;
mod kind;
mod lists;
mod open;
mod pages;
mod policies;
mod pulls;
mod questions;
mod recorder;
mod registry;
mod room;
mod runs;
mod seal;
mod several;
mod statuses;
#[cfg(test)]
mod tests;
mod verify;
mod waiting;

use std::{sync::Arc, time::Duration};

use aws_sdk_dynamodb::{
    Client, operation::query::builders::QueryFluentBuilder, types::AttributeValue,
};
use jiff::Timestamp;
use pact_agent::{ports::StoreError, secrets::Secrets};
use pact_contract::RunId;

use crate::error::failed;
use item::{Item, s};

pub use seal::SealKey;
use seal::SealSource;

/// Largest number of pages that one question may read.
const MAX_PAGES: usize = 64;

/// How long what belongs to a run is kept, where nothing else is set.
pub const RETENTION: Duration = Duration::from_hours(400 * 24);

/// The run store. Implements every store port.
#[derive(Clone, Debug)]
pub struct DynamoStore {
    client: Client,
    table: String,
    retention: Duration,
    seal: SealSource,
}

impl DynamoStore {
    /// The store in `table`; what belongs to a run is kept for [`RETENTION`].
    #[must_use]
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into(), retention: RETENTION, seal: SealSource::None }
    }

    /// Keeps what belongs to a run for so long.
    #[must_use]
    pub fn keeping(self, retention: Duration) -> Self {
        Self { retention, ..self }
    }

    /// Seals what is recorded of runs with the key; none: it is chained, and not sealed.
    #[must_use]
    pub fn sealing(self, key: Option<SealKey>) -> Self {
        Self { seal: key.map_or(SealSource::None, SealSource::Key), ..self }
    }

    /// Seals with the key that the installation's secrets have, read when it is first needed; where
    /// they have none, what is recorded is chained, and not sealed.
    #[must_use]
    pub fn sealing_by(self, secrets: Arc<dyn Secrets>) -> Self {
        Self { seal: SealSource::Secret(secrets), ..self }
    }

    /// The item with its seal, where there is a key.
    async fn sealed(&self, mut item: Item) -> Result<Item, StoreError> {
        if let Some(key) = self.seal.key().await? {
            key.seal(&mut item);
        }
        Ok(item)
    }

    /// When what is written now about a run expires.
    fn expiry(&self) -> AttributeValue {
        item::n(item::after(self.retention))
    }

    /// One item, read consistently; none when it has expired.
    async fn get(&self, what: &str, pk: String, sk: &str) -> Result<Option<Item>, StoreError> {
        let found = self.get_expired(what, pk, sk).await?;
        Ok(found.filter(|item| !item::has_expired(item)))
    }

    /// One item, read consistently, whether it has expired or not.
    async fn get_expired(
        &self,
        what: &str,
        pk: String,
        sk: &str,
    ) -> Result<Option<Item>, StoreError> {
        let found = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("pk", AttributeValue::S(pk))
            .key("sk", s(sk))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| failed(what, error))?;
        Ok(found.item)
    }

    /// Every item of a run whose sort key begins with `prefix`, in the order of the sort keys.
    async fn items_of_run(
        &self,
        what: &str,
        run_id: &RunId,
        prefix: &str,
    ) -> Result<Vec<Item>, StoreError> {
        self.items_of_run_as(what, run_id, prefix, true).await
    }

    /// The same, as everything stands now or, at half the price, as it stood a moment ago.
    async fn items_of_run_as(
        &self,
        what: &str,
        run_id: &RunId,
        prefix: &str,
        now: bool,
    ) -> Result<Vec<Item>, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("#pk = :pk AND begins_with(#sk, :prefix)")
            .expression_attribute_names("#pk", "pk")
            .expression_attribute_names("#sk", "sk")
            .expression_attribute_values(":pk", AttributeValue::S(item::run_key(run_id)))
            .expression_attribute_values(":prefix", s(prefix))
            .consistent_read(now);
        let mut items = all_pages(what, query).await?;
        items.retain(|item| !item::has_expired(item));
        Ok(items)
    }

    /// Every item of a list that the first index has under one key, whose own sort key begins with
    /// `begin`.
    async fn items_of_list(
        &self,
        what: &str,
        key: &str,
        begin: &str,
    ) -> Result<Vec<Item>, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .index_name("gsi1")
            .key_condition_expression("#hash = :hash")
            .expression_attribute_names("#hash", "gsi1pk")
            .expression_attribute_values(":hash", s(key));
        let query = match begin {
            "" => query,
            begin => query
                .key_condition_expression("#hash = :hash AND begins_with(#range, :begin)")
                .expression_attribute_names("#range", "gsi1sk")
                .expression_attribute_values(":begin", s(begin)),
        };
        all_pages(what, query).await
    }
}

/// The index of what something is left to do for: sorted by when, in partitions by kind.
const OPEN: &str = "open";

impl DynamoStore {
    /// The keys of at most `limit` items of one partition of the index of what is left to do, what is
    /// due longest first; with `until`, what is due by then.
    async fn due(
        &self,
        what: &str,
        partition: &str,
        until: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<Item>, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(OPEN)
            .key_condition_expression(match until {
                Some(_) => "#hash = :hash AND #range <= :until",
                None => "#hash = :hash",
            })
            .expression_attribute_names("#hash", "openpk")
            .expression_attribute_values(":hash", s(partition))
            .limit(i32::try_from(limit).unwrap_or(i32::MAX));
        let query = match until {
            None => query,
            Some(until) => query
                .expression_attribute_names("#range", "opensk")
                .expression_attribute_values(":until", s(item::sortable(until))),
        };
        let found = query.send().await.map_err(|error| failed(what, error))?;
        Ok(found.items.unwrap_or_default())
    }
}

/// The items of all pages of a query.
async fn all_pages(what: &str, query: QueryFluentBuilder) -> Result<Vec<Item>, StoreError> {
    let mut items = Vec::new();
    let mut start = None;
    for _ in 0..MAX_PAGES {
        let page = query.clone().set_exclusive_start_key(start).send().await;
        let page = page.map_err(|error| failed(what, error))?;
        items.extend(page.items.unwrap_or_default());
        match page.last_evaluated_key {
            Some(key) if !key.is_empty() => start = Some(key),
            _ => return Ok(items),
        }
    }
    Err(crate::error::unavailable(format!("cannot {what}: more than {MAX_PAGES} pages")))
}
