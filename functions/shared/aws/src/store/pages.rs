//! Pages of runs: the partitions of a list merged, in bounded reads.
//!
//! What is asked for chooses one list (see [`List::of`]); the rest is left out as it is read. A page
//! that looked at much and found little ends early, with a cursor: nothing is left out, and no page
//! costs more than another.

use std::collections::{HashMap, VecDeque};

use aws_sdk_dynamodb::types::{
    AttributeValue, KeysAndAttributes, ReturnConsumedCapacity, builders::KeysAndAttributesBuilder,
};
use pact_agent::ports::{RunPage, RunQuery, StoreError, Unreadable};
use pact_contract::{RunId, RunRecord, RunStatus};

use super::{
    DynamoStore,
    entries::{self, Of, SHARDS},
    item::{Item, has_expired, optional_text, s, text, unreadable},
    runs::run_record,
};
use crate::error::{failed, unavailable};

/// Runs on a page that does not ask for a number.
const DEFAULT_LIMIT: usize = 50;
/// Most runs on a page.
const MAX_LIMIT: usize = 200;
/// Items looked at in one read, where most of them may be left out.
const FILTERED_READ: usize = 28;
/// Read units of one page: what a page shows beside the list has the rest of thirty.
const UNITS: f64 = 24.0;
/// Reads of one page, after the first of each partition.
const MAX_READS: usize = 8;
/// Runs that are read for a page beyond those that are wanted, where most may be left out.
const MORE_RUNS: usize = 10;
/// Attempts to get what the table left out of an answer.
const ATTEMPTS: u32 = 4;

/// A list of runs, and what it is not chosen by.
struct List {
    of: Of,
    sources: Vec<Source>,
    filter: Vec<(&'static str, String)>,
}

/// One partition of an index.
struct Source {
    index: &'static str,
    key: String,
    /// What was read and is not taken yet.
    found: VecDeque<(String, Item)>,
    /// Everything newer was read; none before the first read of the newest.
    bound: Option<String>,
    /// There is nothing older.
    ended: bool,
}

impl Source {
    fn new(index: &'static str, key: String, bound: Option<&str>) -> Self {
        Self { index, key, found: VecDeque::new(), bound: bound.map(str::to_owned), ended: false }
    }

    /// The newest position that may still come of it; none when nothing does.
    fn next(&self) -> Option<Position<'_>> {
        match self.found.front() {
            Some((position, _)) => Some(Position::At(position)),
            None if self.ended => None,
            None => Some(self.bound.as_deref().map_or(Position::Newest, Position::Before)),
        }
    }
}

/// What is the newest that a partition may still have.
#[derive(Clone, Copy)]
enum Position<'a> {
    Before(&'a str),
    At(&'a str),
    Newest,
}

impl Position<'_> {
    /// By which they are compared.
    fn key(&self) -> (bool, &str, bool) {
        match self {
            Self::Before(at) => (false, at, false),
            Self::At(at) => (false, at, true),
            Self::Newest => (true, "", false),
        }
    }
}

impl List {
    /// The list that most likely has least beside what is wanted.
    fn of(query: &RunQuery, words: &[String], before: Option<&str>) -> Self {
        let author = query.author.as_deref().map(entries::author);
        let of = if let Some(word) = words.first() {
            Of::Word(word.clone())
        } else if let Some(environment) = &query.environment {
            Of::Environment(environment.clone())
        } else if let Some(author) = &author {
            Of::Author(author.clone())
        } else {
            match (query.status, &query.branch) {
                // Most runs end well, and few branches have most runs.
                (Some(RunStatus::Succeeded) | None, Some(branch)) => Of::Branch(branch.clone()),
                (Some(status), _) => Of::Status(status),
                (None, None) => Of::All,
            }
        };
        let sources = match &query.repository {
            Some(name) => vec![Source::new("gsi2", entries::of_repository(&of, name), before)],
            None => {
                let shards = (0..SHARDS).map(|shard| entries::of_all(&of, shard));
                // Where runs stood before there were lists of several partitions.
                let earlier = (of == Of::All).then(|| "RUNS".to_owned());
                shards.chain(earlier).map(|key| Source::new("gsi1", key, before)).collect()
            }
        };
        // Entries of environments are written by somebody who does not know these.
        let filtered = !matches!(of, Of::Environment(_));
        let branch = query.branch.clone().filter(|_| !matches!(of, Of::Branch(_)));
        let author = author.filter(|_| !matches!(of, Of::Author(_)));
        let filter = branch.map(|name| ("branch", name)).into_iter();
        let filter = filter.chain(author.map(|name| ("author", name)));
        Self { of, sources, filter: filter.filter(|_| filtered).collect() }
    }
}

