//! `code.analyze_changes`: fetches a commit once, keeps its files and says what changed.

use std::sync::atomic::AtomicBool;

use bytes::Bytes;
use gix::{ObjectId, Repository};
use pact_agent::{AgentError, Call, Outcome};
use pact_contract::{
    ChangeSet, ErrorName, Fallback, FallbackLevel, Finding, StageStatus,
    actions::{AnalyzeChanges, AnalyzeChangesOutput, SourceRef},
    changes::ChangeSummary,
    codes,
    policy::{JudgedBy, PolicyRecord, RunPolicy},
    run::PullRequest,
};
use pact_hosts::{Lease, Purpose, github::api_of};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;

use crate::{
    attributes::Attributes,
    base::{self, Base, Push},
    changes,
    config::Config,
    history, objects, pack, policy, remote,
    rules::Rules,
    services::Services,
    settings,
    source::{self, Location},
    submodules, work,
};

/// Carries the action out.
pub(crate) async fn run(services: &Services, call: &Call) -> Result<Outcome, AgentError> {
    let Services { config, tokens, artifacts, policies } = services;
    let parameters: AnalyzeChanges = call.parameters()?;
    let address = &parameters.repository.url;
    // A folder of this machine is read without any.
    let mut lease = match address.starts_with("file:") {
        true => None,
        false => {
            let api = Url::parse(address).ok().and_then(|url| api_of(&url));
            let name = &parameters.repository.name;
            Some(tokens.lease(name, api.as_deref(), Purpose::Fetch).await?)
        }
    };
    let locate = |lease: Option<&Lease>, address: &str| match lease {
        None => source::locate(config, address),
        Some(lease) => {
            let config = config.with_found(lease.found(), &parameters.repository.name)?;
            source::locate(&config, address)
        }
    };
    let commit = commit_id("commit", &parameters.commit)?;
    let base = parameters.base.as_deref().filter(|text| !is_zero(text));
    let base = base.map(|text| commit_id("base", text)).transpose()?;
    check_reference(&parameters.reference)?;

    // What a stranger's commits name as their submodules they get as strangers: a bundle apart.
    let is_fork = parameters.pull.as_ref().is_some_and(|pull| pull.fork);
    let kept_for = if is_fork { format!("{address}#fork") } else { address.clone() };
    let key = bundle_key(&kept_for, commit);
    let rules = Rules::of(&**policies, &parameters).await?;
    // What a commit names as its submodules is asked with nothing but the repository's own token, and
    // what a stranger's names without that.
    let modules = match &lease {
        Some(lease) if !is_fork => config.with_found(&lease.own(), &parameters.repository.name)?,
        _ => config.clone(),
    };
    let request = Request {
        modules,
        agreed: rules.agreed.clone(),
        location: locate(lease.as_ref(), address)?,
        reference: parameters.reference.clone(),
        default_branch: parameters.repository.default_branch.clone(),
        commit,
        before: base,
        // Of a pull request it is not known yet which commit is packed.
        pack: parameters.pull.is_some() || !artifacts.has_recent(&key).await?,
        pull: parameters.pull.clone(),
        policy: rules.asked.clone(),
    };
    let once = |request: Request| work::blocking(move |stop| request.analyze(stop));
    let mut analysis = once(request.clone()).await;
    // A token of the App that was taken back is replaced, once.
    if let (Err(refused), Some(lease)) = (&analysis, &mut lease)
        && remote::is_unauthorized(refused)
        && tokens.renew(lease).await?
    {
        analysis =
            once(Request { location: locate(Some(lease), address)?, ..request.clone() }).await;
    }
    if let (Err(fault), Location::Remote { url, .. }) = (&analysis, &request.location)
        && fault.name == ErrorName::SourceUnavailable
        && !remote::is_unauthorized(fault)
        && let Some(moved) = source::moved(config, url).await?
    {
        tracing::info!(from = url.as_str(), to = moved.as_str(), "the repository has moved");
        // A token is for the host that was named.
        let lease = lease.as_ref().filter(|_| moved.origin() == url.origin());
        let modules = match lease {
            Some(_) => request.modules.clone(),
            None => Config { token: None, ..request.modules.clone() },
        };
        let location = locate(lease, moved.as_str())?;
        analysis = once(Request { modules, location, ..request }).await;
    }
    let mut analysis = analysis?;
    let key = match analysis.head == commit {
        true => key,
        false => bundle_key(&kept_for, analysis.head),
    };
    if let Some(bundle) = analysis.bundle {
        artifacts.put(&key, bundle).await?;
    }
    let (own, before) = (&analysis.settings, analysis.before.as_ref());
    rules.keep(&**policies, call.run_id.as_ref(), own, before, &analysis.judgement).await?;
    let changes_key = format!("runs/{}/changes.json", call.scope());
    let push_key = format!("runs/{}/push.tar.gz", call.scope());
    artifacts.put(&push_key, analysis.push).await?;
    analysis.changes.push_key = Some(push_key);
    let json = serde_json::to_vec(&analysis.changes)
        .map_err(|e| AgentError::internal(format!("cannot write the change set: {e}")))?;
    artifacts.put(&changes_key, json.into()).await?;

    let output = AnalyzeChangesOutput {
        source: SourceRef { key, commit: analysis.head.to_string() },
        changes_key,
        changes: ChangeSummary::from(&analysis.changes),
        settings: analysis.judgement.settings,
        settings_path: analysis.settings.path,
        base_reason: analysis.base.reason.clone(),
        policy: analysis.judgement.note,
    };
    let summary = sentence(&analysis.changes, &output.changes);
    let summary = match &parameters.pull {
        Some(pull) if analysis.head != commit => {
            format!("#{} as it would be merged into {}: {summary}", pull.number, pull.target)
        }
        Some(pull) => format!("#{}, of which there is no merge: {summary}", pull.number),
        None => summary,
    };
    let mut summary = match (&analysis.base, &analysis.changes.base) {
        (base, _) if base.is_fallback => format!("{summary}: {}", base.reason),
        (base, Some(_)) => format!("{summary} ({})", base.reason),
        (_, None) => summary,
    };
    if analysis.settings.invalid {
        let path = output.settings_path.as_deref().unwrap_or_default();
        // The first of the gravest.
        let wrong = analysis.settings.findings.iter().rev().max_by_key(|f| f.severity);
        let place = |line| format!(" (line {line})");
        let why = wrong.map_or_else(String::new, |wrong| {
            format!(": {}{}", wrong.message, wrong.line.map_or_else(String::new, place))
        });
        summary = format!("{path} is not valid{why}; {summary}");
    }
    let status = if analysis.settings.invalid { StageStatus::Failed } else { StageStatus::Passed };
    match &output.policy.loosened[..] {
        [] => {}
        [one] => summary = format!("{summary}; it loosens its rules: {one}"),
        [one, more @ ..] => {
            summary = format!("{summary}; it loosens its rules: {one}; and {} more", more.len());
        }
    }
    // What a test lacks then says nothing of why.
    let absent = analysis.findings.iter().filter(|f| f.code == codes::SUBMODULE_LEFT_OUT.as_str());
    let absent: Vec<_> = absent.filter_map(|finding| finding.path.as_deref()).collect();
    match &absent[..] {
        [] => {}
        [one] => summary = format!("{summary}; without the submodule {one}"),
        [one, more @ ..] => {
            summary = format!("{summary}; without {} submodules: {one} …", more.len() + 1);
        }
    }
    let mut findings = analysis.settings.findings;
    findings.extend(analysis.judgement.findings);
    findings.extend(analysis.findings);
    let mut outcome = Outcome::new(status, summary, &output)?.with_findings(findings);
    outcome.fallback = analysis.base.is_fallback.then(|| Fallback {
        fallback_level: FallbackLevel::ParameterAdaptation,
        description: analysis.base.reason,
        original_intent: json!({
            "action": call.action,
            "parameters": Value::Object(call.parameters.clone()),
        }),
    });
    Ok(outcome)
}

