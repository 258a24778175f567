//! Who has room, in one item that is changed by its version, and who waits: an item for each run in
//! the partition of its repository, and one for each repository that has such.
//!
//! All of it is read consistently. The list of queues is written to by pushes that find no room, no
//! faster than the API lets them in, and is as long as there are repositories that wait.

use std::collections::BinaryHeap;

use async_trait::async_trait;
use aws_sdk_dynamodb::types::Select;
use jiff::Timestamp;
use pact_agent::{
    ports::{StoreError, Unreadable},
    room::{Queue, QueuedRun, Room},
};
use pact_contract::{RepositoryName, RunId, room::RoomRecord};

use super::{
    DynamoStore, MAX_PAGES,
    conditional::held,
    item::{Item, identifier, instant, json, n, number, s, sortable, text, unreadable},
    kind::{QUEUE, QUEUED, ROOM},
};
use crate::error::failed;

/// Key of the item of those that have room.
const KEY: &str = "ROOM";
/// Partition of the list of queues.
const QUEUES: &str = "QUEUES";

fn queue_key(repository: &RepositoryName) -> String {
    format!("QUEUE#{repository}")
}

fn position(run: &QueuedRun) -> String {
    format!("{}#{}", sortable(run.since), run.run_id)
}

fn queued(repository: &RepositoryName, item: &Item) -> Result<QueuedRun, Unreadable> {
    QUEUED.known(item)?;
    let position = text(item, "sk")?;
    let read = position.split_once('#').and_then(|(since, run_id)| {
        Some((since.parse::<Timestamp>().ok()?, RunId::parse(run_id).ok()?))
    });
    let (since, run_id) = read.ok_or_else(|| unreadable(item, "it is no place in a queue"))?;
    Ok(QueuedRun { repository: repository.clone(), run_id, since })
}

fn queue(item: &Item) -> Result<Queue, Unreadable> {
    QUEUE.known(item)?;
    Ok(Queue {
        repository: identifier(item, "sk")?,
        told: number(item, "told")?,
        turn: instant(item, "turn")?,
    })
}

/// What can be read; what cannot is said, and hides nothing else.
fn readable<T>(read: Result<T, Unreadable>) -> Option<T> {
    read.inspect_err(|unreadable| tracing::error!(%unreadable, "in a queue")).ok()
}

#[async_trait]
impl Room for DynamoStore {
    async fn room(&self) -> Result<(RoomRecord, u64), StoreError> {
        let found = self.get("read who has room", KEY.to_owned(), KEY).await?;
        let Some(item) = found else { return Ok(<_>::default()) };
        Ok((ROOM.document(&item, "record")?, number(&item, "version")?))
    }

