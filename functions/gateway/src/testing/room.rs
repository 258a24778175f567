//! Runs that have not ended, and room for them.

use super::*;

#[async_trait]
impl OpenRuns for World {
    async fn open_runs(
        &self,
        status: RunStatus,
        from: Option<&OpenPlace>,
        limit: usize,
    ) -> Result<OpenPage, StoreError> {
        self.call().await?;
        let state = self.state();
        // A run is listed by the status that it had when it was open.
        let open = state.runs.values().filter(|run| match run.status.is_final() {
            true => status == RunStatus::Running && !state.closed.contains(&run.request.run_id),
            false => run.status == status,
        });
        let ids = open.map(|run| run.request.run_id.clone());
        let mut ids = ids.skip_while(|id| from.is_some_and(|from| *id.as_str() <= *from.at));
        let runs: Vec<_> = ids.by_ref().take(limit).collect();
        let more = ids.next().is_some();
        let next = runs.last().filter(|_| more).map(|id| OpenPlace { status, at: id.to_string() });
        Ok(OpenPage { runs, unreadable: Vec::new(), next })
    }
    async fn begin_pass(&self, _: Duration) -> Result<Option<Pass>, StoreError> {
        self.call().await?;
        let (taken, fence, from) = &mut self.state().pass;
        if std::mem::replace(taken, true) {
            return Ok(None);
        }
        *fence += 1;
        Ok(Some(Pass { fence: *fence, from: from.clone() }))
    }
    async fn end_pass(&self, pass: &Pass, place: Option<&OpenPlace>) -> Result<bool, StoreError> {
        self.call().await?;
        let (taken, fence, from) = &mut self.state().pass;
        if *fence != pass.fence {
            return Ok(false);
        }
        (*taken, *from) = (false, place.cloned());
        Ok(true)
    }
}

#[async_trait]
impl Room for World {
    async fn room(&self) -> Result<(RoomRecord, u64), StoreError> {
        self.call().await?;
        Ok(self.state().room.clone())
    }
    async fn store_room(&self, record: &RoomRecord, version: u64) -> Result<bool, StoreError> {
        self.call().await?;
        let room = &mut self.state().room;
        if room.1 != version {
            return Ok(false);
        }
        *room = (record.clone(), version + 1);
        Ok(true)
    }
    async fn enqueue(&self, run: &QueuedRun) -> Result<(), StoreError> {
        self.call().await?;
        let place = (run.since, run.run_id.clone());
        self.state().queued.entry(run.repository.clone()).or_default().insert(place);
        self.call().await?;
        let mut state = self.state();
        let queue = state.queues.entry(run.repository.clone()).or_insert_with(|| Queue {
            repository: run.repository.clone(),
            told: 0,
            turn: Timestamp::now(),
        });
        queue.told += 1;
        Ok(())
    }
    async fn is_queued(&self, run: &QueuedRun) -> Result<bool, StoreError> {
        self.call().await?;
        let state = self.state();
        let place = (run.since, run.run_id.clone());
        let there = state.queued.get(&run.repository).is_some_and(|queue| queue.contains(&place));
        Ok(there && state.queues.contains_key(&run.repository))
    }
    async fn dequeue(&self, run: &QueuedRun) -> Result<(), StoreError> {
        self.call().await?;
        let place = (run.since, run.run_id.clone());
        if let Some(queue) = self.state().queued.get_mut(&run.repository) {
            queue.remove(&place);
        }
        Ok(())
    }
    async fn queue(
        &self,
        repository: &RepositoryName,
        limit: usize,
    ) -> Result<Vec<QueuedRun>, StoreError> {
        self.call().await?;
        let mut state = self.state();
        state.largest = state.largest.max(limit);
        let runs = state.queued.get(repository).into_iter().flatten().take(limit);
        let place = |(since, run_id): &(Timestamp, RunId)| QueuedRun {
            repository: repository.clone(),
            run_id: run_id.clone(),
            since: *since,
        };
        Ok(runs.map(place).collect())
    }
    async fn somebody_waits(&self) -> Result<bool, StoreError> {
        self.call().await?;
        Ok(!self.state().queues.is_empty())
    }
    async fn queues(&self, limit: usize) -> Result<Vec<Queue>, StoreError> {
        self.call().await?;
        let mut state = self.state();
        state.largest = state.largest.max(limit);
        let mut queues: Vec<_> = state.queues.values().cloned().collect();
        queues.sort_by_key(|queue| queue.turn);
        queues.truncate(limit);
        Ok(queues)
    }
    async fn had_its_turn(
        &self,
        repository: &RepositoryName,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.call().await?;
        if let Some(queue) = self.state().queues.get_mut(repository) {
            queue.turn = at;
        }
        Ok(())
    }
    async fn remove_queue(&self, queue: &Queue) -> Result<bool, StoreError> {
        self.call().await?;
        let queues = &mut self.state().queues;
        let same = queues.get(&queue.repository).is_some_and(|known| known.told == queue.told);
        Ok(same && queues.remove(&queue.repository).is_some())
    }
}
