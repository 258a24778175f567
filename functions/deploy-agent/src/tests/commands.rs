//! The agent with commands: their builds are real shells, with the buildspec as CodeBuild gets it; what is
//! deployed to is a file.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use bytes::Bytes;
use pact_agent::{
    builds::{Access, Build, BuildPhase, BuildStatus, Builds, NewBuild, SignedUrls},
    ports::StoreError,
};
use pact_contract::actions::{EnvironmentRecord, ReleaseRecord};
use serde_json::json;

use super::{
    world::{Answer, environment_of},
    *,
};
use crate::{Aws, Builder};

/// Stands in the place of curl: an address is a file.
const CURL: &str = r#"#!/bin/sh
while [ $# -gt 1 ]; do
case $1 in
-o) out=$2; shift 2;;
-T) in=$2; shift 2;;
--retry | --max-time) shift 2;;
*) shift;;
esac
done
url=${1#file://}; url=${url%%\?*}
if [ -n "$in" ]; then mkdir -p "${url%/*}" && cp "$in" "$url"; else cp "$url" "$out"; fi
"#;

/// Keeps artifacts as files.
struct Folder(PathBuf);

impl Folder {
    fn path(&self, key: &str) -> PathBuf {
        self.0.join(key)
    }
}

#[async_trait]
impl Artifacts for Folder {
    async fn put(&self, key: &str, content: Bytes) -> Result<(), StoreError> {
        let path = self.path(key);
        fs::create_dir_all(path.parent().expect("a folder")).expect("is made");
        fs::write(path, content).expect("is written");
        Ok(())
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        Ok(fs::read(self.path(key)).ok().map(Bytes::from))
    }

    async fn size(&self, key: &str) -> Result<Option<u64>, StoreError> {
        Ok(fs::metadata(self.path(key)).ok().map(|metadata| metadata.len()))
    }

    async fn has_recent(&self, key: &str) -> Result<bool, StoreError> {
        Ok(self.path(key).exists())
    }
}

/// Builds as shells of this machine.
struct Shells {
    folder: PathBuf,
    builds: Mutex<BTreeMap<String, (NewBuild, Child)>>,
    /// Builds that fail before they come to their commands.
    faults: Mutex<usize>,
}

impl Shells {
    fn new(folder: PathBuf) -> Self {
        let bin = folder.join("bin");
        fs::create_dir_all(&bin).expect("is made");
        fs::write(bin.join("curl"), CURL).expect("is written");
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(bin.join("curl"), executable).expect("is set");
        Self { folder, builds: Mutex::default(), faults: Mutex::new(0) }
    }

    fn started(&self) -> usize {
        self.builds.lock().expect("no panic").len()
    }
}

fn kill_group(child: &Child) {
    let group = format!("-{}", child.id());
    // One that has ended is not there any more.
    Command::new("kill").args(["-9", "--", &group]).stderr(Stdio::null()).status().expect("runs");
}

impl Drop for Shells {
    fn drop(&mut self) {
        for (_, child) in self.builds.lock().expect("no panic").values_mut() {
            kill_group(child);
            child.wait().expect("ends");
        }
    }
}

#[async_trait]
impl SignedUrls for Folder {
    async fn signed_url(
        &self,
        access: Access,
        key: &str,
        _valid: Duration,
    ) -> Result<String, StoreError> {
        Ok(format!("file://{}?{access:?}=s", self.path(key).display()))
    }
}

#[async_trait]
impl Builds for Shells {
    async fn start(&self, build: &NewBuild) -> Result<String, StoreError> {
        let mut builds = self.builds.lock().expect("no panic");
        if let Some((known, _)) = builds.get(&build.token) {
            // CodeBuild refuses a token with other parameters.
            assert_eq!(known, build);
            return Ok(build.token.clone());
        }
        let folder = self.folder.join(&build.token);
        fs::create_dir_all(&folder).expect("is made");
        let spec: serde_json::Value = serde_json::from_str(&build.buildspec).expect("JSON");
        let mut script = String::new();
        let mut faults = self.faults.lock().expect("no panic");
        if *faults > 0 {
            *faults -= 1;
            script.push_str("exit 1\n");
        }
        for (phase, name) in
            [("pre_build", "PRE_BUILD"), ("build", "BUILD"), ("post_build", "POST_BUILD")]
        {
            let command = spec["phases"][phase]["commands"][0].as_str().expect("a command");
            fs::write(folder.join(phase), command).expect("is written");
            script.push_str(&format!("sh ./{phase}; c=$?; echo {name} $c >>phases\n"));
            if phase == "pre_build" {
                script.push_str("[ $c = 0 ] || exit 1\n");
            }
        }
        let log = fs::File::create(folder.join("log")).expect("is made");
        let path = std::env::var("PATH").unwrap_or_default();
        let child = Command::new("sh")
            .args(["-c", &script])
            .current_dir(&folder)
            .env_clear()
            .env("PATH", format!("{}:{path}", self.folder.join("bin").display()))
            .envs(&build.variables)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file"))
            .stderr(log)
            .process_group(0)
            .spawn()
            .expect("starts");
        builds.insert(build.token.clone(), (build.clone(), child));
        Ok(build.token.clone())
    }

    async fn build(&self, id: &str) -> Result<Option<Build>, StoreError> {
        let mut builds = self.builds.lock().expect("no panic");
        let Some((_, child)) = builds.get_mut(id) else { return Ok(None) };
        let ended = child.try_wait().expect("is asked");
        let text = fs::read_to_string(self.folder.join(id).join("phases")).unwrap_or_default();
        let status = |code: &str| match code {
            "0" => BuildStatus::Succeeded,
            _ => BuildStatus::Failed,
        };
        let phases: Vec<_> = text
            .lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(name, code)| BuildPhase {
                name: name.to_owned(),
                status: Some(status(code)),
                message: None,
                took: Duration::ZERO,
                started: None,
            })
            .collect();
        let of = |name: &str| phases.iter().find(|p| p.name == name).and_then(|p| p.status);
        let status = match (ended, of("BUILD")) {
            (None, _) => BuildStatus::InProgress,
            (Some(status), _) if status.code().is_none() => BuildStatus::Stopped,
            (Some(_), Some(status)) => status,
            (Some(_), None) => BuildStatus::Fault,
        };
        Ok(Some(Build { id: id.to_owned(), status, phases, image: None, started: None }))
    }

    async fn stop(&self, id: &str) -> Result<(), StoreError> {
        if let Some((_, child)) = self.builds.lock().expect("no panic").get(id) {
            kill_group(child);
        }
        Ok(())
    }
}

