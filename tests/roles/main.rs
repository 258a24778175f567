//! Roles fit, both ways: every AWS call that the system makes is allowed by the role of who makes
//! it, and every action that a role allows is one that is made.
//!
//! The role that the deploy agent takes on for a function, of `infra/deploy-role.yaml`, is one of them:
//! what is called with it stands under its name.
//!
//! `calls.txt` is what the local stack wrote down during the end-to-end scenarios, one line each:
//! function, action, resource. It is made anew by
//! `PACT_RECORD_CALLS=/tmp/calls cargo test -p pact-e2e --test scenarios` and
//! `LC_ALL=C sort -u /tmp/calls > tests/roles/calls.txt`, with the dashboard's lines kept, which are
//! checked here; where the variable names a file here too, its calls are judged besides.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "what a test's helpers cannot read is a failed test"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::{Command, Stdio},
};

use local_template::{Context, Role, Stack};
use pact_e2e::{binary, wait_for};
use serde_json::Value;

const TEMPLATE: &str = include_str!("../../infra/template.yaml");
const DEPLOY_ROLE: &str = include_str!("../../infra/deploy-role.yaml");
/// Who calls with that role.
const DEPLOYMENT: &str = "DeployRole";
const CALLS: &str = include_str!("calls.txt");
/// Functions whose memory is not the others', by what `pact_contract::cost` knows.
#[test]
fn a_cost_is_estimated_by_the_memory_that_functions_have() {
    use pact_contract::cost::{LARGER, MEMORY};
    for function in stack().functions {
        let agent = function.logical_id.strip_suffix("AgentFunction").unwrap_or_default();
        let agent = format!("{}-agent", agent.to_lowercase());
        let known = LARGER.iter().find(|(larger, _)| *larger == agent);
        let expected = known.map_or(MEMORY, |(_, memory)| *memory);
        assert_eq!(function.memory_mb, expected, "{}", function.logical_id);
    }
}

const MACHINES: [(&str, &str); 2] = [
    ("pipeline.asl.json", include_str!("../../state-machines/pipeline.asl.json")),
    ("monitor.asl.json", include_str!("../../state-machines/monitor.asl.json")),
];

/// What roles allow although no recorded call needs it, and why. `*` stands for every role.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("*", "logs:CreateLogStream", "the Lambda service writes a function's log with its role"),
    ("*", "logs:PutLogEvents", "the Lambda service writes a function's log with its role"),
    ("*", "xray:PutTraceSegments", "the service sends traces with the role"),
    ("*", "xray:PutTelemetryRecords", "the service sends traces with the role"),
    ("*", "sqs:SendMessage", "the service delivers failures with the role"),
    // The artifact store is a folder locally; the adapter's tests cover what it asks of S3.
    ("*", "s3:PutObject", "the artifact store is a folder locally"),
    ("CodeAgentRole", "s3:GetObject", "the artifact store is a folder locally"),
    ("CodeAgentRole", "s3:ListBucket", "S3 answers 403, not 404, for what is not there without it"),
    ("TestAgentRole", "s3:ListBucket", "S3 answers 403, not 404, for what is not there without it"),
    ("TestAgentRole", "s3:GetObject", "the artifact store is a folder locally"),
    ("SecurityAgentRole", "s3:GetObject", "the artifact store is a folder locally"),
    ("QualityAgentRole", "s3:GetObject", "the artifact store is a folder locally"),
    ("DeployAgentRole", "s3:GetObject", "the artifact store is a folder locally"),
    (
        "DeployAgentRole",
        "s3:ListBucket",
        "S3 answers 403, not 404, for what is not there without it",
    ),
    ("DeployAgentRole", "codebuild:StopBuild", "only for a deed whose place another takes"),
    ("DashboardRole", "s3:GetObject", "the artifact store is a folder locally"),
    ("DashboardRole", "s3:ListBucket", "S3 answers 403, not 404, for what is not there without it"),
    ("DashboardRole", "codebuild:BatchGetBuilds", "only while a build of a run goes on"),
    ("DashboardRole", "logs:GetLogEvents", "only while a build of a run goes on"),
    (
        "GatewayRole",
        "dynamodb:DeleteItem",
        "gives a claim back when the execution cannot be started",
    ),
    (DEPLOYMENT, "lambda:DeleteAlias", "only where the first release is taken back"),
    (DEPLOYMENT, "lambda:CreateAlias", "only where nobody made the alias before"),
    (DEPLOYMENT, "lambda:ListVersionsByFunction", "only for a release whose note is gone"),
    (DEPLOYMENT, "lambda:GetProvisionedConcurrencyConfig", "only where traffic is shared"),
    ("ReconcilerRole", "states:SendTaskSuccess", "only for an answer that came before a retry"),
    ("MonitorAgentRole", "cloudwatch:GetMetricData", "only for a watch with the source cloudwatch"),
    ("NotifyAgentRole", "dynamodb:Query", "only by the schedule, every five minutes"),
    ("CodeAgentRole", "ssm:GetParameters", "the key is for an installation that is a GitHub App"),
    ("TestAgentRole", "ssm:GetParameters", "the key is for an installation that is a GitHub App"),
    ("ReconcilerRole", "ssm:GetParameters", "the source token is for hosts that are named alone"),
];

