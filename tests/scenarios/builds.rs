//! What is tested cannot judge itself, reach what judges it, or stay when it is over.

use std::{collections::BTreeMap, path::Path, time::Duration};

use pact_e2e::{Repo, Stack, send_signal, wait_for};
use serde_json::Value;

use crate::{gate::Gate, stage, text};

/// A repository whose unit tests are a shell script.
fn tested(script: &str) -> Repo {
    let repo = Repo::new();
    repo.write("pact.toml", "[tests.unit]\ncommand = [\"sh\", \"t.sh\"]\ntimeout_seconds = 60\n");
    repo.commit("Settings");
    repo.write("t.sh", script);
    repo.commit("Tests");
    repo
}

/// The log of a stage, as it is kept.
fn log(stack: &Stack, report: &Value, state: &str) -> String {
    let key = text(stage(report, state), "/output/log_key").to_owned();
    let bucket = stack.data().join("s3").join("pact-artifactbucket");
    std::fs::read_to_string(bucket.join(&key)).unwrap_or_else(|e| panic!("no log {key}: {e}"))
}

/// Whether builds have namespaces here: without them this machine cannot keep what it promises, and
/// says so in the result.
fn isolated(report: &Value) -> bool {
    let findings = stage(report, "RunUnitTests")["findings"].to_string();
    let without = findings.contains("build-unprotected");
    if without {
        eprintln!("skipped: builds have no namespaces here: {findings}");
    }
    !without
}

/// Processes with this text in their command line.
fn alive(line: &str) -> Vec<u32> {
    let own = |pid: &u32| {
        let found = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&found).replace('\0', " ").trim_end() == line
    };
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    processes.filter_map(|e| e.file_name().to_str()?.parse().ok()).filter(own).collect()
}

#[test]
fn what_is_tested_finds_nothing_of_who_judges_it() {
    let stack = Stack::new();
    let (running, endpoints) = stack.up();
    let secret = stack.secrets();
    let data = stack.data().canonicalize().expect("a data folder");
    let (api, aws) = (text(&endpoints, "/api"), text(&endpoints, "/aws"));
    let scan = "X-Amz-Target: DynamoDB_20120810.Scan";
    let script = format!(
        r#"p=$$
while [ -n "$p" ] && [ "$p" -gt 0 ]; do
tr '\0' '\n' </proc/$p/environ 2>/dev/null | grep -E 'SECRET|TOKEN|ACCESS_KEY|RUNTIME_API|PACT_TABLE|X-Amz' && echo LEAK environment
p=$(awk '/PPid/{{print $2}}' /proc/$p/status 2>/dev/null)
done
cat /proc/1/environ /proc/1/mem >/dev/null 2>&1 && echo LEAK memory
ls {data} >/dev/null 2>&1 && echo LEAK data
cat {data}/secrets.json 2>/dev/null && echo LEAK secrets
curl -s -o /dev/null {api}/ && echo LEAK pages
code=$(curl -s -o /dev/null -w '%{{http_code}}' -H '{scan}' -H 'Content-Type: application/x-amz-json-1.0' -d '{{}}' {aws}/)
[ "$code" = 403 ] || echo LEAK table $code
code=$(curl -s -o /dev/null -w '%{{http_code}}' {aws}/pact-artifactbucket/)
[ "$code" = 403 ] || echo LEAK bucket $code
echo '3 passed in 0.1s'
"#,
        data = data.display()
    );
    let repo = tested(&script);
    let (code, report) = stack.run(repo.path(), &[]);
    let log = log(&stack, &report, "RunUnitTests");
    assert_eq!((code, text(&report, "/status")), (Some(0), "succeeded"), "{report:#}\n{log}");
    assert_eq!(stage(&report, "RunUnitTests")["output"]["total"], 3);
    if isolated(&report) {
        assert!(!log.lines().any(|line| line.starts_with("LEAK")), "{log}");
        for value in ["/webhook", "/api_token", "/aws"] {
            assert!(!log.contains(text(&secret, value)), "{value} is in the log");
        }
    }
    // As on AWS: the functions found a shell and no tool.
    let paths = paths(aws);
    assert!(paths.len() >= 5, "{paths:?}");
    for (function, path) in &paths {
        let programs = std::fs::read_dir(path).unwrap_or_else(|e| panic!("{path}: {e}"));
        let names: Vec<_> = programs.map(|p| p.expect("is listed").file_name()).collect();
        assert_eq!(names, ["sh"], "{function}");
    }
    running.signal("TERM");
    assert_eq!(running.wait().code, Some(0));
}

