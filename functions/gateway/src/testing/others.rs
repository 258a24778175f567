//! Branches, executions, the registry, callbacks, logs and environments.

use super::*;

#[async_trait]
impl Branches for World {
    async fn branch(
        &self,
        repository: &RepositoryName,
        reference: &str,
    ) -> Result<(BranchRecord, u64), StoreError> {
        self.call().await?;
        let key = (repository.clone(), reference.to_owned());
        Ok(self.state().branches.get(&key).cloned().unwrap_or_default())
    }
    async fn store_branch(
        &self,
        repository: &RepositoryName,
        reference: &str,
        record: &BranchRecord,
        version: u64,
    ) -> Result<bool, StoreError> {
        self.call().await?;
        let key = (repository.clone(), reference.to_owned());
        let mut state = self.state();
        let known = state.branches.entry(key).or_default();
        if known.1 != version {
            return Ok(false);
        }
        *known = (record.clone(), version + 1);
        Ok(true)
    }
}

#[async_trait]
impl Executions for World {
    fn execution_arn(&self, name: &str) -> String {
        format!("arn:execution:{name}")
    }
    async fn start(
        &self,
        name: &str,
        input: &Value,
        trace: Option<&str>,
    ) -> Result<String, StoreError> {
        self.call().await?;
        let mut state = self.state();
        state.trace = trace.map(str::to_owned);
        let known = state.executions.entry(name.to_owned()).or_insert_with(|| input.clone());
        // Step Functions would refuse the same name with another input.
        assert_eq!(known, input);
        Ok(self.execution_arn(name))
    }
    async fn state(&self, execution_arn: &str) -> Result<Option<ExecutionState>, StoreError> {
        self.call().await?;
        let state = self.state();
        let name = execution_arn.trim_start_matches("arn:execution:");
        let there = state.executions.contains_key(name);
        Ok(there.then(|| state.states.get(name).cloned().unwrap_or_else(|| status("RUNNING"))))
    }
    async fn stop(&self, execution_arn: &str, _: &str) -> Result<(), StoreError> {
        self.call().await?;
        self.state().stopped.insert(execution_arn.to_owned());
        Ok(())
    }
    async fn task_success(&self, task_token: &str, output: &Value) -> Result<bool, StoreError> {
        self.call().await?;
        let mut state = self.state();
        if !state.waiting.remove(task_token) {
            return Ok(false);
        }
        state.answers.insert(task_token.to_owned(), output.clone());
        Ok(true)
    }
}

#[async_trait]
impl Registry for World {
    async fn repository(
        &self,
        name: &RepositoryName,
    ) -> Result<Option<RepositoryEntry>, StoreError> {
        self.call().await?;
        Ok(self.state().registry.get(name).cloned())
    }
    async fn put_repository(
        &self,
        entry: &RepositoryEntry,
        old: Option<&RepositoryEntry>,
    ) -> Result<bool, StoreError> {
        self.call().await?;
        let registry = &mut self.state().registry;
        if registry.get(&entry.name) != old {
            return Ok(false);
        }
        registry.insert(entry.name.clone(), entry.clone());
        Ok(true)
    }
    async fn remove_repository(&self, name: &RepositoryName) -> Result<(), StoreError> {
        self.call().await?;
        self.state().registry.remove(name);
        Ok(())
    }
    async fn repositories(&self) -> Result<Listed<RepositoryEntry>, StoreError> {
        self.call().await?;
        Ok(self.state().registry.values().cloned().collect::<Vec<_>>().into())
    }
}

#[async_trait]
impl Callbacks for World {
    async fn questions(&self, run_id: &RunId) -> Result<Listed<ApprovalRecord>, StoreError> {
        self.call().await?;
        let state = self.state();
        let all = state.approvals.values().map(|(record, _)| record);
        Ok(all.filter(|record| record.run_id == *run_id).cloned().collect::<Vec<_>>().into())
    }
    async fn open_approval(
        &self,
        approval: &ApprovalRecord,
        task_token: &str,
    ) -> Result<ApprovalRecord, StoreError> {
        self.call().await?;
        let mut state = self.state();
        let known = state.approvals.values_mut().find(|(known, _)| {
            (&known.run_id, &known.state) == (&approval.run_id, &approval.state)
        });
        if let Some((known, token)) = known {
            task_token.clone_into(token);
            return Ok(known.clone());
        }
        let value = (approval.clone(), task_token.to_owned());
        state.approvals.insert(approval.callback.clone(), value);
        Ok(approval.clone())
    }
    async fn approval(
        &self,
        callback: &str,
    ) -> Result<Option<(ApprovalRecord, String)>, StoreError> {
        self.call().await?;
        Ok(self.state().approvals.get(callback).cloned())
    }
    async fn answer_approval(
        &self,
        callback: &str,
        answer: &ApprovalAnswer,
    ) -> Result<bool, StoreError> {
        self.call().await?;
        let mut state = self.state();
        let Some((known, _)) = state.approvals.get_mut(callback) else { return Ok(false) };
        Ok(known.take(answer))
    }
}

#[async_trait]
impl Recorder for World {
    async fn record_stage(&self, record: &StageRecord) -> Result<(), StoreError> {
        self.call().await?;
        self.memory.record_stage(record).await
    }
    async fn append_log(&self, run_id: &RunId, entry: NewEntry) -> Result<LogEntry, StoreError> {
        self.call().await?;
        self.memory.append_log(run_id, entry).await
    }
}

#[async_trait]
impl TransactionLog for World {
    async fn entries(&self, run_id: &RunId) -> Result<Listed<LogEntry>, StoreError> {
        self.call().await?;
        Ok(self.memory.log(run_id).into())
    }
}

#[async_trait]
impl Environments for World {
    async fn lock(
        &self,
        environment: &EnvironmentKey,
        run_id: &RunId,
        lease: Duration,
    ) -> Result<Lock, StoreError> {
        self.call().await?;
        self.memory.lock(environment, run_id, lease).await
    }
    async fn unlock(&self, environment: &EnvironmentKey, run_id: &RunId) -> Result<(), StoreError> {
        self.call().await?;
        self.memory.unlock(environment, run_id).await
    }
    async fn load(&self, environment: &EnvironmentKey) -> Result<EnvironmentRecord, StoreError> {
        self.call().await?;
        self.memory.load(environment).await
    }
    async fn waves(
        &self,
        repository: &RepositoryName,
        whole: &EnvironmentName,
    ) -> Result<Vec<(EnvironmentKey, EnvironmentRecord)>, StoreError> {
        self.call().await?;
        self.memory.waves(repository, whole).await
    }
    async fn store(
        &self,
        environment: &EnvironmentKey,
        record: &EnvironmentRecord,
        fence: u64,
    ) -> Result<(), StoreError> {
        self.call().await?;
        self.memory.store(environment, record, fence).await
    }
}