/// Where the bundle of a commit is kept: the same commit of the same repository is packed once.
fn bundle_key(url: &str, commit: ObjectId) -> String {
    let digest = hex::encode(Sha256::digest(url.as_bytes()));
    let folder = digest.get(..16).unwrap_or(&digest);
    format!("sources/{folder}/{commit}.tar.gz")
}

fn is_zero(text: &str) -> bool {
    text.is_empty() || text.bytes().all(|b| b == b'0')
}

fn commit_id(field: &str, text: &str) -> Result<ObjectId, AgentError> {
    ObjectId::from_hex(text.to_ascii_lowercase().as_bytes()).map_err(|_| {
        AgentError::invalid(format!("{field} is not a whole commit id of 40 hexadecimal digits"))
    })
}

fn check_reference(reference: &str) -> Result<(), AgentError> {
    gix::validate::reference::name(reference.into()).map(|_| ()).map_err(|e| {
        AgentError::invalid(format!("reference is not the full name of a git ref: {e}"))
    })
}

#[derive(Clone)]
struct Request {
    location: Location,
    /// With what submodules are fetched.
    modules: Config,
    reference: String,
    default_branch: String,
    commit: ObjectId,
    before: Option<ObjectId>,
    pack: bool,
    policy: RunPolicy,
    /// The pull request whose head the commit is.
    pull: Option<PullRequest>,
    /// The rules that were agreed to.
    agreed: Option<PolicyRecord>,
}

struct Analysis {
    /// The commit that was looked at.
    head: ObjectId,
    bundle: Option<Bytes>,
    changes: ChangeSet,
    push: Bytes,
    settings: settings::Found,
    /// What was there before the commit.
    before: Option<policy::Before>,
    judgement: policy::Judgement,
    findings: Vec<Finding>,
    base: Base,
}

