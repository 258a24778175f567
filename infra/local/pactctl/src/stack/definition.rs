//! The system's description, built into the program: the very files that are deployed to AWS.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Duration,
};

use local_lambda_host::FunctionSpec;
use pact_agent::secrets::{LOG_KEY, SOURCE_TOKEN};
use pact_agent::toolchain::{PROXY, TOOLCHAIN};
use pact_hosts::GITHUB_APP_KEY;

use crate::{
    client::{ACCOUNT, REGION},
    credentials::{Credentials, Pair},
    data::{DataFolder, Secrets},
    failure::{Context, Failure},
    stack::{Options, packages::Packages, proxy},
};

const TEMPLATE: &str = include_str!("../../../../template.yaml");
const TEMPLATE_PATH: &str = "infra/template.yaml";
const MACHINES: &[(&str, &str)] = &[
    ("pipeline.asl.json", include_str!("../../../../../state-machines/pipeline.asl.json")),
    ("monitor.asl.json", include_str!("../../../../../state-machines/monitor.asl.json")),
];

/// Parameters of the template that the user's environment may set.
const FROM_ENVIRONMENT: &[(&str, &str)] = &[
    ("Advisories", "PACT_ADVISORIES"),
    ("OsvUrl", "PACT_OSV_URL"),
    ("SmtpFrom", "PACT_SMTP_FROM"),
    ("JiraUrl", "PACT_JIRA_URL"),
    ("JiraUser", "PACT_JIRA_USER"),
    ("GitHubApp", "PACT_GITHUB_APP"),
    ("GitHubAppApi", "PACT_GITHUB_APP_API"),
    ("WatchSchedule", "PACT_WATCH_SCHEDULE"),
    ("ReconcileSchedule", "PACT_RECONCILE_SCHEDULE"),
    ("RunsAtOnce", "PACT_RUNS_AT_ONCE"),
    ("RunsPerRepository", "PACT_RUNS_PER_REPOSITORY"),
];

/// Name of the local stack; its secrets are below it.
pub(super) const STACK: &str = "pact";

/// Names of the variables that functions inherit from this process: what the programs that they run
/// may need of this machine, a proxy, and what is said of a fault.
pub(crate) fn inherited() -> Vec<String> {
    let of_faults = ["RUST_LOG", "RUST_BACKTRACE"];
    let names = TOOLCHAIN.iter().chain(PROXY).chain(&of_faults);
    names.map(|name| (*name).to_owned()).collect()
}

/// The function that has what is deployed to a folder of this machine started, and the variables by
/// which it knows where that finds programs, and how the reverse proxy is reached that starts it.
const SERVES: &str = "DeployAgentFunction";
const SERVICE_PATH: &str = "PACT_SERVICE_PATH";
const SERVICE_PROXY: &str = "PACT_SERVICE_PROXY";

/// The function that watches it, and the variable by which it knows how that proxy is asked what clients
/// got: it may do nothing else there.
const WATCHES: &str = "MonitorAgentFunction";
const SERVICE_TRAFFIC: &str = "PACT_SERVICE_TRAFFIC";

/// What functions find programs in: a shell and nothing else, as on AWS. Tools are where builds are.
fn path_of_functions(data: &DataFolder) -> Result<String, Failure> {
    let folder = data.join("function-path");
    std::fs::create_dir_all(&folder).doing("make the folder of the functions' programs")?;
    match std::os::unix::fs::symlink("/bin/sh", folder.join("sh")) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(error).doing("give the functions a shell")
        }
        _ => Ok(folder.display().to_string()),
    }
}

/// What the local Parameter Store has, by whole name.
pub(crate) fn parameters(secrets: &Secrets) -> BTreeMap<String, String> {
    let own = [
        ("webhook-secret", &secrets.webhook),
        ("api-token", &secrets.api_token),
        (LOG_KEY.name, &secrets.log_key),
    ]
    .map(|(name, value)| (name, value.clone()));
    let known = pact_gateway::parameters()
        .chain(pact_notify_agent::channels::parameters())
        .chain([&SOURCE_TOKEN, &GITHUB_APP_KEY]);
    let given = known.filter_map(|p| Some((p.name, std::env::var(p.variable?).ok()?)));
    own.into_iter()
        .chain(given)
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (format!("/{STACK}/{name}"), value))
        .collect()
}

/// The template, resolved for this machine.
pub(crate) struct Definition {
    /// Functions, tables, machines, routes, schedules and rules.
    pub stack: local_template::Stack,
}