/// What the Step Functions service itself asks of a state machine's role: logs and traces.
const SERVICE: [&str; 2] = ["logs:", "xray:"];

type Call = (String, String);

fn stack() -> Stack {
    stack_with(&[])
}

fn stack_with(parameters: &[(&str, &str)]) -> Stack {
    let parameters = parameters.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    let context = Context {
        parameters: parameters.collect(),
        region: "us-east-1".to_owned(),
        account: "000000000000".to_owned(),
        stack_name: "pact".to_owned(),
    };
    local_template::load(TEMPLATE, Path::new("infra/template.yaml"), &context)
        .unwrap_or_else(|faults| panic!("{faults:#?}"))
}

/// The role for deployments to the function of the scenarios.
fn deploy_role() -> Role {
    let parameters = [
        ("Repository", "acme/shop"),
        ("Environment", "production"),
        ("FunctionName", "shop"),
        ("RoleName", "pact-deploy-shop"),
        ("DeployAgentRoleArn", "arn:aws:iam::000000000000:role/pact-DeployAgentRole"),
    ];
    let context = Context {
        parameters: parameters.map(|(name, value)| (name.into(), value.into())).into(),
        region: "us-east-1".to_owned(),
        account: "000000000000".to_owned(),
        stack_name: "shop-production".to_owned(),
    };
    let read = local_template::load(DEPLOY_ROLE, Path::new("infra/deploy-role.yaml"), &context);
    let mut roles = read.unwrap_or_else(|faults| panic!("{faults:#?}")).roles;
    assert_eq!(roles.len(), 1, "{roles:#?}");
    roles.remove(0)
}

/// Every role that somebody calls with.
fn roles(stack: &Stack) -> Vec<Role> {
    stack.roles.iter().cloned().chain([deploy_role()]).collect()
}

fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(items)) => {
            items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

/// `*` and `?` as IAM reads them.
fn fits(pattern: &str, text: &str) -> bool {
    match (pattern.chars().next(), text.chars().next()) {
        (None, None) => true,
        (Some('*'), _) => {
            fits(&pattern[1..], text)
                || text.chars().next().is_some_and(|c| fits(pattern, &text[c.len_utf8()..]))
        }
        (Some('?'), Some(c)) => fits(&pattern[1..], &text[c.len_utf8()..]),
        (Some(p), Some(c)) if p == c => fits(&pattern[p.len_utf8()..], &text[c.len_utf8()..]),
        _ => false,
    }
}

fn allows(role: &Role, (action, resource): &Call) -> bool {
    role.statements.iter().any(|statement| {
        statement["Effect"] == "Allow"
            && texts(statement.get("Action")).iter().any(|a| fits(a, action))
            && texts(statement.get("Resource")).iter().any(|r| fits(r, resource))
    })
}

fn role_of<'s>(stack: &'s Stack, arn: Option<&String>, who: &str) -> &'s Role {
    stack
        .roles
        .iter()
        .find(|role| Some(&role.arn) == arn)
        .unwrap_or_else(|| panic!("{who} has no role of this template"))
}

