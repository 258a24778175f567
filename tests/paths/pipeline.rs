//! The pipeline: routes through it, and every deviation from each.

use std::collections::BTreeSet;
use std::time::Instant;

use pact_contract::{ErrorName, StageStatus, environments::MAX_ENVIRONMENTS};

use crate::explore::{Report, explore};
use crate::invariants::{CRASHES, violations};
use crate::machine::{self, Machine};
use crate::script::{Answer, Case, Fault, Turn, Variant, When, base};

/// A way through the pipeline on which nothing else happens.
pub(crate) struct Route {
    pub(crate) name: &'static str,
    pub(crate) case: Case,
    /// How it ends.
    pub(crate) status: &'static str,
    /// Whether each of its tasks meets each error there is.
    thorough: bool,
}

fn route(name: &'static str, status: &'static str, variant: Variant, faults: Vec<Fault>) -> Route {
    Route { name, status, case: Case { variant, faults }, thorough: false }
}

pub(crate) fn routes() -> Vec<Route> {
    use StageStatus::{Failed, Skipped};
    let promote = Variant::PROMOTE;
    let asked = |answer| Variant { approval: Some(answer), ..promote.clone() };
    let opened = |answer| Variant { frozen: true, ..asked(answer) };
    let first = Variant { before: false, ..promote.clone() };
    let stage = Variant { environments: &["staging"], ..promote.clone() };
    let hotfix = Variant { environments: &["production"], ..promote.clone() };
    let four = Variant { environments: &["dev", "qa", "canary", "production"], ..promote.clone() };
    let bare = Variant { probes: false, ..promote.clone() };
    let waves = Variant { environments: &["qa", "live-eu", "live-us"], ..promote.clone() };
    let steps = Variant { steps: true, environments: &["qa", "production"], ..promote.clone() };
    let canary = Variant { steps: true, ..hotfix.clone() };
    let none = Variant { environments: &[], ..promote.clone() };
    let e2e = Variant { needs_e2e: true, ..promote.clone() };
    let verdict = |state: &str, status| vec![Fault::verdict(state, status)];
    let crash = |state: &str, when| vec![Fault::error(state, "Lambda.Unknown", when)];
    let refused = |state: &str, why| {
        let code = if why == "outdated" { "release-outdated" } else { "release-rejected" };
        vec![Fault::new(state, Turn::Refused(code))]
    };
    let ended = Variant { ended: true, ..promote.clone() };
    let overtaken = |state: &str| vec![Fault::new(state, Turn::Overtaken)];
    let (stage_first, also) = (promote.clone(), promote.clone());
    let mut routes = vec![
        route("verify only", "succeeded", none, vec![]),
        route("stage only", "succeeded", stage.clone(), vec![]),
        route("promote", "succeeded", promote.clone(), vec![]),
        route("approved", "succeeded", asked(Answer::Yes), vec![]),
        route("not approved", "rejected", asked(Answer::No), vec![]),
        route("nobody answers", "held", asked(Answer::Nothing), vec![]),
        route("a nameless failure", "failed", asked(Answer::Nameless), vec![]),
        route("hotfix", "succeeded", hotfix.clone(), vec![]),
        route("first release", "succeeded", first.clone(), vec![]),
        route("no probes", "succeeded", bare.clone(), vec![]),
        route("settings", "rejected", promote.clone(), verdict("AnalyzeChanges", Failed)),
        route("gate rejects", "rejected", promote.clone(), verdict("RunUnitTests", Failed)),
        route("syntax", "rejected", promote.clone(), verdict("ValidateSyntax", Failed)),
        route("gate holds", "held", promote.clone(), verdict("ValidateSecrets", Skipped)),
        route("no e2e", "rolled_back", e2e, verdict("RunEndToEnd.staging", Skipped)),
        route("staging refused", "failed", promote.clone(), verdict("Deploy.staging", Failed)),
        route(
            "staging crashed before",
            "failed",
            promote.clone(),
            crash("Deploy.staging", When::Before),
        ),
        route(
            "staging crashed",
            "rolled_back",
            promote.clone(),
            crash("Deploy.staging", When::Half),
        ),
        route("staging lost", "rolled_back", stage, verdict("CheckStatus.staging", Failed)),
        route(
            "staging ill",
            "rolled_back",
            promote.clone(),
            verdict("CheckHealth.staging", Failed),
        ),
        route(
            "staging ill, first",
            "rolled_back",
            first.clone(),
            verdict("RunEndToEnd.staging", Failed),
        ),
        route("production refused", "failed", hotfix.clone(), verdict("Deploy.production", Failed)),
        route(
            "production crashed",
            "rolled_back",
            hotfix.clone(),
            crash("Deploy.production", When::After),
        ),
        route(
            "production lost",
            "rolled_back",
            hotfix.clone(),
            verdict("CheckStatus.production", Failed),
        ),
        route(
            "production ill",
            "rolled_back",
            hotfix.clone(),
            verdict("CheckHealth.production", Failed),
        ),
        route("judged", "rolled_back", hotfix.clone(), verdict("JudgeRelease.production", Failed)),
        route(
            "judged, not sure",
            "held",
            hotfix.clone(),
            verdict("JudgeRelease.production", Skipped),
        ),
        route(
            "judged, staged",
            "rolled_back",
            promote.clone(),
            verdict("JudgeRelease.production", Failed),
        ),
        route("judged, first", "rolled_back", first, verdict("JudgeRelease.production", Failed)),
        route("bare and lost", "rolled_back", bare, verdict("CheckStatus.production", Failed)),
        route("overtaken", "superseded", stage_first.clone(), overtaken("BeginDeployment.staging")),
        route(
            "overtaken late",
            "superseded",
            also.clone(),
            overtaken("BeginDeployment.production"),
        ),
        route("ended outside", "cancelled", ended.clone(), vec![]),
        route("ended outside, first", "cancelled", Variant { before: false, ..ended }, vec![]),
        route("outdated", "superseded", hotfix.clone(), refused("Deploy.production", "outdated")),
        route("outdated early", "superseded", stage_first, refused("Deploy.staging", "outdated")),
        route("bad again", "rejected", also, refused("Deploy.production", "rejected")),
        route("all four", "succeeded", four.clone(), vec![]),
        route(
            "all four, judged",
            "rolled_back",
            four.clone(),
            verdict("JudgeRelease.production", Failed),
        ),
        route(
            "all four, unwatched",
            "rolled_back",
            four.clone(),
            vec![Fault::error("TrackMetrics.canary", "Unlisted", When::Before)],
        ),
        route("all four, held early", "held", four.clone(), verdict("JudgeRelease.qa", Skipped)),
        route(
            "all four, stuck",
            "rollback_failed",
            four.clone(),
            vec![
                Fault::error("Rollback.qa", "Unlisted", When::Before),
                Fault::verdict("CheckHealth.production", Failed),
            ],
        ),
        route("all four, ended", "cancelled", Variant { ended: true, ..four }, vec![]),
        route(
            "dies while it is watched",
            "rolled_back",
            hotfix.clone(),
            vec![Fault::verdict("CheckStatus.production", Failed).after(1)],
        ),
        route("closed", "held", Variant { frozen: true, ..promote.clone() }, vec![]),
        route("opened", "succeeded", opened(Answer::Because), vec![]),
        route("opened, unsaid", "held", opened(Answer::Yes), vec![]),
        route(
            "waves, opened",
            "succeeded",
            Variant { frozen: true, approval: Some(Answer::Because), ..waves.clone() },
            vec![],
        ),
        route("waves, closed", "held", Variant { frozen: true, ..waves.clone() }, vec![]),
        route(
            "waves, the second judged",
            "rolled_back",
            waves.clone(),
            verdict("JudgeRelease.live-us", Failed),
        ),
        route(
            "waves, stuck",
            "rollback_failed",
            waves.clone(),
            vec![
                Fault::error("Rollback.live-eu", "Unlisted", When::Before),
                Fault::verdict("CheckHealth.live-us", Failed),
            ],
        ),
        route("waves, ended", "cancelled", Variant { ended: true, ..waves }, vec![]),
        route("steps", "succeeded", steps.clone(), vec![]),
        route("steps, first", "succeeded", Variant { before: false, ..canary.clone() }, vec![]),
        route(
            "steps, judged",
            "rolled_back",
            steps.clone(),
            verdict("JudgeRelease.production", Failed),
        ),
        route("steps, not sure", "rolled_back", steps, verdict("JudgeRelease.qa", Skipped)),
        route("steps, refused", "failed", canary.clone(), verdict("Deploy.production", Failed)),
        route("steps, ended", "cancelled", Variant { ended: true, ..canary }, vec![]),
        route(
            "unwatched",
            "rolled_back",
            hotfix,
            vec![Fault::error("TrackMetrics.production", "Unlisted", When::Before)],
        ),
    ];
    for route in &mut routes {
        route.thorough = route.name == "approved";
    }
    routes
}