/// A page that is being read.
struct Reading<'a> {
    store: &'a DynamoStore,
    list: List,
    reads: usize,
    /// Read units so far, and parts of partitions that were read for them.
    units: f64,
    parts: u32,
}

/// What comes next in a list.
enum Next {
    /// The front of this source.
    Of(usize),
    /// Nothing.
    End,
    /// Enough was read for one page.
    Enough,
}

impl Reading<'_> {
    /// Reads the next part of one partition.
    async fn part(
        &self,
        source: &Source,
        size: usize,
    ) -> Result<aws_sdk_dynamodb::operation::query::QueryOutput, StoreError> {
        let Self { store, list, .. } = self;
        let mut request = store
            .client
            .query()
            .table_name(&store.table)
            .index_name(source.index)
            .key_condition_expression(match source.bound {
                Some(_) => "#hash = :hash AND #range < :bound",
                None => "#hash = :hash",
            })
            .expression_attribute_names("#hash", format!("{}pk", source.index))
            .expression_attribute_values(":hash", s(&source.key))
            .scan_index_forward(false)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .limit(i32::try_from(size).unwrap_or(i32::MAX));
        if let Some(bound) = &source.bound {
            request = request
                .expression_attribute_names("#range", format!("{}sk", source.index))
                .expression_attribute_values(":bound", s(bound));
        }
        let mut conditions = Vec::new();
        for (name, value) in &list.filter {
            request = request
                .expression_attribute_names(format!("#{name}"), *name)
                .expression_attribute_values(format!(":{name}"), s(value));
            conditions.push(format!("#{name} = :{name}"));
        }
        if !conditions.is_empty() {
            request = request.filter_expression(conditions.join(" AND "));
        }
        request.send().await.map_err(|error| failed("list the runs", error))
    }

    /// Takes what was read of a partition.
    fn add(
        &mut self,
        at: usize,
        part: aws_sdk_dynamodb::operation::query::QueryOutput,
    ) -> Result<(), StoreError> {
        self.units += part.consumed_capacity.and_then(|c| c.capacity_units).unwrap_or_default();
        self.parts += 1;
        let Some(source) = self.list.sources.get_mut(at) else { return Ok(()) };
        let range = format!("{}sk", source.index);
        for item in part.items.unwrap_or_default() {
            source.found.push_back((text(&item, &range)?.to_owned(), item));
        }
        match part.last_evaluated_key.filter(|key| !key.is_empty()) {
            Some(key) => source.bound = Some(text(&key, &range)?.to_owned()),
            None => source.ended = true,
        }
        Ok(())
    }

    /// Reads the first part of every partition at once.
    async fn begin(&mut self, wanted: usize) -> Result<(), StoreError> {
        let count = self.list.sources.len().max(1);
        // One more than wanted says whether there is another page.
        let size = if self.list.filter.is_empty() {
            if count == 1 { wanted + 1 } else { (wanted + 1).div_ceil(usize::from(SHARDS)) + 1 }
        } else {
            FILTERED_READ
        };
        let parts = self.list.sources.iter().map(|source| self.part(source, size));
        let mut read = Vec::with_capacity(count);
        for part in futures::future::join_all(parts).await {
            read.push(part?);
        }
        for (at, part) in read.into_iter().enumerate() {
            self.add(at, part)?;
        }
        Ok(())
    }

    /// Where the next item is, after reading on where that is not known.
    async fn next(&mut self, wanted: usize) -> Result<Next, StoreError> {
        loop {
            let newest = self
                .list
                .sources
                .iter()
                .enumerate()
                .filter_map(|(at, source)| Some((at, source.next()?)))
                .max_by(|(_, a), (_, b)| a.key().cmp(&b.key()));
            let Some((at, position)) = newest else { return Ok(Next::End) };
            if matches!(position, Position::At(_)) {
                return Ok(Next::Of(at));
            }
            let each = self.units / f64::from(self.parts.max(1));
            if self.reads >= MAX_READS || self.units + each > UNITS {
                return Ok(Next::Enough);
            }
            self.reads += 1;
            let size = if self.list.filter.is_empty() {
                if self.list.sources.len() == 1 { wanted + 1 } else { wanted.div_ceil(4) + 1 }
            } else {
                FILTERED_READ
            };
            let Some(source) = self.list.sources.get(at) else { return Ok(Next::End) };
            let part = self.part(source, size).await?;
            self.add(at, part)?;
        }
    }

    /// Takes up to `most` items in their order; and whether nothing more comes, for now or at all.
    async fn take(&mut self, most: usize) -> Result<(Vec<(String, Item)>, bool), StoreError> {
        let mut taken = Vec::new();
        while taken.len() < most {
            let Next::Of(at) = self.next(most).await? else { return Ok((taken, true)) };
            let front = self.list.sources.get_mut(at).and_then(|source| source.found.pop_front());
            taken.extend(front);
        }
        Ok((taken, false))
    }

    /// Where to go on: none at the end.
    async fn rest(&mut self, last: Option<String>) -> Result<Option<String>, StoreError> {
        Ok(match self.next(1).await? {
            Next::End => None,
            Next::Of(_) => last,
            // Whatever is newer than this was looked at.
            Next::Enough => {
                let next = self.list.sources.iter().filter_map(Source::next);
                match next.max_by(|a, b| a.key().cmp(&b.key())) {
                    Some(Position::Before(bound)) => Some(bound.to_owned()),
                    _ => last,
                }
            }
        })
    }

    /// The items of the runs that entries point to, by their keys.
    async fn pointed_to(
        &mut self,
        taken: &[(String, Item)],
    ) -> Result<HashMap<String, Item>, StoreError> {
        let mut wanted: Vec<String> = Vec::new();
        for (_, item) in taken.iter().filter(|(_, item)| !is_run(item) && !has_expired(item)) {
            if let Some(pk) = optional_text(item, "pk").filter(|pk| !wanted.iter().any(|w| w == pk))
            {
                wanted.push(pk.to_owned());
            }
        }
        let mut found = HashMap::new();
        for keys in wanted.chunks(100) {
            self.get(keys, &mut found).await?;
        }
        Ok(found)
    }

    async fn get(
        &mut self,
        keys: &[String],
        found: &mut HashMap<String, Item>,
    ) -> Result<(), StoreError> {
        const WHAT: &str = "read the runs of a list";
        let key = |pk: &String| Item::from([("pk".to_owned(), s(pk)), ("sk".to_owned(), s("RUN"))]);
        let asked: KeysAndAttributesBuilder =
            keys.iter().fold(KeysAndAttributes::builder(), |all, pk| all.keys(key(pk)));
        let asked =
            asked.build().map_err(|e| StoreError::unavailable(format!("{WHAT}: {e}"), e))?;
        let mut asked = Some(HashMap::from([(self.store.table.clone(), asked)]));
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                tokio::time::sleep(std::time::Duration::from_millis(25 << attempt)).await;
            }
            let answer = self
                .store
                .client
                .batch_get_item()
                .set_request_items(asked.take())
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send()
                .await
                .map_err(|error| failed(WHAT, error))?;
            let units = answer.consumed_capacity.unwrap_or_default();
            self.units += units.iter().filter_map(|c| c.capacity_units).sum::<f64>();
            for item in answer.responses.unwrap_or_default().into_values().flatten() {
                if let Some(pk) = optional_text(&item, "pk").map(str::to_owned) {
                    found.insert(pk, item);
                }
            }
            match answer.unprocessed_keys.filter(|keys| !keys.is_empty()) {
                Some(keys) => asked = Some(keys),
                None => return Ok(()),
            }
        }
        Err(unavailable(format!("cannot {WHAT}: the table answers with a part of them only")))
    }
}

