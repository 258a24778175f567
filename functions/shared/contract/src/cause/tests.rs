use jiff::Timestamp;

use super::*;
use crate::testing::{Sample, failed_runs};

fn samples() -> Vec<Sample> {
    failed_runs(Timestamp::UNIX_EPOCH)
}

/// Everything that a person reads, as text.
fn told(sample: &Sample) -> String {
    let Some(cause) = cause(&sample.run, &sample.stages) else {
        return format!("{}: none\n", sample.name);
    };
    let lines: String = cause.excerpt.lines.iter().map(|line| format!("    | {line}\n")).collect();
    format!(
        "{} ({:?}, {:?})\n    {}\n{lines}    → {}\n    {}\n",
        sample.name,
        cause.kind,
        cause.state.as_ref().map_or("no stage", StateName::as_str),
        cause.sentence,
        cause.remedy.unwrap_or_default(),
        cause.who,
    )
}

#[test]
fn twelve_kinds_of_failed_runs_say_thing_place_message_remedy_and_who() {
    let all: String = samples().iter().map(told).collect();
    assert_eq!(all, include_str!("twelve.txt"), "\n{all}");
}

#[test]
fn without_its_stages_a_run_still_names_the_thing() {
    let all: Vec<String> = samples()
        .iter()
        .map(|sample| cause(&sample.run, &[]).map(|c| c.sentence).unwrap_or_default())
        .collect();
    for (sample, sentence) in samples().iter().zip(&all) {
        let thing = match sample.name {
            "test" | "build" => "Unit tests",
            "syntax" => "Syntax",
            "secret" => "Secrets",
            "dependency" => "Dependencies",
            "quality" => "Code quality",
            "coverage" => "Coverage",
            "deploy" => "deployed to staging",
            "health" => "production is not healthy",
            "watch" => "taken back",
            "approval" => "Approval",
            _ => "Analyze changes",
        };
        assert!(sentence.contains(thing), "{}: {sentence}", sample.name);
    }
}

#[test]
fn what_ends_well_or_runs_has_no_cause_and_everything_else_has_one() {
    for sample in samples() {
        for status in RunStatus::ALL {
            for outcome in [sample.run.outcome.clone(), None] {
                let run = RunRecord { status: *status, outcome, ..sample.run.clone() };
                let well =
                    matches!(status, RunStatus::Queued | RunStatus::Running | RunStatus::Succeeded);
                let found = cause(&run, &sample.stages);
                assert_eq!(found.is_none(), well, "{} {status:?}", sample.name);
                let said = found.map_or("-".to_owned(), |c| c.sentence);
                assert!(!said.trim().is_empty() && !said.contains('\n'), "{said:?}");
            }
        }
    }
}

#[test]
fn the_gravest_of_several_rules_decides_and_the_others_are_named() {
    let all = samples();
    let find = |name: &str| all.iter().find(|s| s.name == name).cloned().expect("a sample");
    let (mut run, secret) = (find("quality"), find("secret"));
    for stage in &mut run.stages {
        if stage.action == "security.validate_secrets" {
            let other = secret.stages.iter().find(|s| s.action == stage.action).expect("a stage");
            *stage = other.clone();
        }
    }
    let rules = |sample: &Sample| {
        let decision = sample.run.outcome.as_ref().and_then(|o| o.decision.clone());
        decision.expect("a decision").reasons
    };
    let mut reasons = rules(&run);
    reasons.retain(|rule| rule.rule != "no-secrets");
    reasons.extend(rules(&secret).into_iter().filter(|rule| rule.rule == "no-secrets"));
    if let Some(decision) = run.run.outcome.as_mut().and_then(|o| o.decision.as_mut()) {
        decision.reasons = reasons;
    }
    let cause = cause(&run.run, &run.stages).expect("a cause");
    assert_eq!(cause.kind, CauseKind::Secret);
    assert!(cause.sentence.starts_with("Secrets: "), "{}", cause.sentence);
    assert!(cause.sentence.ends_with("; also Code quality"), "{}", cause.sentence);
}

#[test]
fn a_release_that_could_not_be_taken_back_says_that_first_and_then_why_it_had_to_be() {
    let mut sample = samples().into_iter().find(|s| s.name == "health").expect("a sample");
    sample.run.status = RunStatus::RollbackFailed;
    for stage in &mut sample.stages {
        if stage.action == "deploy.rollback" {
            stage.status = StageStatus::Error;
            stage.error = Some("ERR_ROLLBACK_FAILED".to_owned());
            stage.summary = "the files of the release before are gone".to_owned();
        }
    }
    let cause = cause(&sample.run, &sample.stages).expect("a cause");
    assert_eq!(
        cause.sentence,
        "Rollback of production: ERR_ROLLBACK_FAILED: the files of the release before are gone; also \
         Rollback of staging; it was taken back for this: Health of production: http://127.0.0.1:8081/products was not \
         healthy within 30 s: status 500 (42 attempts)"
    );
    assert_eq!(cause.who, "whoever is on call for the environment");
}

#[test]
fn what_comes_from_outside_is_bounded_and_not_obeyed() {
    let mut sample = samples().into_iter().find(|s| s.name == "test").expect("a sample");
    sample.run.request.author = Some("\u{202e}eve\n".repeat(900));
    for stage in &mut sample.stages {
        for finding in &mut stage.findings {
            finding.message = "m\u{202e}\u{1b}[31m".repeat(9_000);
            finding.path = Some("p/".repeat(9_000));
            finding.evidence = Some(format!("{}\n", "e\u{202e}".repeat(9_000)).repeat(40));
        }
    }
    let cause = cause(&sample.run, &sample.stages).expect("a cause");
    let text = serde_json::to_string(&cause).expect("JSON");
    assert!(text.len() < 8_000, "{}", text.len());
    assert!(!text.contains(['\u{202e}', '\u{1b}']));
}

#[test]
fn a_full_disk_is_mended_by_room_whatever_found_none() {
    let mut sample = samples().into_iter().find(|s| s.run.status == RunStatus::Failed);
    let run = &mut sample.as_mut().expect("a sample").run;
    let fault = Fault {
        state: "RunUnitTests".parse().expect("a name"),
        error: "ERR_TOOL_FAILED".to_owned(),
        cause: Some(
            "the shell cannot be started: No space left on device (os error 28)".to_owned(),
        ),
    };
    run.outcome.as_mut().expect("an outcome").fault = Some(fault);
    let cause = cause(run, &[]).expect("a cause");
    assert!(cause.remedy.expect("a remedy").contains("Make room on the disk"));
}
