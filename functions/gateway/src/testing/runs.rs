//! Runs and claims.

use super::*;

#[async_trait]
impl Runs for World {
    async fn claim(&self, key: &str, run_id: &RunId, _: Duration) -> Result<Claim, StoreError> {
        self.call().await?;
        let mut state = self.state();
        match state.claims.get(key) {
            Some(run_id) => Ok(Claim::Seen { run_id: run_id.clone() }),
            None => {
                state.claims.insert(key.to_owned(), run_id.clone());
                Ok(Claim::New)
            }
        }
    }
    async fn claimed(&self, key: &str) -> Result<Option<RunId>, StoreError> {
        self.call().await?;
        Ok(self.state().claims.get(key).cloned())
    }
    async fn unclaim(&self, key: &str) -> Result<(), StoreError> {
        self.call().await?;
        self.state().claims.remove(key);
        Ok(())
    }
    async fn create_run(
        &self,
        request: &RunRequest,
        execution_arn: &str,
        status: RunStatus,
        input: Option<&Value>,
    ) -> Result<(), StoreError> {
        self.call().await?;
        let mut state = self.state();
        if let Some(input) = input {
            state.inputs.entry(request.run_id.clone()).or_insert_with(|| input.clone());
        }
        state.runs.entry(request.run_id.clone()).or_insert_with(|| RunRecord {
            request: request.clone(),
            status,
            execution_arn: execution_arn.to_owned(),
            deploying: None,
            finished_at: None,
            outcome: None,
        });
        Ok(())
    }
    async fn begin_run(&self, run_id: &RunId) -> Result<bool, StoreError> {
        self.call().await?;
        let mut state = self.state();
        let run = state.runs.get_mut(run_id).filter(|run| run.status == RunStatus::Queued);
        Ok(run.map(|run| run.status = RunStatus::Running).is_some())
    }
    async fn input(&self, run_id: &RunId) -> Result<Option<Value>, StoreError> {
        self.call().await?;
        Ok(self.state().inputs.get(run_id).cloned())
    }
    async fn run(&self, run_id: &RunId) -> Result<Option<RunRecord>, StoreError> {
        self.call().await?;
        Ok(self.state().runs.get(run_id).cloned())
    }
    async fn runs(&self, run_ids: &[RunId]) -> Result<Listed<RunRecord>, StoreError> {
        self.call().await?;
        let state = self.state();
        let there = run_ids.iter().filter_map(|id| state.runs.get(id).cloned());
        Ok(there.collect::<Vec<_>>().into())
    }
    async fn close_run(&self, run_id: &RunId) -> Result<(), StoreError> {
        self.call().await?;
        self.state().closed.insert(run_id.clone());
        Ok(())
    }
    async fn finish_before_deploying(
        &self,
        run_id: &RunId,
        outcome: &Outcome,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        if self.state().runs.get(run_id).is_some_and(|run| run.deploying.is_some()) {
            return Ok(false);
        }
        self.finish_run(run_id, outcome, at).await
    }
    async fn stage(
        &self,
        run_id: &RunId,
        state: &StateName,
    ) -> Result<Option<StageRecord>, StoreError> {
        self.call().await?;
        let output = self.state().stages.get(&(run_id.clone(), state.clone())).cloned();
        let record = |output| {
            serde_json::from_value(json!({
                "schema": 1, "run_id": run_id, "state": state, "agent": "a", "action": "a.b",
                "status": "passed", "summary": "", "attempt": 1,
                "started_at": Timestamp::UNIX_EPOCH, "finished_at": null, "duration_ms": 0,
                "findings": [], "findings_total": 0, "output": output, "details_key": null,
                "error": null, "fallback": null,
            }))
        };
        Ok(output.map(|output| record(output).unwrap()))
    }
    async fn finish_run(
        &self,
        run_id: &RunId,
        outcome: &Outcome,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.call().await?;
        let mut state = self.state();
        let Some(run) = state.runs.get_mut(run_id).filter(|run| !run.status.is_final()) else {
            return Ok(false);
        };
        run.status = outcome.status;
        run.outcome = Some(outcome.clone());
        run.finished_at = Some(at);
        Ok(true)
    }
}