/// Calls by the logical id of the role that makes them.
fn made(stack: &Stack) -> BTreeMap<String, BTreeSet<Call>> {
    let mut calls: BTreeMap<String, BTreeSet<Call>> = BTreeMap::new();
    let more = std::env::var("PACT_RECORD_CALLS")
        .ok()
        .and_then(|path| std::fs::read_to_string(path).ok())
        .unwrap_or_default();
    for line in CALLS.lines().chain(more.lines()) {
        let parts: Vec<&str> = line.split(' ').collect();
        let [function, action, resource] = parts[..] else { panic!("not a call: {line:?}") };
        let call = (action.to_owned(), resource.to_owned());
        if function == DEPLOYMENT {
            calls.entry(DEPLOYMENT.to_owned()).or_default().insert(call);
            continue;
        }
        let found = stack.functions.iter().find(|f| f.logical_id == function);
        let found = found.unwrap_or_else(|| panic!("{function} is no function: record anew"));
        let role = role_of(stack, found.role.as_ref(), function);
        calls.entry(role.logical_id.clone()).or_default().insert(call);
    }
    for machine in &stack.state_machines {
        let role = role_of(stack, machine.role.as_ref(), &machine.name);
        let text = MACHINES.iter().find(|(name, _)| machine.definition_uri.ends_with(name));
        let (_, text) =
            text.unwrap_or_else(|| panic!("{} is unknown here", machine.definition_uri));
        let text = machine.substitutions.iter().fold((*text).to_owned(), |text, (name, value)| {
            text.replace(&format!("${{{name}}}"), value)
        });
        let definition: Value = serde_json::from_str(&text).expect("a state machine is JSON");
        let tables = &stack.tables;
        let own = calls.entry(role.logical_id.clone()).or_default();
        tasks(&definition, &mut |resource, arguments| {
            own.insert(task_call(resource, arguments, &|name| {
                tables.iter().find(|t| t.name == name).map(|t| t.arn.clone())
            }));
        });
    }
    // A schedule starts its state machine.
    for schedule in &stack.schedules {
        let machine =
            stack.state_machines.iter().find(|m| m.logical_id == schedule.target.logical_id());
        // A function is invoked by the rule's own permission.
        let Some(machine) = machine else { continue };
        let call = ("states:StartExecution".to_owned(), machine.arn.clone());
        calls.entry("WatchRole".to_owned()).or_default().insert(call);
    }
    calls
}

/// Every task below a definition.
fn tasks(value: &Value, see: &mut impl FnMut(&str, &Value)) {
    match value {
        Value::Object(map) => {
            if map.get("Type").and_then(Value::as_str) == Some("Task")
                && let Some(resource) = map.get("Resource").and_then(Value::as_str)
            {
                see(resource, map.get("Arguments").unwrap_or(&Value::Null));
            }
            map.values().for_each(|v| tasks(v, see));
        }
        Value::Array(items) => items.iter().for_each(|v| tasks(v, see)),
        _ => {}
    }
}

fn task_call(resource: &str, arguments: &Value, table: &dyn Fn(&str) -> Option<String>) -> Call {
    let text = |key: &str| arguments.get(key).and_then(Value::as_str).unwrap_or_default();
    if resource.starts_with("arn:aws:states:::lambda:invoke") {
        return ("lambda:InvokeFunction".to_owned(), text("FunctionName").to_owned());
    }
    let operation = resource
        .strip_prefix("arn:aws:states:::aws-sdk:dynamodb:")
        .or_else(|| resource.strip_prefix("arn:aws:states:::dynamodb:"))
        .unwrap_or_else(|| panic!("a task of a kind that this test does not know: {resource}"));
    let arn = table(text("TableName")).expect("a table of the template");
    let arn = match text("IndexName") {
        "" => arn,
        index => format!("{arn}/index/{index}"),
    };
    (format!("dynamodb:{}{}", operation[..1].to_uppercase(), &operation[1..]), arn)
}

