//! A function of Lambda is deployed, broken and returned, through the whole pipeline.

use std::io::{Cursor, Write};

use aws_sdk_lambda::{
    Client,
    primitives::Blob,
    types::{Architecture, FunctionCode, FunctionUrlAuthType, LastUpdateStatus, Runtime},
};
use pact_e2e::{Aws, Repo, Stack, binary};
use serde_json::Value;
use zip::{ZipWriter, write::SimpleFileOptions};

use crate::{
    aws_clients::{block_on, config},
    get, stage, text,
};

/// Names of the aliases, which are those of the environments.
const ENVIRONMENTS: [&str; 2] = ["staging", "production"];

/// What a function is made of: runtime, handler, and its program.
pub(crate) struct Kind {
    pub(crate) runtime: Runtime,
    pub(crate) handler: &'static str,
    pub(crate) file: &'static str,
    pub(crate) program: Vec<u8>,
}

/// One that consists of a program.
pub(crate) fn with_a_program() -> Kind {
    Kind {
        runtime: Runtime::Providedal2023,
        handler: "bootstrap",
        file: "bootstrap",
        program: std::fs::read(binary("fixture-bootstrap")).expect("is built"),
    }
}

/// A function as somebody sets it up: with its aliases and addresses, before any deployment.
pub(crate) fn set_up(aws: &Aws, kind: &Kind) -> Vec<String> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().unix_permissions(0o755);
    zip.start_file(kind.file, options).expect("packs");
    zip.write_all(&kind.program).expect("packs");
    let zip = zip.finish().expect("packs").into_inner();
    let architecture = match std::env::consts::ARCH {
        "aarch64" => Architecture::Arm64,
        _ => Architecture::X8664,
    };
    block_on(async {
        let lambda = Client::new(&config(aws).await);
        lambda
            .create_function()
            .function_name("shop")
            .runtime(kind.runtime.clone())
            .handler(kind.handler)
            .architectures(architecture)
            .role("arn:aws:iam::000000000000:role/shop")
            .timeout(20)
            .code(FunctionCode::builder().zip_file(Blob::new(zip)).build())
            .send()
            .await
            .expect("is created");
        loop {
            let now = lambda.get_function_configuration().function_name("shop").send().await;
            let now = now.expect("is there").last_update_status;
            if now != Some(LastUpdateStatus::InProgress) {
                assert_eq!(now, Some(LastUpdateStatus::Successful));
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        lambda.publish_version().function_name("shop").send().await.expect("is published");
        let mut urls = Vec::new();
        for alias in ENVIRONMENTS {
            let made =
                lambda.create_alias().function_name("shop").name(alias).function_version("1");
            made.send().await.expect("is made");
            let url = lambda.create_function_url_config().function_name("shop").qualifier(alias);
            let url = url.auth_type(FunctionUrlAuthType::None).send().await.expect("is made");
            let open = lambda
                .add_permission()
                .function_name("shop")
                .qualifier(alias)
                .statement_id(alias)
                .action("lambda:InvokeFunctionUrl")
                .principal("*")
                .function_url_auth_type(FunctionUrlAuthType::None);
            open.send().await.expect("is open");
            urls.push(url.function_url.trim_end_matches('/').to_owned());
        }
        urls
    })
}

/// Versions that the aliases lead to, with what they say.
fn leads(aws: &Aws) -> Vec<(String, String)> {
    block_on(async {
        let lambda = Client::new(&config(aws).await);
        let mut leads = Vec::new();
        for alias in ENVIRONMENTS {
            let found = lambda.get_alias().function_name("shop").name(alias).send().await;
            let found = found.expect("is there");
            leads.push((
                found.function_version.unwrap_or_default(),
                found.description.unwrap_or_default(),
            ));
        }
        leads
    })
}

/// A machine with much to do answers late.
const WATCH: &str = r#"
[environments.NAME.watch]
seconds = 1
interval_ms = 50
max_p95_ms = 30000
"#;

/// How fast anything answers is nobody's question here: what is judged is what it answers. So production
/// alone is watched, as it always is, and its first release has nothing to be compared with.
fn settings() -> String {
    let environment = |name: &str| {
        let watch = match name {
            "production" => WATCH.replace("NAME", name),
            _ => String::new(),
        };
        format!(
            r#"
[environments.{name}]
target = "lambda"
function = "shop"
alias = "{name}"
artifact = "dist"
[[environments.{name}.health]]
path = "/health"
successes = 2
interval_ms = 50
max_latency_ms = 20000
deadline_seconds = 60
{watch}"#
        )
    };
    let tests = "[tests.unit]\ncommand = [\"sh\", \"./test.sh\"]\ntimeout_seconds = 60\n";
    ENVIRONMENTS.iter().fold(tests.to_owned(), |text, name| text + &environment(name))
}

/// What is deployed to the function, and how.
pub(crate) fn deployable(repo: &Repo, kind: &Kind) {
    let program = repo.path().join("dist").join(kind.file);
    std::fs::create_dir_all(repo.path().join("dist")).expect("a folder");
    std::fs::write(&program, &kind.program).expect("is written");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&program, mode).expect("is a program");
    repo.write("pact.toml", &settings())
        .write("test.sh", "echo '1 passed'\n")
        .write("dist/release", "one")
        .write("dist/mode", "");
}