impl Definition {
    /// Reads the template with the parameters of a local stack.
    pub(crate) fn load(data: &DataFolder, options: &Options) -> Result<Self, Failure> {
        let folder = |name: &str| data.join(name).to_string_lossy().into_owned();
        let releases = format!(
            "arn:aws:elasticfilesystem:{REGION}:{ACCOUNT}:access-point/fsap-00000000000000000"
        );
        let mut parameters = BTreeMap::from([
            ("AllowedSources".to_owned(), "https://,http://,file://,private".to_owned()),
            ("DeployRoot".to_owned(), folder("deployments")),
            // As many as one machine carries.
            ("RunsAtOnce".to_owned(), "8".to_owned()),
            ("RunsPerRepository".to_owned(), "6".to_owned()),
            // The folder is what the access point of a file system is on AWS.
            ("ReleasesAccessPoint".to_owned(), releases),
        ]);
        for (parameter, variable) in FROM_ENVIRONMENT {
            if let Some(value) = std::env::var(variable).ok().filter(|v| !v.is_empty()) {
                parameters.insert((*parameter).to_owned(), value);
            }
        }
        parameters.extend(options.parameters().map(|(name, value)| (name.to_owned(), value)));
        // A function is started in a folder of its own, where a relative path leads elsewhere.
        if let Some(folder) = parameters.get_mut("Advisories") {
            let absolute = std::path::absolute(&*folder).doing("find the folder of advisories")?;
            *folder = absolute.to_string_lossy().into_owned();
        }
        let stack = load(parameters).map_err(|errors| Failure::internal(errors.join("\n")))?;
        Ok(Self { stack })
    }

    /// One child process for each instance of a function: this program again, or that of the
    /// function's package.
    pub(crate) fn functions(
        &self,
        data: &DataFolder,
        aws: &str,
        credentials: &Credentials,
        packages: Option<&Packages>,
    ) -> Result<Vec<FunctionSpec>, Failure> {
        let program = std::env::current_exe().doing("find this program")?;
        let logs = data.join("logs");
        std::fs::create_dir_all(&logs).doing("make the folder for logs")?;
        let path = path_of_functions(data)?;
        let tools = std::env::var("PATH").unwrap_or_default();
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        let (proxy, traffic) =
            (text(proxy::announcement(&data.root)), text(proxy::observer(&data.root)));
        let functions = self.stack.functions.iter().map(|function| {
            let package = packages.and_then(|p| p.program(&function.logical_id));
            let (program, args) = match package {
                Some(package) => (package.to_owned(), Vec::new()),
                None => (program.clone(), vec!["function".to_owned(), function.logical_id.clone()]),
            };
            let env = function.environment.iter();
            let Pair { id, secret } = credentials.pair(&function.logical_id);
            let service_env = [
                ("AWS_ENDPOINT_URL", aws),
                ("AWS_ALLOW_HTTP", "true"),
                ("AWS_ACCESS_KEY_ID", &id),
                ("AWS_SECRET_ACCESS_KEY", &secret),
                ("AWS_EC2_METADATA_DISABLED", "true"),
            ];
            let serves = match function.logical_id.as_str() {
                SERVES => vec![(SERVICE_PATH, &*tools), (SERVICE_PROXY, &*proxy)],
                WATCHES => vec![(SERVICE_TRAFFIC, &*traffic)],
                _ => Vec::new(),
            };
            let service_env = service_env.into_iter().chain([("PATH", &*path)]).chain(serves);
            FunctionSpec {
                description: function.description.clone(),
                role: function.role.clone(),
                args,
                handler: function.handler.clone(),
                env: env.map(|(name, value)| (name.clone(), value.clone())).collect(),
                service_env: service_env.map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
                timeout: Duration::from_secs(function.timeout_seconds.into()),
                memory_mb: function.memory_mb,
                ephemeral_mb: function.ephemeral_mb,
                max_concurrency: function.reserved_concurrency,
                retries: function.event_retries,
                max_event_age: Duration::from_secs(function.event_age_seconds.into()),
                log: Some(logs.join(format!("{}.log", function.logical_id))),
                ..FunctionSpec::new(&function.name, &function.arn, program)
            }
        });
        Ok(functions.collect())
    }

    /// Every state machine's name with its definition, substitutions made.
    pub(crate) fn state_machines(&self) -> Result<Vec<(String, String)>, Failure> {
        self.stack
            .state_machines
            .iter()
            .map(|machine| {
                let text = machine_text(&machine.definition_uri)?;
                Ok((machine.name.clone(), substituted(text, &machine.substitutions)))
            })
            .collect()
    }

