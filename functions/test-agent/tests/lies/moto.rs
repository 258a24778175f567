//! moto's CodeBuild: it records builds, says that they succeeded, and runs nothing.

use std::{
    net::{Ipv4Addr, TcpListener},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use aws_sdk_codebuild::{
    Client, Config,
    config::{BehaviorVersion, Credentials, Region},
    types::{
        ArtifactsType, ComputeType, EnvironmentType, ProjectArtifacts, ProjectEnvironment,
        ProjectSource, SourceType,
    },
};

use super::{Bench, PASSES, fault, run};

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// moto as a server, where the interpreter that `SFN_SECOND_OPINION` names has it.
#[expect(clippy::print_stderr, reason = "a test that is skipped says why")]
async fn server() -> Option<(Server, Client)> {
    let python = std::env::var("SFN_SECOND_OPINION").unwrap_or_else(|_| "python3".to_owned());
    let asked = Command::new(&python).args(["-c", "import moto.server, flask"]).output();
    if !asked.is_ok_and(|asked| asked.status.success()) {
        eprintln!("skipped: {python} has no moto");
        return None;
    }
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|l| l.local_addr());
    let port = port.expect("a port").port().to_string();
    let mut command = Command::new(python);
    command.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let server = Server(child);
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(format!("http://127.0.0.1:{port}"))
        .credentials_provider(Credentials::new("local", "local", None, None, "test"))
        .build();
    let client = Client::from_conf(config);
    let mut answers = false;
    for _ in 0..200 {
        answers = client.list_projects().send().await.is_ok();
        if answers {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(answers, "moto does not answer");
    Some((server, client))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_moto_says_of_builds_that_it_never_ran_is_a_fault() {
    let Some((_server, client)) = server().await else { return };
    client
        .create_project()
        .name("pact-build")
        .service_role("arn:aws:iam::123456789012:role/service-role/pact-build")
        .source(
            ProjectSource::builder()
                .r#type(SourceType::S3)
                .location("bucket/source.zip")
                .build()
                .expect("a source"),
        )
        .artifacts(
            ProjectArtifacts::builder()
                .r#type(ArtifactsType::NoArtifacts)
                .build()
                .expect("artifacts"),
        )
        .environment(
            ProjectEnvironment::builder()
                .r#type(EnvironmentType::ArmContainer)
                .image("standard")
                .compute_type(ComputeType::BuildGeneral1Small)
                .build()
                .expect("an environment"),
        )
        .send()
        .await
        .expect("a project");
    let service = pact_aws::CodeBuild::new(client.clone(), Some("pact-build".to_owned()));
    let bench = Bench::over(&[], None, |_, _| Arc::new(service)).await;
    fault(run(&bench, &[("test.sh", PASSES)]).await, "handed no results over");
    let builds = client.list_builds_for_project().project_name("pact-build").send().await;
    assert!(!builds.expect("builds").ids().is_empty(), "moto was asked");
}
