//! Pushes at the door: one read of all that is known, and one transaction for all that is written.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use pact_agent::{
    arrivals::{Arrival, ArrivalKeys, Arrivals, NewPush, TakenUp},
    ports::StoreError,
};
use pact_contract::{RunStatus, log::GENESIS};

use super::{
    DynamoStore,
    branches::{self, branch_of},
    conditional::{lost_the_race, unmet},
    item::has_expired,
    kind::{HEADS, POLICY, REPOSITORY},
    runs::{claim_item, claim_key, claimed_for},
    several::Key,
};
use crate::error::failed;

#[async_trait]
impl Arrivals for DynamoStore {
    async fn arrival(&self, keys: &ArrivalKeys<'_>) -> Result<Arrival, StoreError> {
        let ArrivalKeys { repository, reference, push, delivery } = *keys;
        let entry = (format!("REPOSITORY#{repository}"), "REPOSITORY");
        let policy = (format!("REPOSITORY#{repository}"), "POLICY");
        let heads = (format!("HEADS#{repository}"), "HEADS");
        let branch = (branches::key(repository, reference), "BRANCH");
        let push = (claim_key(push), "CLAIM");
        let mut all =
            vec![entry.clone(), policy.clone(), heads.clone(), branch.clone(), push.clone()];
        let delivery = delivery.map(|key| (claim_key(key), "CLAIM"));
        // The same item twice is no request.
        all.extend(delivery.clone().filter(|key| *key != push));
        let found = self.get_all("read what is known of a push", &all).await?;
        let known = |key: &Key| found.get(key).filter(|item| !has_expired(item));
        let claimed = |key: &Key| known(key).map(claimed_for).transpose();
        Ok(Arrival {
            entry: known(&entry).map(|item| REPOSITORY.document(item, "record")).transpose()?,
            policy: known(&policy).map(|item| POLICY.document(item, "record")).transpose()?,
            heads: (found.get(&heads)).map(|item| HEADS.document(item, "record")).transpose()?,
            branch: branch_of(found.get(&branch))?,
            push: claimed(&push)?,
            delivery: delivery.as_ref().map(claimed).transpose()?.flatten(),
        })
    }

    async fn take_up(&self, new: &NewPush<'_>, keep: Duration) -> Result<TakenUp, StoreError> {
        const WHAT: &str = "take a push up";
        let ArrivalKeys { repository, reference, push, delivery } = new.keys;
        let run_id = &new.request.run_id;
        let branch = self.put_of_branch((repository, reference), new.branch, new.version)?;
        let (run, entries) =
            self.puts_of_run(new.request, new.execution_arn, RunStatus::Queued, None)?;
        let logged = self.puts_of_entry(run_id, &new.entry.clone().chain(1, GENESIS)).await?;
        // Whoever knows the branch in this version knows of no other who claimed them.
        let claims = [Some(push), delivery.filter(|delivery| *delivery != push)];
        let claims = claims.into_iter().flatten().map(|key| {
            Put::builder().table_name(&self.table).set_item(Some(claim_item(key, run_id, keep)))
        });
        let puts =
            [branch, run].into_iter().chain(logged).chain(claims).chain(entries).map(|put| {
                let put = put.build().map_err(|error| {
                    StoreError::unavailable(format!("cannot {WHAT}: request: {error}"), error)
                })?;
                Ok(TransactWriteItem::builder().put(put).build())
            });
        let puts = puts.collect::<Result<Vec<_>, StoreError>>()?;
        let sent = self.client.transact_write_items().set_transact_items(Some(puts)).send().await;
        let Err(error) = sent else { return Ok(TakenUp::Written) };
        match error.as_service_error() {
            Some(refused) if unmet(refused).is_some_and(|first| first > 0) => {
                Ok(TakenUp::RunIsThere)
            }
            Some(refused) if lost_the_race(refused) => Ok(TakenUp::Changed),
            _ => Err(failed(WHAT, error)),
        }
    }
}