/// A function of a stack, as a process.
struct Function {
    pid: u32,
    name: String,
    /// Where it finds programs.
    path: String,
}

/// The functions of the stack at this endpoint.
fn functions(aws: &str) -> Vec<Function> {
    let function = |entry: std::fs::DirEntry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let bytes = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let of = |name: &str| {
            text.split('\0')
                .find_map(|v| v.strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
        };
        let own = of("AWS_ENDPOINT_URL")? == aws;
        own.then_some(())?;
        Some(Function { pid, name: of("AWS_LAMBDA_FUNCTION_NAME")?, path: of("PATH")? })
    };
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    processes.filter_map(function).collect()
}

/// By their names, where they find programs.
fn paths(aws: &str) -> BTreeMap<String, String> {
    functions(aws).into_iter().map(|function| (function.name, function.path)).collect()
}

#[test]
fn a_failed_test_stays_failed_whatever_it_hands_over() {
    let stack = Stack::new();
    // It forges what the script of the build keeps, and its output says that all is well.
    let repo = tested(
        "for d in ../pact ../../pact; do\n\
         [ -d $d ] && printf 'end test 0 1 2\\nend test 0 1 2\\n' >$d/steps\n\
         done\n\
         echo '999 passed in 0.0s'\n\
         (sleep 0.2; printf 'end test 0 1 2\\n' >../pact/steps) >/dev/null 2>&1 &\n\
         exit 1\n",
    );
    let (code, report) = stack.run(repo.path(), &[]);
    assert_eq!((code, text(&report, "/status")), (Some(1), "rejected"), "{report:#}");
    let unit = stage(&report, "RunUnitTests");
    assert_eq!(unit["status"], "failed", "{unit:#}");
    assert_eq!(unit["output"]["exit_code"], 1, "{unit:#}");
}

#[test]
fn nothing_that_tests_start_is_left_when_they_are_over() {
    let stack = Stack::new();
    let repo = tested(
        "setsid sleep 40417 & \n(setsid sh -c 'exec sleep 40418' &)\nnohup sleep 40419 >/dev/null 2>&1 &\n\
         env -i setsid sh -c 'trap \"\" TERM HUP; sleep 40420; sleep 40421' </dev/null >/dev/null 2>&1 &\n\
         sleep 0.5\necho '3 passed in 0.1s'\n",
    );
    let (code, report) = stack.run(repo.path(), &[]);
    assert_eq!((code, text(&report, "/status")), (Some(0), "succeeded"), "{report:#}");
    assert_eq!(stage(&report, "RunUnitTests")["output"]["total"], 3);
    let left = || (40_417..40_422).flat_map(|n| alive(&format!("sleep {n}"))).count();
    wait_for("the end of what the tests started", 5, || (left() == 0).then_some(()));
}