impl Request {
    fn analyze(&self, stop: &AtomicBool) -> Result<Analysis, AgentError> {
        let push = Push {
            head: self.commit,
            before: self.before,
            reference: &self.reference,
            default_branch: &self.default_branch,
            pull: self.pull.as_ref(),
        };
        let source = source::obtain(&self.location, &push, stop)?;
        // From here on a pull request is its merge, where there is one.
        let push = Push { head: source.head, before: source.before, ..push };
        let repository = &source.repository;
        base::choose(repository, &push, source.tip)
            .and_then(|base| {
                let judge = base::judge(repository, &push, source.tip, &base)?;
                self.read(repository, &push, base, judge, stop)
            })
            .map_err(|error| self.explain(repository, error))
    }

    fn read(
        &self,
        repository: &Repository,
        pushed: &Push<'_>,
        base: Base,
        judge: Option<ObjectId>,
        stop: &AtomicBool,
    ) -> Result<Analysis, AgentError> {
        let head = objects::tree_of(repository, pushed.head)?;
        let base_tree = base.commit.map(|base| objects::tree_of(repository, base)).transpose()?;

        let files = pack::list(repository, head, stop)?;
        let mut attributes = Attributes::new(repository, head);
        let modules = submodules::obtain(&self.modules, &self.location, repository, &files, stop)?;
        // What was packed before may lack one that is to be had now.
        let wanted = self.pack || !modules.found.is_empty();
        let packed = pack::pack(repository, &files, &modules, &mut attributes, wanted, stop)?;
        let changed = changes::between(repository, base_tree, head, &mut attributes, stop)?;
        let settings = settings::read(&pack::settings_files(repository, &files)?);
        let before = judge.map(|commit| before(repository, commit)).transpose()?;
        let agreed = self.agreed.as_ref().map(policy::Agreed::of);
        let judgement = policy::judge(&settings, before.as_ref(), agreed.as_ref(), &self.policy);
        let push = history::Push {
            repository,
            // Without the base that was asked for, the push has no beginning that is known.
            // The commit before the push is its beginning even where no path to it can be seen.
            base: base.commit.filter(|id| !base.is_fallback || Some(*id) == pushed.before),
            head: pushed.head,
            base_tree,
            files: &files,
            changed: &changed,
            // The first commit of a repository has nobody before it.
            own_judge: self.policy.judged_by == JudgedBy::Own
                || base.commit.is_none() && self.agreed.is_none(),
        };
        Ok(Analysis {
            head: pushed.head,
            bundle: packed.bundle,
            push: push.pack(stop)?,
            changes: ChangeSet {
                base: base.commit.map(|id| id.to_string()),
                head: pushed.head.to_string(),
                files: changed,
                push_key: None,
            },
            settings,
            before,
            judgement,
            findings: packed.findings,
            base,
        })
    }

    /// A repository of this machine that lacks an object will lack it a second later too.
    fn explain(&self, repository: &Repository, error: AgentError) -> AgentError {
        if error.name != ErrorName::SourceUnavailable
            || !matches!(self.location, Location::Local(_))
        {
            return error;
        }
        let remedy = if source::is_partial(repository) {
            "it is a partial clone, and nothing is fetched into it from here: clone it without \
             --filter, or complete it with `git fetch --refetch --no-filter`"
        } else {
            "`git fsck` says what else is missing; clone it anew"
        };
        let message = format!("{}; {remedy}", error.message);
        AgentError::new(ErrorName::ToolFailed, message).caused_by(error)
    }
}

/// The settings of a commit before.
fn before(repository: &Repository, commit: ObjectId) -> Result<policy::Before, AgentError> {
    let tree = objects::tree_of(repository, commit)?;
    let files = pack::root(repository, tree)?;
    let found = settings::read(&pack::settings_files(repository, &files)?);
    Ok(policy::Before { commit, found })
}

fn sentence(changes: &ChangeSet, summary: &ChangeSummary) -> String {
    let against = changes.base.as_deref().map_or_else(
        || "everything is new".to_owned(),
        |base| format!("against {}", base.get(..10).unwrap_or(base)),
    );
    let files = if summary.files == 1 { "1 file" } else { &format!("{} files", summary.files) };
    format!("{files} changed (+{} −{}), {against}", summary.added, summary.deleted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_commit_or_a_ref_is_refused() {
        for text in ["", "HEAD", "abc123", &"g".repeat(40), &"a".repeat(64)] {
            assert!(commit_id("commit", text).is_err(), "{text}");
        }
        assert!(commit_id("commit", &"A".repeat(40)).is_ok());
        for reference in ["", "main", "refs/heads/a..b", "refs/heads/a b", "--upload-pack=x"] {
            assert!(check_reference(reference).is_err(), "{reference}");
        }
        assert!(check_reference("refs/heads/main").is_ok());
        assert!(is_zero(&"0".repeat(40)) && is_zero("") && !is_zero("00a"));
    }
}