#[test]
fn every_call_is_allowed() {
    let stack = stack();
    let roles = roles(&stack);
    let refused: Vec<String> = made(&stack)
        .iter()
        .flat_map(|(id, calls)| {
            let role = roles.iter().find(|r| r.logical_id == *id).expect("the role");
            calls
                .iter()
                .filter(|call| !allows(role, call))
                .map(move |(a, r)| format!("{id}: {a} on {r}"))
        })
        .collect();
    assert!(refused.is_empty(), "calls that the role does not allow: {refused:#?}");
}

#[test]
fn everything_allowed_is_needed() {
    let stack = stack();
    let made = made(&stack);
    let machines: BTreeSet<&String> =
        stack.state_machines.iter().filter_map(|m| m.role.as_ref()).collect();
    let nothing = BTreeSet::new();
    let mut unneeded = Vec::new();
    let mut used = BTreeSet::new();
    for role in &roles(&stack) {
        assert!(role.managed.is_empty(), "{} has a managed policy", role.logical_id);
        let calls = made.get(&role.logical_id).unwrap_or(&nothing);
        for statement in &role.statements {
            for action in texts(statement.get("Action")) {
                assert!(!action.contains('*'), "{}: {action} is no single action", role.logical_id);
                for resource in texts(statement.get("Resource")) {
                    // A function and what is of it are one thing to whoever calls.
                    let whole = role.logical_id == DEPLOYMENT;
                    let needed =
                        calls.iter().any(|(a, r)| *a == action && (whole || fits(&resource, r)));
                    let service = machines.contains(&role.arn)
                        && SERVICE.iter().any(|prefix| action.starts_with(prefix));
                    let exception = EXCEPTIONS.iter().position(|(id, name, _)| {
                        (*id == "*" || *id == role.logical_id) && *name == action
                    });
                    match exception {
                        Some(at) if !needed => {
                            used.insert(at);
                        }
                        _ if needed || service => {}
                        _ => unneeded.push(format!("{}: {action} on {resource}", role.logical_id)),
                    }
                }
            }
        }
    }
    assert!(unneeded.is_empty(), "allowed, and nobody does it: {unneeded:#?}");
    let stale: Vec<_> =
        (0..EXCEPTIONS.len()).filter(|at| !used.contains(at)).map(|at| EXCEPTIONS[at]).collect();
    assert!(stale.is_empty(), "exceptions that are not needed any more: {stale:#?}");
}