fn deployed_broken_and_returned(kind: &Kind) {
    let (repo, stack) = (Repo::new(), Stack::new());
    let (running, _) = stack.up();
    let aws = stack.aws();
    let urls = set_up(&aws, kind);
    deployable(&repo, kind);
    repo.commit("Open the shop");
    let (code, first) = stack.run(repo.path(), &[]);
    assert_eq!(code, Some(0), "{first:#}");
    for url in &urls {
        assert_eq!(get(url).as_deref(), Some("one"), "{first:#}");
    }
    for deployment in first["deployments"].as_array().expect("deployments") {
        assert!(urls.iter().any(|url| deployment["url"] == *url), "{deployment:#}");
    }
    let before = leads(&aws);
    assert!(before[1].1.ends_with(text(&first, "/deployments/0/release")), "{before:?}");

    // It answers well until it is in production.
    repo.write("dist/release", "two").write("dist/mode", "500");
    repo.commit("An ill release");
    let (code, report) = stack.run(repo.path(), &[]);
    assert_eq!((code, text(&report, "/status")), (Some(3), "rolled_back"), "{report:#}");
    assert_eq!(stage(&report, "CheckHealth.production")["status"], "failed");
    assert_eq!(stage(&report, "Rollback.production")["status"], "passed");
    assert_eq!(get(&urls[0]).as_deref(), Some("one"), "what the run changed in staging goes too");
    assert_eq!(get(&urls[1]).as_deref(), Some("one"), "the release before answers again");
    assert_eq!(leads(&aws)[1], before[1]);
    drop(running);
}

/// One environment that consists of two places: each leads to the function by an alias of its own.
const WAVES: &str = r#"
[tests.unit]
command = ["sh", "./test.sh"]
[environments.live]
tier = "production"
target = "lambda"
function = "shop"
artifact = "dist"
[[environments.live.health]]
path = "/health"
successes = 2
interval_ms = 50
[environments.live.watch]
seconds = 1
interval_ms = 50
max_p95_ms = 30000
inconclusive = "keep"
[[environments.live.waves]]
region = "us-east-1"
alias = "staging"
[[environments.live.waves]]
name = "rest"
region = "eu-west-1"
alias = "production"
"#;

#[test]
fn a_function_sees_of_the_data_folder_its_own_code() {
    let kind = with_a_program();
    let stack = Stack::new();
    let (running, _) = stack.up();
    let urls = set_up(&stack.aws(), &kind);
    let seen = get(&format!("{}/around", urls[0])).expect("an answer");
    let logs = stack.data().join("lambda/logs/shop.1.log");
    let log = std::fs::read_to_string(logs).unwrap_or_default();
    match log.contains("cannot be hidden") {
        true => eprintln!("skipped: {log}"),
        false => assert_eq!(seen, "lambda"),
    }
    drop(running);
}