/// Every error's name that means something, and one that does not.
fn errors(machine: &Machine) -> Vec<String> {
    let mut all: BTreeSet<String> = machine.named_errors();
    all.extend(ErrorName::ALL.iter().map(|name| name.as_str().to_owned()));
    all.into_iter().collect()
}

/// Everything that may happen to a task, on a route that has been gone once.
fn turns(state: &str, machine: &Machine, thorough: bool, errors: &[String]) -> Vec<Fault> {
    let name = base(state);
    let native = machine.states[name]["Resource"]
        .as_str()
        .is_some_and(|resource| resource.contains("dynamodb"));
    let telling = state.starts_with("Notify") || name == "AskApprovers";
    let asking = name == "AwaitApproval";
    let mut out = Vec::new();
    // A store that lies about its condition is not among the faults.
    let lies = |error: &str| native && error.starts_with("DynamoDB.Conditional");
    if thorough {
        // What no retrier and no catcher names is the same to the machine.
        let named = machine.names(state);
        for error in errors.iter().filter(|error| named.contains(*error) && !lies(error)) {
            out.push(Fault::error(state, error, When::Before));
        }
        for error in CRASHES {
            out.push(Fault::error(state, error, When::Before));
        }
        out.push(Fault::error(state, "ERR_STORE_UNAVAILABLE", When::Before).once());
    }
    out.push(Fault::error(state, "Lambda.Unknown", When::Before).once());
    let effectful = native || matches!(name, "Deploy" | "Rollback");
    if effectful {
        for when in [When::Half, When::After] {
            if native && when == When::Half {
                continue;
            }
            out.push(Fault::error(state, "Lambda.Unknown", when));
            out.push(Fault::error(state, "States.Timeout", when).once());
        }
    }
    let causes = [
        None,
        Some(r#"the log says "errorMessage" and then stops"#.to_owned()),
        Some(r#"{"errorMessage":"cut off at the li"#.to_owned()),
        Some(r#"{"errorType":"\"errorMessage\""}"#.to_owned()),
        Some(r#"{"errorMessage":"said \"no\"\nand left \u00e9 \ud83d\ude00"}"#.to_owned()),
        Some(format!(r#"{{"errorMessage":"{}"}}"#, "x".repeat(30_000))),
    ];
    let causes = if thorough { &causes[..] } else { &causes[1..2] };
    for cause in causes {
        let turn =
            Turn::Error { error: "Unlisted".into(), cause: cause.clone(), when: When::Before };
        out.push(Fault::new(state, turn));
    }
    if !native && !asking {
        out.push(Fault::new(state, Turn::Malformed));
        if !telling {
            for status in [StageStatus::Passed, StageStatus::Failed, StageStatus::Skipped] {
                // A plan is no verdict; and whether the settings are valid is yes or no.
                let plain = matches!(state, "PlanPipeline" | "AnalyzeChanges");
                if !(plain && status != StageStatus::Passed)
                    || state == "AnalyzeChanges" && status == StageStatus::Failed
                {
                    out.push(Fault::verdict(state, status));
                }
            }
        }
    }
    if name == "CheckStatus" {
        out.push(Fault::new(state, Turn::Pending));
        out.push(Fault::new(state, Turn::Pending).once());
    }
    if name == "Rollback" {
        out.push(Fault::new(state, Turn::Nothing));
    }
    out
}

/// Prints what does not hold, and panics if anything.
pub(crate) fn judge(reports: &[Report], machine: &Machine, names: &[String]) {
    let mut wrong = 0;
    let mut kinds = std::collections::BTreeMap::<String, u64>::new();
    for (report, name) in reports.iter().zip(names) {
        let broken = violations(report, machine);
        if broken.is_empty() {
            continue;
        }
        wrong += 1;
        for what in &broken {
            *kinds.entry(what.clone()).or_default() += 1;
        }
        if wrong <= 8 {
            show(report, name, &broken);
        }
    }
    assert!(wrong == 0, "{wrong} of {} explorations: {kinds:#?}", reports.len());
}

fn show(report: &Report, name: &str, broken: &[String]) {
    eprintln!("\n=== {} ({name}): {}", report.world.run_id, report.world.case);
    for what in broken {
        eprintln!("  VIOLATED: {what}");
    }
    eprintln!("  path: {}", report.entered.join(" > "));
    eprintln!("  effects: {:#?}", report.world.effects);
    eprintln!("  recorded: {} {:?}", report.world.status, report.world.outcome);
    eprintln!(
        "  ended: {} {:?} {:?}",
        report.change.status, report.change.error, report.change.cause
    );
    eprintln!("  history:\n{}", report.history);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_path_keeps_the_invariants() {
    let began = Instant::now();
    let machine = machine::load("pipeline");
    let errors = errors(&machine);
    let routes = routes();

    // Each route alone, to see where it leads.
    let cases = routes.iter().map(|route| route.case.clone()).collect();
    let plain = explore(&machine.text, cases).await;
    let names: Vec<String> = routes.iter().map(|r| r.name.to_owned()).collect();
    judge(&plain, &machine, &names);
    let mut covered: BTreeSet<String> = BTreeSet::new();
    let mut cases = Vec::new();
    let mut names = Vec::new();
    let mut quiet = Vec::new();
    for (index, (route, report)) in routes.iter().zip(&plain).enumerate() {
        let status = report.world.status.as_str();
        assert_eq!(status, route.status, "{}: {:?}", route.name, report.world.outcome);
        covered.extend(report.entered.iter().cloned());
        // What was met before the route parted from the others is met on the plain ones.
        let parted = route.case.faults.first().map(|fault| fault.state.clone());
        let order = &report.world.order;
        let gate = order.iter().position(|s| s == "EvaluateGate").filter(|_| index > 0);
        let parting = parted.as_ref().and_then(|p| order.iter().position(|s| s == p)).unwrap_or(0);
        let from = if route.thorough { parting } else { parting.max(gate.unwrap_or(0)) };
        for state in order.iter().skip(from).filter(|s| parted.as_ref() != Some(s)) {
            for fault in turns(state, &machine, route.thorough, &errors) {
                names.push(format!("{}, {state}", route.name));
                quiet.push(state.starts_with("Notify").then_some(route.status));
                let mut case = route.case.clone();
                case.faults.push(fault);
                cases.push(case);
            }
        }
    }
    // `PACT_PATHS` explores all whose name contains it, an empty one all; otherwise every fifth,
    // and all that wait for a target.
    let only = std::env::var("PACT_PATHS").ok();
    let waits = |case: &Case| case.faults.iter().any(|fault| fault.turn == Turn::Pending);
    let keep = |index: usize, name: &String| match &only {
        Some(only) => name.contains(only),
        None => index.is_multiple_of(5) || cases.get(index).is_some_and(waits),
    };
    let kept: Vec<bool> = names.iter().enumerate().map(|(i, name)| keep(i, name)).collect();
    let mut flags = kept.iter();
    cases.retain(|_| flags.next() == Some(&true));
    let mut flags = kept.iter();
    quiet.retain(|_| flags.next() == Some(&true));
    let mut flags = kept.iter();
    names.retain(|_| flags.next() == Some(&true));
    let count = cases.len() + plain.len();
    let reports = explore(&machine.text, cases).await;
    judge(&reports, &machine, &names);
    for (report, status) in reports.iter().zip(&quiet) {
        covered.extend(report.entered.iter().cloned());
        if let Some(status) = status {
            assert_eq!(report.world.status, *status, "a message changed {}", report.world.case);
        }
    }
    let missed: Vec<_> = machine.states.keys().filter(|name| !covered.contains(*name)).collect();
    assert!(missed.is_empty(), "never entered: {missed:?}");
    say(&format!("{count} executions in {:.1} s", began.elapsed().as_secs_f64()));
}

pub(crate) fn say(text: &str) {
    eprintln!("{text}");
}

/// An execution has at most 25,000 events; beyond that Step Functions ends it.
#[tokio::test(flavor = "multi_thread")]
async fn sixteen_environments_that_take_their_time_fit_into_one_history() {
    const ALL: [&str; MAX_ENVIRONMENTS] = [
        "dev", "qa", "staging", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9", "p10", "p11",
        "p12", "p13",
    ];
    let machine = machine::load("pipeline");
    let variant = Variant { environments: &ALL, approval: Some(Answer::Yes), ..Variant::PROMOTE };
    let slow = |name: &&str| Fault {
        times: Some(59),
        ..Fault::new(format!("CheckStatus.{name}"), Turn::Pending)
    };
    let mut faults: Vec<Fault> = ALL.iter().map(slow).collect();
    // And all of it goes back.
    faults.push(Fault::verdict("JudgeRelease.p13", StageStatus::Failed));
    let case = Case { variant, faults };
    let reports = explore(&machine.text, vec![case]).await;
    judge(&reports, &machine, &["sixteen".to_owned()]);
    assert_eq!(reports[0].world.status, "rolled_back");
    let events = reports[0].history.lines().count();
    assert!(events < 20_000, "{events} events");
    say(&format!("sixteen environments: {events} events"));
}

#[test]
fn retries_are_bounded() {
    for (name, definition) in pact_state_machines::machines() {
        let machine = machine::load(name);
        for (state, definition) in machine::states(&definition) {
            for retrier in definition["Retry"].as_array().into_iter().flatten() {
                let number = |field: &str| retrier[field].as_u64();
                let longest = number("MaxAttempts").zip(number("MaxDelaySeconds"));
                let longest = longest.map(|(attempts, delay)| attempts * delay);
                assert!(
                    longest.is_some_and(|s| s <= 3_600),
                    "{state} is tried too long: {retrier}"
                );
            }
            if state == "Deploy" {
                for crash in CRASHES {
                    assert_eq!(machine.tries(&state, crash), 1, "{state} after {crash}");
                }
            }
        }
    }
}
