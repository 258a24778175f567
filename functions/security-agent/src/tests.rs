//! The actions from end to end, through the adapter, with the ports in memory.

mod dependencies;
mod findings;
mod others;
mod permissions;
mod readers;
mod secret_cases;

use std::{sync::Arc, time::Duration};

use pact_agent::{
    AgentError,
    adapter::handle,
    bundle::{EntryKind, Packer},
    ports::Artifacts,
    testing::Memory,
};
use pact_contract::{
    ChangeKind, ChangeSet, FileChange, LineRange, PushIndex, ResponseEnvelope, StageStatus,
    changes::BeforeFile,
};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{CAPABILITIES, Config, SecurityAgent};

/// A commit in the artifact store, and the agent that looks at it.
struct Bench {
    memory: Arc<Memory>,
    config: Config,
    settings: Value,
    waivers: Value,
}

impl Bench {
    /// Every line of every file was added.
    async fn new(files: &[(&str, &str)]) -> Self {
        let changes = files.iter().map(|(path, content)| {
            let lines = u32::try_from(content.lines().count()).expect("few lines");
            change(path, &[LineRange { start: 1, end: lines.max(1) }])
        });
        Self::with_changes(files, changes.collect()).await
    }

    async fn with_changes(files: &[(&str, &str)], changes: Vec<FileChange>) -> Self {
        let memory = Memory::new();
        let mut packer = Packer::new();
        for (path, content) in files {
            packer.add(path, EntryKind::File, content.as_bytes()).expect("packs");
        }
        let set = ChangeSet { head: "c0ffee".to_owned(), files: changes, ..ChangeSet::default() };
        let set = serde_json::to_vec(&set).expect("a change set serialises");
        memory.put("source", packer.finish().expect("completes")).await.expect("is kept");
        memory.put("changes", set.into()).await.expect("is kept");
        // Nothing here asks the real service.
        let config = Config { osv_url: "http://127.0.0.1:9".to_owned(), ..Config::default() };
        Self { memory, config, settings: json!({}), waivers: json!([]) }
    }

    /// Files of any content, each of them new.
    async fn of_bytes(files: &[(&str, Vec<u8>)]) -> Self {
        let bench = Self::with_changes(&[], Vec::new()).await;
        let mut packer = Packer::new();
        let mut changes = Vec::new();
        for (path, content) in files {
            packer.add(path, EntryKind::File, content).expect("packs");
            let lines = content.split(|b| *b == b'\n').count();
            let end = u32::try_from(lines).expect("few lines");
            let mut file = change(path, &[LineRange { start: 1, end }]);
            file.kind = ChangeKind::Added;
            changes.push(file);
        }
        let set = ChangeSet { head: "c0ffee".to_owned(), files: changes, ..ChangeSet::default() };
        let set = serde_json::to_vec(&set).expect("a change set serialises");
        bench.memory.put("source", packer.finish().expect("completes")).await.expect("is kept");
        bench.memory.put("changes", set.into()).await.expect("is kept");
        bench
    }

    /// The same commit on a base that has these files, judged by that or by its own word.
    async fn on(self, before: &[(&str, &str)], own_judge: bool) -> Self {
        let mut packer = Packer::new();
        let mut index = PushIndex { own_judge, ..PushIndex::default() };
        for (number, (path, content)) in before.iter().enumerate() {
            let blob = format!("b{number}");
            let name = PushIndex::blob(&blob);
            packer.add(&name, EntryKind::File, content.as_bytes()).expect("packs");
            index.before.push(BeforeFile { path: (*path).to_owned(), blob });
        }
        let json = serde_json::to_vec(&index).expect("serialises");
        packer.add(PushIndex::FILE, EntryKind::File, &json).expect("packs");
        let push = packer.finish().expect("completes");
        self.memory.put("push", push).await.expect("is kept");
        let set = self.memory.get("changes").await.expect("is read").expect("is there");
        let mut set: ChangeSet = serde_json::from_slice(&set).expect("a change set");
        set.push_key = Some("push".to_owned());
        let set = serde_json::to_vec(&set).expect("serialises");
        self.memory.put("changes", set.into()).await.expect("is kept");
        self
    }

    async fn act(&self, action: &str) -> Result<ResponseEnvelope, AgentError> {
        let artifacts: Arc<dyn Artifacts> = self.memory.clone();
        let agent = SecurityAgent::new(artifacts, self.config.clone());
        let intent = json!({
            "version": "0.1.0",
            "intent": {
                "action": action,
                "parameters": {
                    "source": { "key": "source", "commit": "c0ffee" },
                    "changes_key": "changes",
                    "settings": self.settings,
                    "waivers": self.waivers,
                },
                "context": { "run_id": "r1", "state": "Check" },
            },
            "metadata": {
                "sender": { "agent_id": "pact.pipeline", "timestamp": jiff::Timestamp::now().to_string() },
            },
        });
        let deadline = Instant::now() + Duration::from_secs(60);
        let answer = handle(&agent, &self.memory.recording(), intent, deadline).await?;
        Ok(serde_json::from_value(answer).expect("a response envelope"))
    }

    async fn run(&self, action: &str) -> ResponseEnvelope {
        self.act(action).await.expect("a verdict")
    }
}

pub(crate) fn change(path: &str, added: &[LineRange]) -> FileChange {
    FileChange {
        path: path.to_owned(),
        old_path: None,
        kind: ChangeKind::Modified,
        added: added.iter().map(|r| u64::from(r.end - r.start + 1)).sum(),
        deleted: 0,
        binary: false,
        language: None,
        added_lines: added.to_vec(),
    }
}

#[tokio::test]
async fn every_capability_answers_and_what_is_missing_is_a_fault() {
    for capability in CAPABILITIES {
        let bench = Bench::new(&[("README.md", "hello")]).await;
        bench.run(capability.action).await;
        let mut bench = Bench::new(&[("README.md", "hello")]).await;
        bench.settings = json!({ "ignore": ["["] });
        let error = bench.act(capability.action).await.expect_err("a fault");
        assert_eq!(error.name.as_str(), "ERR_INVALID_INTENT", "{}", capability.action);
        let bench = Bench { memory: Memory::new(), ..Bench::new(&[]).await };
        let error = bench.act(capability.action).await.expect_err("a fault");
        assert_eq!(error.name.as_str(), "ERR_SOURCE_UNAVAILABLE", "{}", capability.action);
    }
}

#[tokio::test]
async fn a_damaged_bundle_is_a_fault() {
    let bench = Bench::new(&[("a.py", "x = 1")]).await;
    bench.memory.put("source", "no bundle".into()).await.expect("is kept");
    for capability in CAPABILITIES {
        let error = bench.act(capability.action).await.expect_err("a fault");
        assert_eq!(error.name.as_str(), "ERR_SOURCE_UNAVAILABLE", "{}", capability.action);
    }
}

#[test]
fn what_is_advertised_is_what_is_offered() {
    let names: Vec<_> = CAPABILITIES.iter().map(|c| c.action).collect();
    assert_eq!(
        names,
        [
            "security.scan_vulnerabilities",
            "security.check_dependencies",
            "security.validate_secrets"
        ]
    );
}

fn status(response: &ResponseEnvelope) -> StageStatus {
    response.response.status
}