/// Whether an item is a run itself, not an entry that points to one.
fn is_run(item: &Item) -> bool {
    item.get("sk").and_then(|sk: &AttributeValue| sk.as_s().ok()).is_some_and(|sk| sk == "RUN")
}

/// A cursor is a position in hexadecimal, so that it can be put into an address.
pub(super) fn cursor(position: &str) -> String {
    hex::encode(format!("@{position}"))
}

pub(super) fn before(cursor: &str) -> Result<String, StoreError> {
    /// Longest sort key.
    const MAX: usize = 1_024;
    let text = hex::decode(cursor).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    text.and_then(|text| text.strip_prefix('@').map(str::to_owned))
        .filter(|position| !position.is_empty() && position.len() <= MAX)
        .ok_or_else(|| {
            StoreError::Invalid("the cursor is not one that a page ended with".to_owned())
        })
}

/// Whether a run is what is asked for; what chose its list is.
fn matches(run: &RunRecord, query: &RunQuery, words: &[String], of: &Of) -> bool {
    let RunRecord { request, status, .. } = run;
    let author = || request.author.as_deref().map(entries::author);
    let deployed = |name: &pact_contract::EnvironmentName| {
        let all = run.outcome.as_ref().map(|outcome| outcome.deployments.as_slice());
        all.unwrap_or_default().iter().any(|d| d.environment == *name)
    };
    query.repository.as_ref().is_none_or(|name| *name == request.repository.name)
        && query.status.is_none_or(|wanted| wanted == *status)
        && query.branch.as_ref().is_none_or(|branch| *branch == request.branch)
        && query.author.as_deref().is_none_or(|name| author() == Some(entries::author(name)))
        && entries::has_words(request, words)
        && query.environment.as_ref().is_none_or(|name| {
            matches!(of, Of::Environment(_))
                || run.deploying.as_ref() == Some(name)
                || deployed(name)
        })
}

