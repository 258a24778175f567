//! What a template says once it is resolved.

use serde_json::Value;
use std::collections::BTreeMap;

/// What a template is resolved against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// Values for the template's parameters, over their defaults.
    pub parameters: BTreeMap<String, String>,
    /// `AWS::Region`.
    pub region: String,
    /// `AWS::AccountId`.
    pub account: String,
    /// `AWS::StackName`.
    pub stack_name: String,
}

/// Everything of a template that a local stack runs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stack {
    /// Lambda functions.
    pub functions: Vec<Function>,
    /// DynamoDB tables.
    pub tables: Vec<Table>,
    /// Step Functions state machines.
    pub state_machines: Vec<StateMachine>,
    /// CodeBuild's projects.
    pub projects: Vec<BuildProject>,
    /// Routes of the HTTP API.
    pub routes: Vec<Route>,
    /// What is due at certain times.
    pub schedules: Vec<Schedule>,
    /// What follows an event.
    pub rules: Vec<EventRule>,
    /// What functions, state machines and schedules may do on AWS. Nothing here enforces it.
    pub roles: Vec<Role>,
    /// Alarms, what they start, and dashboards. Nothing here raises an alarm.
    pub watching: Vec<Watching>,
    /// The outputs, as text.
    pub outputs: BTreeMap<String, String>,
    /// Valid parts of the template that mean nothing to a local stack, one line each.
    pub ignored: Vec<String>,
}

/// A Lambda function, with the template's globals merged in.
#[derive(Debug, Clone, PartialEq)]
pub struct Function {
    /// The key in `Resources`.
    pub logical_id: String,
    /// The function's name.
    pub name: String,
    /// The function's ARN.
    pub arn: String,
    /// `CodeUri` as written; empty when the code is not a local path.
    pub code_uri: String,
    /// What it is for; empty when the template does not say.
    pub description: String,
    /// The handler; `bootstrap` when there is none.
    pub handler: String,
    /// The time limit of an invocation.
    pub timeout_seconds: u32,
    /// The memory size.
    pub memory_mb: u32,
    /// The size of `/tmp`.
    pub ephemeral_mb: u32,
    /// The concurrency reserved for, and the limit of, this function.
    pub reserved_concurrency: Option<u32>,
    /// How often an asynchronous invocation is tried again after an error.
    pub event_retries: u32,
    /// How long an asynchronous invocation is tried.
    pub event_age_seconds: u32,
    /// The environment, every value as text.
    pub environment: BTreeMap<String, String>,
    /// The ARN of the function's role, where the template names one.
    pub role: Option<String>,
    /// The resource's `Metadata` (how it is built), null when there is none.
    pub metadata: Value,
}

/// A DynamoDB table.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// The key in `Resources`.
    pub logical_id: String,
    /// The table's name.
    pub name: String,
    /// The table's ARN.
    pub arn: String,
    /// The `CreateTable` request.
    pub create: Value,
    /// The attribute that holds the time to live, where that is enabled.
    pub ttl_attribute: Option<String>,
}

/// A state machine.
#[derive(Debug, Clone, PartialEq)]
pub struct StateMachine {
    /// The key in `Resources`.
    pub logical_id: String,
    /// The state machine's name.
    pub name: String,
    /// The state machine's ARN.
    pub arn: String,
    /// `DefinitionUri` as written; empty when the definition is inline.
    pub definition_uri: String,
    /// The inline definition.
    pub definition: Option<Value>,
    /// Values for `${Name}` in the definition.
    pub substitutions: BTreeMap<String, String>,
    /// `STANDARD` or `EXPRESS`.
    pub kind: String,
    /// The ARN of the state machine's role, where the template names one.
    pub role: Option<String>,
}

/// A CodeBuild project. What it builds from, and what becomes of it, are the builds' own affair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildProject {
    /// The key in `Resources`.
    pub logical_id: String,
    /// The project's name.
    pub name: String,
    /// The project's ARN.
    pub arn: String,
    /// The image of its environment.
    pub image: String,
    /// The size of its environment.
    pub compute_type: String,
    /// The buildspec of builds that bring none.
    pub buildspec: Option<String>,
    /// Environment variables of every build.
    pub environment: BTreeMap<String, String>,
    /// The time limit of a build, in minutes.
    pub timeout_minutes: u32,
    /// The time limit of waiting in the queue, in minutes.
    pub queued_timeout_minutes: u32,
    /// How many builds may run at once.
    pub concurrent_builds: Option<u32>,
    /// The log group that builds write to, where the template names one.
    pub log_group: Option<String>,
    /// The ARN of the project's role, where the template names one.
    pub role: Option<String>,
}

/// An IAM role.
#[derive(Debug, Clone, PartialEq)]
pub struct Role {
    /// The key in `Resources`.
    pub logical_id: String,
    /// The role's ARN.
    pub arn: String,
    /// The statements of all its inline policies.
    pub statements: Vec<Value>,
    /// The ARNs of the managed policies it has besides.
    pub managed: Vec<String>,
}

/// A resource that watches the system on AWS.
#[derive(Debug, Clone, PartialEq)]
pub struct Watching {
    /// The key in `Resources`.
    pub logical_id: String,
    /// Such as `AWS::CloudWatch::Alarm`.
    pub kind: String,
    /// Its ARN, where it has one.
    pub arn: Option<String>,
    /// Its properties.
    pub properties: Value,
}

/// A route of the HTTP API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// In upper case; `ANY` for every method.
    pub method: String,
    /// Such as `/v1/runs/{id}`, `/{proxy+}` or `$default`.
    pub path: String,
    /// The logical id of the function.
    pub function: String,
}

/// What a schedule or a rule starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The function with this logical id.
    Function(String),
    /// The state machine with this logical id.
    StateMachine(String),
}

impl Target {
    /// The logical id.
    pub fn logical_id(&self) -> &str {
        match self {
            Target::Function(id) | Target::StateMachine(id) => id,
        }
    }
}

/// Something that is due at certain times.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// The schedule's name.
    pub name: String,
    /// `rate(…)`, `cron(…)` or `at(…)`; it parses as an [`Expression`](crate::Expression).
    pub expression: String,
    /// What is started.
    pub target: Target,
    /// What it is started with; AWS sends a scheduled event when there is none.
    pub input: Option<Value>,
    /// Whether it is on.
    pub enabled: bool,
}

/// Something that follows an event.
#[derive(Debug, Clone, PartialEq)]
pub struct EventRule {
    /// The rule's name.
    pub name: String,
    /// The pattern; see [`matches`](crate::matches).
    pub pattern: Value,
    /// What is started.
    pub target: Target,
    /// What it is started with, instead of the event.
    pub input: Option<Value>,
    /// Which part of the event it is started with, as a JSON path.
    pub input_path: Option<String>,
    /// The event bus; the default one when there is none.
    pub bus: Option<String>,
    /// Whether it is on.
    pub enabled: bool,
}
