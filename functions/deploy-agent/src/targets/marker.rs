//! For tests: a second target, whose releases are lines of one file. The last one is in effect,
//! unless the file ends with a bar.

use std::{
    fs::{self, File},
    io::Write,
    path::PathBuf,
    time::Duration,
};

use async_trait::async_trait;
use pact_agent::AgentError;
use pact_config::{
    Rule,
    form::{Form, Law, Shape, field, required},
};
use pact_contract::{
    Finding, ReleaseId, Severity, actions::ReleaseRecord, codes, settings::Instance,
};
use serde::Deserialize;

use super::target::{
    Activated, Activation, Claimed, History, Kind, NewRelease, Opened, Prepared, Status,
    Surroundings, TakenBack, Target,
};

pub(crate) const KIND: Kind = Kind { name: "marker", form, open };

const BAR: &str = "-";

#[derive(Deserialize)]
struct Settings {
    file: String,
    #[serde(default)]
    refuses: Option<ReleaseId>,
}

fn form() -> Form {
    Form {
        about: "The name of the release in a file.".to_owned(),
        fields: vec![
            required("file", "File below the root.", Shape::Text(Rule::Inside)),
            field("refuses", "A release that it refuses.", Shape::Text(Rule::Reason)),
        ],
        laws: vec![
            Law::Distinct { key: "file".to_owned(), remedy: Some("use two files".to_owned()) },
            Law::AddressNeeds { key: "address".to_owned() },
        ],
        ..Form::default()
    }
}

struct Marker {
    file: PathBuf,
    settings: Settings,
}

fn open(instance: &Instance, surroundings: &Surroundings) -> Opened {
    let settings: Settings = instance.parse().map_err(|e| format!("the target's settings: {e}"))?;
    let root = surroundings.root.as_deref().ok_or("there is no root")?;
    Ok(Box::new(Marker { file: root.join(&settings.file), settings }))
}

impl Marker {
    /// The releases that were in effect, the last one now.
    fn releases(&self) -> Vec<ReleaseRecord> {
        let text = fs::read_to_string(&self.file).unwrap_or_default();
        let lines = text.lines().filter(|line| *line != BAR);
        lines.map(|line| serde_json::from_str(line).expect("a record")).collect()
    }

    fn write(&self, releases: &[ReleaseRecord]) {
        let mut file = File::create(&self.file).expect("is created");
        for release in releases {
            let line = serde_json::to_string(release).expect("json");
            writeln!(file, "{line}").expect("is written");
        }
    }
}

#[async_trait]
impl Target for Marker {
    fn location(&self) -> String {
        format!("{} {}", KIND.name, self.file.display())
    }

    fn history(&self) -> &dyn History {
        self
    }

    async fn claim(&self, _patience: Duration) -> Result<Claimed, AgentError> {
        Ok(Claimed::Ours(Box::new(())))
    }

    async fn status(&self, release: &ReleaseId, _percent: u32) -> Result<Status, AgentError> {
        let text = fs::read_to_string(&self.file).unwrap_or_default();
        let ready = !text.trim_end().ends_with(BAR)
            && self.releases().last().is_some_and(|last| last.release == *release);
        let problem = Finding::new(codes::RELEASE_NOT_CURRENT, Severity::High, "another is marked");
        let problems = if ready { Vec::new() } else { vec![problem] };
        Ok(Status { problems, ready })
    }

    async fn prepare(&self, release: &NewRelease<'_>) -> Result<Prepared, AgentError> {
        if self.settings.refuses.as_ref() == Some(&release.record.release) {
            let reason = Finding::new(codes::TARGET_REFUSED, Severity::High, "the settings say so");
            return Ok(Prepared::Refused(Box::new(reason)));
        }
        Ok(Prepared::Ready)
    }

    async fn activate(
        &self,
        release: &ReleaseRecord,
        mode: Activation,
        elsewhere: Option<&dyn Target>,
    ) -> Result<Activated, AgentError> {
        let mut releases = self.releases();
        match mode {
            Activation::New => releases.push(release.clone()),
            Activation::Return => {
                let at = releases.iter().position(|r| r.release == release.release);
                releases.truncate(at.expect("is there") + 1);
            }
        }
        self.write(&releases);
        if let Some(elsewhere) = elsewhere {
            elsewhere.vacate().await?;
        }
        Ok(Activated::InEffect { url: None })
    }

    async fn stop(&self) -> Result<(), AgentError> {
        Ok(())
    }

    async fn vacate(&self) -> Result<(), AgentError> {
        let mut file = File::options().append(true).open(&self.file).expect("is there");
        writeln!(file, "{BAR}").expect("is written");
        Ok(())
    }

    async fn tidy(&self, _protected: &[&ReleaseId]) {}
}

#[async_trait]
impl History for Marker {
    async fn before(&self, release: &ReleaseId) -> Result<Option<ReleaseRecord>, AgentError> {
        let releases = self.releases();
        let at = releases.iter().position(|r| r.release == *release);
        Ok(at.and_then(|at| at.checked_sub(1)).map(|before| releases[before].clone()))
    }

    async fn taken_back(&self, _release: &ReleaseId) -> Result<Option<TakenBack>, AgentError> {
        Ok(None)
    }

    async fn mark_taken_back(
        &self,
        _release: &ReleaseId,
        _how: TakenBack,
    ) -> Result<(), AgentError> {
        Ok(())
    }

    async fn discard(&self, _release: &ReleaseId) -> Result<(), AgentError> {
        Ok(())
    }
}