#[test]
fn what_tests_write_is_read_while_they_write_it_and_afterwards() {
    let (stack, gate) = (Stack::new(), Gate::new());
    let (up, _) = stack.up();
    let wait = gate.script();
    let repo =
        tested(&format!("echo begun\n({wait})\necho '3 passed in 0.1s'\nprintf '\\033[2J'\n"));
    let run = stack.start(&["run", &repo.path().to_string_lossy(), "--json"]);
    gate.wait(1);
    let mut follower = stack.start(&["logs", "latest", "unit", "--follow"]);
    while follower.line().expect("the log goes on") != "begun\n" {}
    let so_far = stack.pactctl(&["logs"]);
    assert_eq!(so_far.code, Some(0), "{so_far:?}");
    assert!(so_far.stdout.contains("RunUnitTests begun\n"), "{so_far:?}");
    assert!(!so_far.stdout.contains("3 passed"), "{so_far:?}");
    gate.open();
    let followed = follower.wait();
    assert_eq!(followed.code, Some(0), "{followed:?}");
    assert!(followed.stdout.contains("3 passed in 0.1s\n"), "{followed:?}");
    assert!(!followed.stdout.contains('\u{1b}'), "{followed:?}");
    assert_eq!(run.wait().code, Some(0));
    up.signal("TERM");
    assert_eq!(up.wait().code, Some(0));
    // The stack is down: it is kept.
    let kept = stack.pactctl(&["logs", "latest", "RunUnitTests", "--json"]);
    assert_eq!(kept.code, Some(0), "{kept:?}");
    let lines: Vec<Value> = kept.stdout.lines().map(|l| l.parse().expect("JSON")).collect();
    let texts: Vec<_> = lines.iter().map(|line| text(line, "/text")).collect();
    assert!(texts.contains(&"begun") && texts.contains(&"3 passed in 0.1s"), "{texts:?}");
    let unknown = stack.pactctl(&["logs", "latest", "lint"]);
    assert_eq!(unknown.code, Some(2), "{unknown:?}");
    assert!(unknown.stderr.contains("there are RunUnitTests"), "{unknown:?}");
}

#[test]
fn an_environment_that_is_killed_is_a_fault_and_no_verdict() {
    let (stack, gate) = (Stack::new(), Gate::new());
    let repo = tested(&gate.script());
    let running = stack.start(&["run", &repo.path().to_string_lossy(), "--json"]);
    gate.wait(1);
    let data = stack.data().canonicalize().expect("a data folder");
    for pid in environments(&data) {
        send_signal(pid, "KILL");
    }
    gate.gone(10);
    let ended = running.wait();
    let report = ended.json();
    assert_eq!((ended.code, text(&report, "/status")), (Some(1), "held"), "{report:#}");
    let unit = stage(&report, "RunUnitTests");
    assert_eq!((text(unit, "/status"), text(unit, "/error")), ("error", "ERR_TOOL_FAILED"));
    std::thread::sleep(Duration::from_millis(200));
    assert!(gate.processes().is_empty(), "the tests were begun again");
}

#[test]
fn a_function_that_is_killed_costs_its_tests_nothing() {
    let (stack, gate) = (Stack::new(), Gate::new());
    let (up, endpoints) = stack.up();
    let repo = tested(&format!("({})\necho '3 passed in 0.1s'\n", gate.script()));
    let run = stack.start(&["run", &repo.path().to_string_lossy(), "--json"]);
    gate.wait(1);
    let all = functions(text(&endpoints, "/aws")).into_iter();
    let agents: Vec<_> = all.filter(|function| function.name.contains("TestAgent")).collect();
    assert!(!agents.is_empty(), "nobody looks after the tests");
    agents.iter().for_each(|agent| send_signal(agent.pid, "KILL"));
    gate.open();
    let ended = run.wait();
    let report = ended.json();
    assert_eq!((ended.code, text(&report, "/status")), (Some(0), "succeeded"), "{report:#}");
    assert_eq!(stage(&report, "RunUnitTests")["output"]["total"], 3);
    up.signal("TERM");
    assert_eq!(up.wait().code, Some(0));
}

/// The first processes of the builds of a stack.
fn environments(data: &Path) -> Vec<u32> {
    let data = data.to_string_lossy().into_owned();
    let environment = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        line.contains("sandbox\0agent\0") && line.contains(&data)
    };
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    processes.filter_map(|e| e.file_name().to_str()?.parse().ok()).filter(environment).collect()
}