impl DynamoStore {
    /// A page of runs, and the read units that it took.
    pub(super) async fn page_of_runs(
        &self,
        query: &RunQuery,
    ) -> Result<(RunPage, f64), StoreError> {
        let wanted = match query.limit {
            0 => DEFAULT_LIMIT,
            limit => limit.min(MAX_LIMIT),
        };
        let before = query.cursor.as_deref().map(before).transpose()?;
        let words = query.text.as_deref().map(entries::wanted).unwrap_or_default();
        if query.text.is_some() && words.is_empty() {
            return Err(StoreError::Invalid(
                "the text has no word of two letters to look for".to_owned(),
            ));
        }
        let list = List::of(query, &words, before.as_deref());
        let mut reading = Reading { store: self, list, reads: 0, units: 0.0, parts: 0 };
        reading.begin(wanted).await?;
        let mut page = RunPage::default();
        let (mut last, mut looked) = (before, 0);
        loop {
            let room = wanted.saturating_sub(page.runs.len() + page.unreadable.len());
            let room = room.min((wanted + MORE_RUNS).saturating_sub(looked));
            let (taken, over) = reading.take(room).await?;
            looked += taken.len();
            if let Some((position, _)) = taken.last() {
                last = Some(position.clone());
            }
            let mut found = reading.pointed_to(&taken).await?;
            for (_, entry) in taken {
                if let Some(run) = run_of(entry, &mut found).transpose() {
                    match run {
                        Ok(run) if matches(&run, query, &words, &reading.list.of) => {
                            page.runs.push(run);
                        }
                        Ok(_) => {}
                        Err(unreadable) => page.unreadable.push(unreadable),
                    }
                }
            }
            if over || room == 0 {
                break;
            }
        }
        page.cursor = reading.rest(last).await?.as_deref().map(cursor);
        tracing::debug!(units = reading.units, list = ?reading.list.of, "listed runs");
        Ok((page, reading.units))
    }
}

/// The run that an item of a list is or points to; none where that is gone.
fn run_of(item: Item, found: &mut HashMap<String, Item>) -> Result<Option<RunRecord>, Unreadable> {
    if has_expired(&item) {
        return Ok(None);
    }
    let run = if is_run(&item) {
        Some(item)
    } else {
        let pk = text(&item, "pk")?;
        if pk.strip_prefix("RUN#").is_none_or(|id| RunId::parse(id).is_err()) {
            return Err(unreadable(&item, "it is no run's"));
        }
        found.remove(pk)
    };
    run.filter(|run| !has_expired(run)).map(|run| run_record(&run)).transpose()
}