    /// Names of the buckets that functions are told of.
    pub(crate) fn buckets(&self) -> Vec<String> {
        let values = self.stack.functions.iter().flat_map(|function| function.environment.values());
        let names = values.filter_map(|value| value.strip_prefix("s3://"));
        let names = names.filter_map(|rest| rest.split('/').next()).map(str::to_owned);
        names.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Logical ids of the functions.
    pub(crate) fn function_ids(&self) -> BTreeSet<String> {
        self.stack.functions.iter().map(|function| function.logical_id.clone()).collect()
    }

    /// Name of the run table.
    pub(crate) fn run_table(&self) -> Result<String, Failure> {
        let table = self.stack.tables.iter().find(|t| t.logical_id == "RunTable");
        table
            .map(|t| t.name.clone())
            .ok_or_else(|| Failure::internal(format!("{TEMPLATE_PATH} has no RunTable")))
    }

    /// ARN of the pipeline.
    pub(crate) fn pipeline_arn(&self) -> Result<String, Failure> {
        let machine =
            self.stack.state_machines.iter().find(|m| m.logical_id == "PipelineStateMachine");
        machine
            .map(|m| m.arn.clone())
            .ok_or_else(|| Failure::internal(format!("{TEMPLATE_PATH} has no pipeline")))
    }
}

fn load(parameters: BTreeMap<String, String>) -> Result<local_template::Stack, Vec<String>> {
    let context = local_template::Context {
        parameters,
        region: REGION.to_owned(),
        account: ACCOUNT.to_owned(),
        stack_name: STACK.to_owned(),
    };
    local_template::load(TEMPLATE, Path::new(TEMPLATE_PATH), &context)
        .map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

/// What is wrong with the template, if anything.
pub(crate) fn template_errors() -> Vec<String> {
    load(BTreeMap::new()).err().unwrap_or_default()
}

/// File name and text of every state machine, with substitutions made as far as validation
/// needs them.
pub(crate) fn machines() -> Result<Vec<(&'static str, String)>, Failure> {
    let stack = load(BTreeMap::new()).map_err(|e| Failure::internal(e.join("\n")))?;
    MACHINES
        .iter()
        .map(|(name, text)| {
            let machine = stack.state_machines.iter().find(|m| m.definition_uri.ends_with(name));
            let substitutions = machine.map(|m| m.substitutions.clone()).unwrap_or_default();
            Ok((*name, substituted(text, &substitutions)))
        })
        .collect()
}

fn machine_text(uri: &str) -> Result<&'static str, Failure> {
    MACHINES
        .iter()
        .find(|(name, _)| uri.ends_with(name))
        .map(|(_, text)| *text)
        .ok_or_else(|| Failure::internal(format!("this program has no state machine {uri}")))
}

/// `${Name}` becomes its value, as `DefinitionSubstitutions` does.
fn substituted(text: &str, substitutions: &BTreeMap<String, String>) -> String {
    substitutions
        .iter()
        .fold(text.to_owned(), |text, (name, value)| text.replace(&format!("${{{name}}}"), value))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use pact_agent::secrets::Parameter;

    use super::*;

    #[test]
    fn the_template_and_the_machines_are_valid() {
        assert_eq!(template_errors(), Vec::<String>::new());
        for (name, text) in machines().expect("machines") {
            if let Err(diagnostics) = local_step_functions::validate(&text) {
                panic!("{name}: {diagnostics:#?}");
            }
            assert!(
                !text.contains("${"),
                "{name} has a substitution that the template does not make"
            );
        }
    }

    /// Secrets that the statements of a role let it read.
    fn readable(role: &local_template::Role) -> BTreeSet<&str> {
        let read = |s: &&serde_json::Value| s["Action"] == "ssm:GetParameters";
        let resources = role.statements.iter().filter(read).map(|s| &s["Resource"]);
        let texts = resources.flat_map(|resource| match resource.as_array() {
            Some(several) => several.iter().collect(),
            None => vec![resource],
        });
        texts.filter_map(|text| text.as_str()?.rsplit_once('/').map(|(_, name)| name)).collect()
    }

    #[test]
    fn a_function_may_read_the_secrets_that_it_knows_and_no_others() {
        let stack = load(BTreeMap::new()).expect("the template");
        // Statuses are sent, and workflows begun, of every repository that is registered so.
        let statuses = Parameter { name: "status-token", about: "", variable: None };
        // `webhook-secret` is the name of a repository's own too.
        let known = [
            ("GatewayRole", pact_gateway::parameters().collect::<Vec<_>>()),
            ("NotifyAgentRole", pact_notify_agent::channels::parameters().collect()),
            ("CodeAgentRole", vec![&SOURCE_TOKEN, &GITHUB_APP_KEY]),
            ("ReconcilerRole", vec![&statuses, &SOURCE_TOKEN, &GITHUB_APP_KEY]),
            ("TestAgentRole", vec![&statuses, &GITHUB_APP_KEY]),
        ];
        let records = ["SecurityAgent", "QualityAgent", "DeployAgent", "MonitorAgent"]
            .into_iter()
            .map(|name| (format!("{name}Role"), Vec::new()));
        let known = known.map(|(role, known)| (role.to_owned(), known)).into_iter().chain(records);
        let token = pact_gateway::parameters().filter(|parameter| parameter.name == "api-token");
        let pages = ("DashboardRole".to_owned(), token.collect());
        for (role, mut known) in known.chain([pages]) {
            if role != "DashboardRole" {
                known.push(&LOG_KEY);
            }
            let found = stack.roles.iter().find(|r| r.logical_id == role).expect("a role");
            let names: BTreeSet<_> = known.iter().map(|parameter| parameter.name).collect();
            assert_eq!(readable(found), names, "{role}");
            for parameter in known.into_iter().filter(|known| !known.about.is_empty()) {
                let line = format!("#   {:<17}  {}", parameter.name, parameter.about);
                assert!(TEMPLATE.contains(&line), "the template's head lacks {line:?}");
            }
        }
        let function = |name: &str| stack.functions.iter().find(|f| f.logical_id == name);
        let notify = function("NotifyAgentFunction").expect("the notify agent");
        for variable in pact_notify_agent::channels::variables() {
            assert!(notify.environment.contains_key(variable.name), "{}", variable.name);
        }
    }
}
