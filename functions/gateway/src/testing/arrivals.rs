//! Pushes at the door, and who is told of them.

use super::*;

#[async_trait]
impl Arrivals for World {
    async fn arrival(&self, keys: &ArrivalKeys<'_>) -> Result<Arrival, StoreError> {
        self.call().await?;
        let policy = self.memory.policy(keys.repository).await?;
        let heads = self.heads.heads(keys.repository).await?.0;
        let state = self.state();
        let branch = (keys.repository.clone(), keys.reference.to_owned());
        Ok(Arrival {
            entry: state.registry.get(keys.repository).cloned(),
            policy,
            heads,
            branch: state.branches.get(&branch).cloned().unwrap_or_default(),
            push: state.claims.get(keys.push).cloned(),
            delivery: keys.delivery.and_then(|key| state.claims.get(key).cloned()),
        })
    }

    async fn take_up(&self, new: &NewPush<'_>, _: Duration) -> Result<TakenUp, StoreError> {
        self.call().await?;
        let run_id = &new.request.run_id;
        {
            let mut state = self.state();
            let branch = (new.keys.repository.clone(), new.keys.reference.to_owned());
            if state.branches.get(&branch).map_or(0, |(_, version)| *version) != new.version {
                return Ok(TakenUp::Changed);
            }
            if state.runs.contains_key(run_id) {
                return Ok(TakenUp::RunIsThere);
            }
            state.branches.insert(branch, (new.branch.clone(), new.version + 1));
            for key in [Some(new.keys.push), new.keys.delivery].into_iter().flatten() {
                state.claims.insert(key.to_owned(), run_id.clone());
            }
            let run = RunRecord {
                request: new.request.clone(),
                status: RunStatus::Queued,
                execution_arn: new.execution_arn.to_owned(),
                deploying: None,
                finished_at: None,
                outcome: None,
            };
            state.runs.insert(run_id.clone(), run);
        }
        self.memory.append_log(run_id, new.entry.clone()).await?;
        Ok(TakenUp::Written)
    }
}

#[async_trait]
impl Motor for World {
    async fn tell(&self, event: &Value) -> Result<(), StoreError> {
        self.call().await?;
        self.told.lock().unwrap().push(event.clone());
        Ok(())
    }
}