    async fn store_room(&self, record: &RoomRecord, version: u64) -> Result<bool, StoreError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("pk", s(KEY))
            .item("sk", s(KEY))
            .item("schema", ROOM.written())
            .item("record", json("who has room", record)?)
            .item("version", n(version.saturating_add(1)))
            .expression_attribute_names("#version", "version");
        let put = if version == 0 {
            put.condition_expression("attribute_not_exists(#version)")
        } else {
            put.condition_expression("#version = :version")
                .expression_attribute_values(":version", n(version))
        };
        held("write who has room", put.send().await)
    }

    async fn enqueue(&self, run: &QueuedRun) -> Result<(), StoreError> {
        self.client
            .put_item()
            .table_name(&self.table)
            .item("pk", s(queue_key(&run.repository)))
            .item("sk", s(position(run)))
            .item("schema", QUEUED.written())
            .item("expires", self.expiry())
            .send()
            .await
            .map_err(|error| failed("put a run into its queue", error))?;
        // Second: who finds the queue empty after this read of it takes it away in vain.
        self.client
            .update_item()
            .table_name(&self.table)
            .key("pk", s(QUEUES))
            .key("sk", s(&run.repository))
            .update_expression(
                "SET #schema = :schema, #turn = if_not_exists(#turn, :now) ADD #told :one",
            )
            .expression_attribute_names("#schema", QUEUE.attribute)
            .expression_attribute_names("#turn", "turn")
            .expression_attribute_names("#told", "told")
            .expression_attribute_values(":schema", QUEUE.written())
            .expression_attribute_values(":now", s(sortable(Timestamp::now())))
            .expression_attribute_values(":one", n(1))
            .send()
            .await
            .map_err(|error| failed("say that a repository waits", error))?;
        Ok(())
    }

    async fn is_queued(&self, run: &QueuedRun) -> Result<bool, StoreError> {
        let what = "read a place in a queue";
        let place = self.get(what, queue_key(&run.repository), &position(run)).await?;
        let queue = self.get(what, QUEUES.to_owned(), run.repository.as_str()).await?;
        Ok(place.is_some() && queue.is_some())
    }

    async fn dequeue(&self, run: &QueuedRun) -> Result<(), StoreError> {
        self.client
            .delete_item()
            .table_name(&self.table)
            .key("pk", s(queue_key(&run.repository)))
            .key("sk", s(position(run)))
            .send()
            .await
            .map_err(|error| failed("take a run out of its queue", error))?;
        Ok(())
    }

    async fn queue(
        &self,
        repository: &RepositoryName,
        limit: usize,
    ) -> Result<Vec<QueuedRun>, StoreError> {
        let page = self
            .partition(queue_key(repository))
            .limit(i32::try_from(limit.max(1)).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(|error| failed("read a queue", error))?;
        let items = page.items.unwrap_or_default();
        Ok(items.iter().filter_map(|item| readable(queued(repository, item))).collect())
    }

    async fn somebody_waits(&self) -> Result<bool, StoreError> {
        let page = self
            .partition(QUEUES.to_owned())
            .limit(1)
            .select(Select::Count)
            .send()
            .await
            .map_err(|error| failed("ask whether somebody waits", error))?;
        Ok(page.count > 0)
    }

    async fn queues(&self, limit: usize) -> Result<Vec<Queue>, StoreError> {
        // The earliest, of however many there are: the latest of those that are kept goes.
        let mut earliest = BinaryHeap::new();
        let mut start = None;
        for _ in 0..MAX_PAGES {
            let request = self.partition(QUEUES.to_owned()).set_exclusive_start_key(start.take());
            let page = request.send().await.map_err(|error| failed("list the queues", error))?;
            for item in page.items.unwrap_or_default() {
                let Some(Queue { repository, told, turn }) = readable(queue(&item)) else {
                    continue;
                };
                earliest.push((turn, repository, told));
                if earliest.len() > limit {
                    earliest.pop();
                }
            }
            start = page.last_evaluated_key.filter(|key| !key.is_empty());
            if start.is_none() {
                break;
            }
        }
        let queues = earliest.into_sorted_vec().into_iter();
        Ok(queues.map(|(turn, repository, told)| Queue { repository, told, turn }).collect())
    }

    async fn had_its_turn(
        &self,
        repository: &RepositoryName,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("pk", s(QUEUES))
            .key("sk", s(repository))
            .update_expression("SET #turn = :at")
            .condition_expression("attribute_exists(#turn)")
            .expression_attribute_names("#turn", "turn")
            .expression_attribute_values(":at", s(sortable(at)))
            .send()
            .await;
        held("write that a repository had its turn", update).map(drop)
    }

    async fn remove_queue(&self, queue: &Queue) -> Result<bool, StoreError> {
        let deleted = self
            .client
            .delete_item()
            .table_name(&self.table)
            .key("pk", s(QUEUES))
            .key("sk", s(&queue.repository))
            .condition_expression("#told = :told")
            .expression_attribute_names("#told", "told")
            .expression_attribute_values(":told", n(queue.told))
            .send()
            .await;
        held("take an empty queue away", deleted)
    }
}

impl DynamoStore {
    /// A consistent read of a whole partition.
    fn partition(
        &self,
        key: String,
    ) -> aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.table)
            .key_condition_expression("#pk = :pk")
            .expression_attribute_names("#pk", "pk")
            .expression_attribute_values(":pk", s(key))
            .consistent_read(true)
    }

    /// How many wait before this run in the queue of its repository, at most `most`; none where it is
    /// not in the queue.
    pub(super) async fn waits_before(
        &self,
        run: &QueuedRun,
        most: usize,
    ) -> Result<Option<usize>, StoreError> {
        if !self.is_queued(run).await? {
            return Ok(None);
        }
        let page = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("#pk = :pk AND #sk < :sk")
            .expression_attribute_names("#pk", "pk")
            .expression_attribute_names("#sk", "sk")
            .expression_attribute_values(":pk", s(queue_key(&run.repository)))
            .expression_attribute_values(":sk", s(position(run)))
            .limit(i32::try_from(most.max(1)).unwrap_or(i32::MAX))
            .select(Select::Count)
            .send()
            .await
            .map_err(|error| failed("count who waits before", error))?;
        Ok(Some(usize::try_from(page.count).unwrap_or_default()))
    }
}