/// An environment that commands deploy to.
struct Commands {
    world: World,
    shells: Arc<Shells>,
    folder: tempfile::TempDir,
}

const TO: &str = "sleep ${SLOW:-0}; cat README.md >\"$AT/live\"; printf '%s %s\\n' \"$PACT_RELEASE\" \
                  \"$DEED\" >>\"$AT/done\"; [ \"$(cat README.md)\" != broken ]";

impl Commands {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let shells = Arc::new(Shells::new(folder.path().join("builds")));
        let artifacts = Arc::new(Folder(folder.path().join("artifacts")));
        let mut world = World::new();
        let urls = Arc::clone(&artifacts) as _;
        let builder = Builder { builds: Arc::clone(&shells) as _, urls };
        world.commands = Some((builder, artifacts));
        Self { world, shells, folder }
    }

    fn at(&self) -> &Path {
        self.folder.path()
    }

    fn settings_with(&self, change: impl FnOnce(&mut serde_json::Value)) -> Environment {
        let shell = |text: &str| json!([["sh", "-ec", text]]);
        let mut settings = json!({
            "deploy": shell(&format!("DEED=deploy; {TO}")),
            "status": shell("[ \"$(cat \"$AT/live\")\" = \"$PACT_RELEASE\" ]"),
            "rollback": shell(&format!(
                "[ -n \"$PACT_RELEASE\" ] || {{ rm -f \"$AT/live\"; exit 0; }}; DEED=back; SLOW=0; {TO}"
            )),
            "env": { "AT": self.at() },
            "address": "http://127.0.0.1:9",
        });
        change(&mut settings);
        environment_of("command", settings)
    }

    fn settings(&self) -> Environment {
        self.settings_with(|_| {})
    }

    /// What the commands made of the world.
    fn live(&self) -> Option<String> {
        fs::read_to_string(self.at().join("live")).ok()
    }

    /// What they did, in order.
    fn done(&self) -> Vec<String> {
        let text = fs::read_to_string(self.at().join("done")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    async fn assert_in_effect(&self, release: &str, previous: Option<&str>, what: &str) {
        let record = self.world.record().await;
        let name =
            |r: Option<pact_contract::actions::ReleaseRecord>| r.map(|r| r.release.to_string());
        assert_eq!(name(record.current).as_deref(), Some(release), "{what}");
        assert_eq!(name(record.previous).as_deref(), previous, "{what}");
        assert_eq!(record.pending, None, "{what}");
        assert_eq!(self.live().as_deref(), Some(release), "{what}");
    }
}

fn passed(answer: Answer, what: &str) -> pact_contract::Deployment {
    let (answer, output) = answer.unwrap_or_else(|error| panic!("{what}: {}", error.chain()));
    assert_eq!(answer.response.status, StageStatus::Passed, "{what}: {}", answer.response.summary);
    output
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_deploy_say_what_is_in_effect_and_return() {
    let commands = Commands::new();
    let (world, settings) = (&commands.world, commands.settings());
    let live = world.deploy_well("r1", &settings).await;
    assert_eq!(live.url.as_deref(), Some("http://127.0.0.1:9"));
    commands.assert_in_effect("r1", None, "the first").await;
    let (answer, _) = world.deploy("r1", &settings).await.expect("no fault");
    assert!(answer.response.summary.contains("as before"), "{}", answer.response.summary);
    world.deploy_well("r2", &settings).await;
    commands.assert_in_effect("r2", Some("r1"), "the second").await;
    assert_eq!(commands.done(), ["r1 deploy", "r2 deploy"]);
    passed(world.status(Some("r2"), &settings).await, "as it is");
    // Drift is told from the world, not from the record.
    fs::write(commands.at().join("live"), "by hand").expect("is written");
    let (answer, _) = world.status(Some("r2"), &settings).await.expect("no fault");
    assert_eq!(answer.response.findings[0].code, "release-not-current");
    for _ in 0..2 {
        let back = passed(world.roll_back("r2", &settings).await, "back");
        assert_eq!(back.status, DeploymentStatus::RolledBack);
        commands.assert_in_effect("r1", None, "back").await;
    }
    assert_eq!(commands.done(), ["r1 deploy", "r2 deploy", "r1 back"]);
    world.end("run-r2").await;
    // The first one is taken back to nothing, by the same commands.
    passed(world.roll_back("r1", &settings).await, "to nothing");
    assert_eq!(commands.live(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_command_breaks_is_returned_and_said_with_what_it_wrote() {
    let commands = Commands::new();
    let (world, settings) = (&commands.world, commands.settings());
    world.deploy_well("r1", &settings).await;
    let (answer, none) = world.deploy("broken", &settings).await.expect("no fault");
    assert_eq!(none.status, DeploymentStatus::Failed);
    assert_eq!(answer.response.findings[0].code, "command-failed");
    commands.assert_in_effect("r1", None, "after a broken one").await;
    assert_eq!(commands.done(), ["r1 deploy", "broken deploy", "r1 back"]);
    // Time is up.
    let slow = commands.settings_with(|settings| {
        settings["deploy"] = json!([["sh", "-c", "echo begun; exec sleep 60"]]);
        settings["limit_seconds"] = 1.into();
    });
    let (answer, _) = world.deploy("r3", &slow).await.expect("no fault");
    let finding = &answer.response.findings[0];
    assert!(finding.message.contains("when the 1 seconds"), "{}", finding.message);
    assert_eq!(finding.evidence.as_deref(), Some("begun"));
    commands.assert_in_effect("r1", None, "after a slow one").await;
    // A status command that fails is no word about the release.
    let blind = commands.settings_with(|settings| {
        settings["status"] = json!([["sh", "-c", "echo no network >&2; exit 7"]]);
    });
    world.deploy_well("r4", &blind).await;
    let error = world.status(Some("r4"), &blind).await.expect_err("nobody can say");
    assert_eq!(error.name, ErrorName::TargetUnavailable);
    assert!(error.message.contains("exit code 7: no network"), "{}", error.message);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_have_the_credentials_that_moto_gives_for_their_role() {
    let Some(emulator) = functions::emulator("moto_server").await else { return };
    let mut commands = Commands::new();
    commands.world.aws = Some(Aws::new(functions::sdk(&emulator.url), None));
    let (who, there) = (commands.at().join("who"), "${AWS_SESSION_TOKEN:+a token}");
    let shows = format!(
        "printf '%s, %s' \"${{AWS_ACCESS_KEY_ID-nobody}}\" \"{there}\" >\"$AT/who\"; \
         cp README.md \"$AT/live\""
    );
    let with = |role: serde_json::Value| {
        commands.settings_with(|settings| {
            settings["deploy"] = json!([["sh", "-ec", shows]]);
            settings["role"] = role;
        })
    };
    let role = with("arn:aws:iam::000000000000:role/pact-deploy-shop".into());
    commands.world.deploy_well("r1", &role).await;
    let seen = fs::read_to_string(&who).expect("is written");
    assert!(seen.starts_with("ASIA") && seen.ends_with(", a token"), "{seen}");
    // Who names no role has no credentials, and no others.
    commands.world.deploy_well("r2", &with(serde_json::Value::Null)).await;
    assert_eq!(fs::read_to_string(&who).expect("is written"), "nobody, ");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_rollback_command_nothing_returns_and_that_is_said() {
    let commands = Commands::new();
    let (world, settings) = (&commands.world, commands.settings());
    let one_way = commands.settings_with(|settings| {
        settings.as_object_mut().expect("an object").remove("rollback");
    });
    world.deploy_well("r1", &one_way).await;
    world.deploy_well("r2", &one_way).await;
    let error = world.roll_back("r2", &one_way).await.expect_err("nothing returns");
    assert_eq!(error.name, ErrorName::RollbackFailed);
    assert!(error.message.contains("no rollback command"), "{}", error.message);
    world.end("run-r2").await;
    // The commands of the next release return to one that had none.
    let world = &commands.world;
    world.deploy_well("r3", &settings).await;
    passed(world.roll_back("r3", &settings).await, "by the newer commands");
    assert_eq!(commands.live().as_deref(), Some("r1"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_to_return_to_is_looked_for_before_anything_is_done() {
    let commands = Commands::new();
    let (world, settings) = (&commands.world, commands.settings());
    world.deploy_well("r1", &settings).await;
    let archive = commands.at().join("artifacts/sources/r1");
    let whole = fs::read(&archive).expect("is there");
    for (content, why) in [(None, "no longer there"), (Some(&b"x"[..]), "its digest is another")] {
        match content {
            Some(content) => fs::write(&archive, content).expect("is written"),
            None => fs::remove_file(&archive).expect("is there"),
        }
        let (answer, _) = world.deploy("r2", &settings).await.expect("no fault");
        let finding = &answer.response.findings[0];
        assert_eq!(finding.code, "no-way-back");
        assert!(finding.message.contains(why), "{}", finding.message);
        commands.assert_in_effect("r1", None, why).await;
    }
    fs::write(&archive, whole).expect("is written");
    // A build environment that fails before the commands is tried again in another.
    *commands.shells.faults.lock().expect("no panic") = 2;
    world.deploy_well("r2", &settings).await;
    assert_eq!(commands.done(), ["r1 deploy", "r2 deploy"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_release_of_a_wave_is_refused_where_the_way_back_would_be_to_nothing() {
    let commands = Commands::new();
    let (world, mut wave) = (&commands.world, commands.settings());
    wave.wave_of = Some("whole".parse().expect("a name"));
    // Nothing of the whole is in effect: nothing is lost.
    world.deploy_well("r1", &wave).await;
    world.roll_back("r1", &wave).await.expect("no fault");
    world.end("run-r1").await;
    let whole = "acme/web#whole".parse().expect("a key");
    let record = EnvironmentRecord {
        current: Some(ReleaseRecord {
            release: "r0".parse().expect("a name"),
            commit: "c".to_owned(),
            run_id: "run-r0".parse().expect("an id"),
            deployed_at: jiff::Timestamp::UNIX_EPOCH,
            settings: commands.settings(),
        }),
        ..EnvironmentRecord::default()
    };
    world.put_record(&whole, &record).await;
    let (answer, _) = world.deploy("r2", &wave).await.expect("no fault");
    let finding = &answer.response.findings[0];
    assert_eq!(finding.code, "no-way-back");
    assert!(finding.message.contains("r0 of whole is in effect"), "{}", finding.message);
    // Where the plan saw it, a person was asked.
    world.end("run-r2").await;
    wave.no_return = Some("r0 of whole is in effect, which has waves since".to_owned());
    world.deploy_well("r3", &wave).await;
}

/// The agent is killed after every step of a deployment, while its build goes on: the same call again
/// completes it, once, and so does the way back; and the way back is killed too.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn commands_whose_agent_is_killed_at_every_step() {
    let mut cases = 0;
    'steps: for steps in 0.. {
        for back in [false, true] {
            let what = format!("killed after {steps} steps, then back: {back}");
            let commands = Commands::new();
            let (world, settings) = (&commands.world, commands.settings());
            world.deploy_well("r1", &settings).await;
            let slow = commands.settings_with(|settings| {
                settings["env"]["SLOW"] = if back { "0.2" } else { "0" }.into();
            });
            let cut = Steps::interrupted_after(steps);
            if world.deploy_with(cut, "run-r2", "r2", &slow).await.is_ok() {
                break 'steps;
            }
            cases += 1;
            if !back {
                for _ in 0..2 {
                    passed(world.deploy_with(Steps::default(), "run-r2", "r2", &slow).await, &what);
                    commands.assert_in_effect("r2", Some("r1"), &what).await;
                }
                assert_eq!(commands.done(), ["r1 deploy", "r2 deploy"], "{what}: done once");
                continue;
            }
            for kill in [Steps::interrupted_after(steps % 7), Steps::default(), Steps::default()] {
                match world.roll_back_with(kill, "run-r2", "r2", &slow).await {
                    Err(error) => assert!(error.message.contains(INTERRUPTED), "{}", error.chain()),
                    answer => drop(passed(answer, &what)),
                }
            }
            commands.assert_in_effect("r1", None, &what).await;
            // What was begun does not come later.
            tokio::time::sleep(Duration::from_millis(300)).await;
            assert_eq!(commands.live().as_deref(), Some("r1"), "{what}");
            assert!(commands.shells.started() > 1);
        }
    }
    println!("kill matrix: command, agent: {cases} cases");
    assert!(cases >= 14, "only {cases} cases");
}