#[test]
fn what_is_bad_in_the_second_wave_leaves_both_the_newest_first() {
    let kind = with_a_program();
    let (repo, stack) = (Repo::new(), Stack::new());
    let (running, _) = stack.up();
    let urls = set_up(&stack.aws(), &kind);
    deployable(&repo, &kind);
    let both = |wanted: &str| {
        for url in &urls {
            assert_eq!(get(url).as_deref(), Some(wanted));
        }
    };
    repo.write("pact.toml", WAVES).commit("Two places");
    let (code, first) = stack.run(repo.path(), &[]);
    assert_eq!(code, Some(0), "{first:#}");
    both("one");
    let names = ["/deployments/0", "/deployments/1"].map(|at| {
        assert_eq!(text(&first, &format!("{at}/wave_of")), "live");
        text(&first, &format!("{at}/environment")).to_owned()
    });
    assert_eq!(names, ["live-us-east-1", "live-rest"]);

    repo.write("dist/release", "two").write("dist/mode", "500").commit("Ill in the second");
    let (code, report) = stack.run(repo.path(), &[]);
    assert_eq!((code, text(&report, "/status")), (Some(3), "rolled_back"), "{report:#}");
    assert_eq!(stage(&report, "CheckHealth.live-us-east-1")["status"], "passed");
    assert_eq!(stage(&report, "CheckHealth.live-rest")["status"], "failed");
    let states = report["stages"].as_array().expect("stages").iter();
    let back: Vec<&str> =
        states.filter_map(|stage| stage["state"].as_str()?.strip_prefix("Rollback.")).collect();
    assert_eq!(back, ["live-rest", "live-us-east-1"], "{report:#}");
    both("one");

    // A person says the name of both.
    repo.write("dist/release", "three").write("dist/mode", "").commit("Well");
    let (code, report) = stack.run(repo.path(), &[]);
    assert_eq!(code, Some(0), "{report:#}");
    both("three");
    let returned = stack.pactctl(&["rollback", "live", "--reason", "because"]);
    assert_eq!(returned.code, Some(0), "{}{}", returned.stdout, returned.stderr);
    both("one");
    let listed = stack.pactctl(&["environments", "list"]).stdout;
    assert!(listed.contains("live-rest (wave of live): "), "{listed}");
    drop(running);
}

#[test]
fn a_function_with_a_program_is_deployed_broken_and_returned() {
    deployed_broken_and_returned(&with_a_program());
}

const PYTHON: &str = r#"import os

HERE = os.environ["LAMBDA_TASK_ROOT"]


def read(name):
    with open(os.path.join(HERE, name)) as file:
        return file.read().strip()


def handler(event, context):
    ill = read("mode") == "500" and context.invoked_function_arn.endswith(":production")
    status = 500 if ill and event["rawPath"] == "/health" else 200
    return {"statusCode": status, "body": read("release")}
"#;

#[test]
fn a_function_in_python_is_deployed_broken_and_returned() {
    let there = std::process::Command::new("python3").args(["-c", ""]).status();
    if !there.is_ok_and(|status| status.success()) {
        eprintln!("skipped: there is no python3 on this machine");
        return;
    }
    deployed_broken_and_returned(&Kind {
        runtime: Runtime::Python312,
        handler: "app.handler",
        file: "app.py",
        program: PYTHON.as_bytes().to_vec(),
    });
}

#[test]
fn a_function_that_is_not_there_is_named_and_nothing_is_replaced() {
    let stack = Stack::new();
    let repo = Repo::new();
    let (running, _) = stack.up();
    repo.write("pact.toml", &settings()).write("dist/bootstrap", "").write("test.sh", "echo 1\n");
    repo.commit("A function that is not there");
    let (code, report) = stack.run(repo.path(), &[]);
    assert_eq!((code, text(&report, "/status")), (Some(1), "failed"), "{report:#}");
    let deploy = stage(&report, "Deploy.staging");
    assert_eq!(deploy["findings"][0]["code"], Value::from("function-missing"), "{deploy:#}");
    drop(running);
}