/// The scenarios read runs through the gateway: here are the pages.
#[test]
fn the_pages_are_read_with_the_dashboards_role() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, recorded) = (folder.path().join("data"), folder.path().join("calls"));
    let mut up = Command::new(binary("pactctl"))
        .args(["up", "--port", "0", "--aws-port", "0"])
        .env("PACT_DATA", &data)
        .env("PACT_RECORD_CALLS", &recorded)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("pactctl starts");
    let read = |name: &str| -> Option<Value> {
        serde_json::from_slice(&std::fs::read(data.join(name)).ok()?).ok()
    };
    let stack_up = wait_for("the stack", 60, || read("stack.json"));
    let secrets = read("secrets.json").expect("the stack has secrets");
    let api = stack_up["api"].as_str().expect("an address").to_owned();
    let http = reqwest::blocking::Client::new();
    let post = |path: &str, body: Value| {
        http.post(format!("{api}{path}"))
            .bearer_auth(secrets["api_token"].as_str().expect("a token"))
            .header("content-type", "application/json")
            .body(body.to_string())
            .send()
            .expect("the gateway answers")
    };
    let url = "http://127.0.0.1:9/shop.git";
    let body = serde_json::json!({ "name": "acme/shop", "url": url });
    let registered = post("/v1/repositories", body);
    assert!(registered.status().is_success(), "{}", registered.status());
    let body = serde_json::json!({
        "repository": {"name": "acme/shop", "url": url},
        "branch": "main",
        "commit": "1".repeat(40),
    });
    let started = post("/v1/pipelines", body);
    let status = started.status();
    let run: Value = serde_json::from_str(&started.text().expect("a text")).expect("JSON");
    assert!(status.is_success(), "{status}: {run}");
    let id = run["run_id"].as_str().or(run["id"].as_str()).expect("the run's id");
    for page in [
        "/".to_owned(),
        "/api/runs?repository=acme%2Fshop".to_owned(),
        format!("/runs/{id}"),
        format!("/runs/{id}/logs/RunUnitTests"),
        format!("/runs/{id}/tests"),
        "/environments".to_owned(),
    ] {
        let request = http.get(format!("{api}{page}"));
        let request = request.bearer_auth(secrets["api_token"].as_str().expect("a token"));
        let answer = request.send().expect("the dashboard answers");
        // No test of this run was begun: there is no log of one.
        let wanted = if page.ends_with("Tests") { 404 } else { 200 };
        assert_eq!(answer.status().as_u16(), wanted, "{page}");
    }
    pact_e2e::send_signal(up.id(), "INT");
    up.wait().expect("it ends");

    let calls = std::fs::read_to_string(&recorded).expect("calls were recorded");
    let own: BTreeSet<&str> =
        calls.lines().filter(|l| l.starts_with("DashboardFunction ")).collect();
    let known: BTreeSet<&str> = CALLS.lines().collect();
    let new: Vec<_> = own.difference(&known).collect();
    assert!(new.is_empty(), "not in calls.txt: {new:#?}");
    let gone: Vec<_> =
        known.difference(&own).filter(|l| l.starts_with("DashboardFunction ")).collect();
    assert!(gone.is_empty(), "in calls.txt, and not made: {gone:#?}");
}

#[test]
fn each_function_and_machine_has_a_role_of_its_own() {
    let stack = stack();
    let mut owners: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let functions = stack.functions.iter().map(|f| (f.logical_id.as_str(), f.role.as_ref()));
    let machines = stack.state_machines.iter().map(|m| (m.logical_id.as_str(), m.role.as_ref()));
    for (id, arn) in functions.chain(machines) {
        owners.entry(&role_of(&stack, arn, id).logical_id).or_default().push(id);
    }
    owners.retain(|_, ids| ids.len() > 1);
    assert!(owners.is_empty(), "roles that are shared: {owners:#?}");
}

/// Without a file system there is no place for releases, and none is claimed. With one, the role
/// has what AWS's own AWSLambdaVPCAccessExecutionRole allows on networks: with less, the function
/// waits for its network interfaces for ever.
#[test]
fn the_deploy_agent_has_a_file_system_and_its_network_or_neither() {
    let network = |stack: &Stack| -> BTreeSet<String> {
        let role = stack.roles.iter().find(|r| r.logical_id == "DeployAgentRole").expect("a role");
        let actions = role.statements.iter().flat_map(|s| texts(s.get("Action")));
        actions.filter(|action| action.starts_with("ec2:")).collect()
    };
    let root = |stack: &Stack| -> Option<String> {
        let agent = stack.functions.iter().find(|f| f.logical_id == "DeployAgentFunction");
        agent.expect("the agent").environment.get("PACT_DEPLOY_ROOT").cloned()
    };
    let without = stack();
    assert_eq!((root(&without), network(&without)), (None, BTreeSet::new()));
    let point = "arn:aws:elasticfilesystem:us-east-1:000000000000:access-point/fsap-1";
    let with = stack_with(&[("ReleasesAccessPoint", point)]);
    assert_eq!(root(&with).as_deref(), Some("/mnt/releases"));
    let managed = [
        "ec2:AssignPrivateIpAddresses",
        "ec2:CreateNetworkInterface",
        "ec2:DeleteNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:UnassignPrivateIpAddresses",
    ];
    assert_eq!(network(&with), managed.map(str::to_owned).into());
}

#[test]
fn wildcards_are_read_as_iam_reads_them() {
    assert!(fits("arn:x:*", "arn:x:a:b") && fits("*", "") && fits("a?c", "abc"));
    assert!(!fits("arn:x", "arn:x/index/gsi1") && !fits("a?", "a"));
}
