//! From resolved resources to what a local stack runs.

use crate::{
    events, project,
    resolve::{Failed, Resolver},
    stack::{Function, Role, Stack, StateMachine, Table, Target, Watching},
    template::Resource,
    yaml::{Entry, Node},
};
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, ops::RangeInclusive};

/// Properties of a serverless function that AWS knows; another name is a slip of the pen.
const FUNCTION_PROPERTIES: &str = "Architectures AssumeRolePolicyDocument AutoPublishAlias \
    AutoPublishAliasAllProperties AutoPublishCodeSha256 CapacityProviderConfig CodeSigningConfigArn \
    CodeUri DeadLetterQueue DeploymentPreference Description DurableConfig Environment \
    EphemeralStorage EventInvokeConfig Events FileSystemConfigs FunctionName FunctionScalingConfig \
    FunctionUrlConfig Handler ImageConfig ImageUri InlineCode KmsKeyArn Layers LoggingConfig \
    MemorySize PackageType PermissionsBoundary Policies PropagateTags ProvisionedConcurrencyConfig \
    PublishToLatestPublished RecursiveLoop ReservedConcurrentExecutions Role RolePath Runtime \
    RuntimeManagementConfig SnapStart SourceKMSKeyArn Tags TenancyConfig Timeout Tracing \
    VersionDeletionPolicy VersionDescription VpcConfig";

const MACHINE_PROPERTIES: &str = "AutoPublishAlias DeadLetterQueue Definition \
    DefinitionSubstitutions DefinitionUri DeploymentPreference Events Logging Name \
    PermissionsBoundary Policies PropagateTags Role RolePath Tags Tracing Type UseAliasAsEventTarget";

/// Reads every resource and output. Faults are in the resolver afterwards.
pub(crate) fn stack(resolver: &mut Resolver<'_>) -> Stack {
    let mut stack = Stack::default();
    let template = resolver.template;
    for condition in &template.conditions {
        resolver.place = condition.key.clone();
        // The fault is recorded where it is met.
        resolver.condition(&condition.key, condition.line).ok();
    }
    for resource in &template.resources {
        resolver.place = resource.id.clone();
        resolver.check_references(&resource.whole);
        depends_on(resolver, resource);
        if matches!(resolver.active(resource), Ok(true)) {
            // Likewise.
            read(resolver, resource, &mut stack).ok();
        }
    }
    // Targets are found by ARN, so after all functions and state machines are known.
    for resource in &template.resources {
        resolver.place = resource.id.clone();
        if matches!(resolver.active(resource), Ok(true)) {
            events::rule_resource(resolver, resource, &mut stack).ok();
        }
    }
    for entry in &template.outputs {
        resolver.place = entry.key.clone();
        resolver.check_references(&entry.value);
        output(resolver, entry, &mut stack).ok();
    }
    stack
}

fn depends_on(resolver: &mut Resolver<'_>, resource: &Resource) {
    let Some(node) = resource.whole.get("DependsOn") else { return };
    let single = [node.clone()];
    for item in node.items().unwrap_or(&single) {
        let id = item.text().unwrap_or_default();
        if !resolver.exists(&id) {
            resolver.fail(item.line, format!("DependsOn names {id:?}, which does not exist"));
        }
    }
}

fn read(resolver: &mut Resolver<'_>, resource: &Resource, stack: &mut Stack) -> Result<(), Failed> {
    match resource.kind.as_str() {
        "AWS::Serverless::Function" => {
            known_properties(resolver, resource, FUNCTION_PROPERTIES);
            let function = function(resolver, resource);
            let target = Target::Function(resource.id.clone());
            let events = events::of(resolver, resource, &target, stack);
            stack.functions.push(function?);
            events
        }
        "AWS::Lambda::Function" => {
            let function = function(resolver, resource)?;
            stack.functions.push(function);
            Ok(())
        }
        "AWS::Serverless::StateMachine" => {
            known_properties(resolver, resource, MACHINE_PROPERTIES);
            let machine = machine(resolver, resource);
            let target = Target::StateMachine(resource.id.clone());
            let events = events::of(resolver, resource, &target, stack);
            stack.state_machines.push(machine?);
            events
        }
        "AWS::StepFunctions::StateMachine" => {
            let machine = machine(resolver, resource)?;
            stack.state_machines.push(machine);
            Ok(())
        }
        "AWS::DynamoDB::Table" => {
            let table = table(resolver, resource)?;
            stack.tables.push(table);
            Ok(())
        }
        "AWS::Serverless::SimpleTable" => {
            let table = simple_table(resolver, resource)?;
            stack.tables.push(table);
            Ok(())
        }
        "AWS::CodeBuild::Project" => {
            known_properties(resolver, resource, project::PROPERTIES);
            let project = project::project(resolver, resource)?;
            stack.projects.push(project);
            Ok(())
        }
        "AWS::IAM::Role" => {
            let role = role(resolver, resource)?;
            stack.roles.push(role);
            Ok(())
        }
        "AWS::CloudWatch::Alarm" | "AWS::CloudWatch::Dashboard" | "AWS::Events::Rule" => {
            let watching = watching(resolver, resource)?;
            stack.watching.push(watching);
            Ok(())
        }
        "AWS::Scheduler::Schedule" => Ok(()),
        other => {
            stack.ignored.push(format!("{}: {other}", resource.id));
            Ok(())
        }
    }
}

fn known_properties(resolver: &mut Resolver<'_>, resource: &Resource, known: &str) {
    for Entry { key, line, .. } in resource.properties.entries() {
        if !known.split_whitespace().any(|name| name == key) {
            resolver.fail(*line, format!("{} has no property {key}", resource.kind));
        }
    }
}

impl Resolver<'_> {
    /// A property, resolved.
    pub(crate) fn property(&mut self, node: &Node, key: &str) -> Result<Option<Node>, Failed> {
        match node.get(key) {
            Some(value) => Ok(self.resolve(value)?.filter(|n| !n.is_null())),
            None => Ok(None),
        }
    }

    /// A property that must be text where it is given.
    pub(crate) fn text_property(
        &mut self,
        node: &Node,
        key: &str,
    ) -> Result<Option<String>, Failed> {
        match self.property(node, key)? {
            Some(value) => match value.text() {
                Some(text) => Ok(Some(text)),
                None => Err(self.fail(value.line, format!("{key} must be a text"))),
            },
            None => Ok(None),
        }
    }

    pub(crate) fn number_property(
        &mut self,
        node: &Node,
        key: &str,
        range: RangeInclusive<u32>,
    ) -> Result<Option<u32>, Failed> {
        let Some(value) = self.property(node, key)? else { return Ok(None) };
        let number = value.text().and_then(|t| t.parse::<u32>().ok());
        match number.filter(|n| range.contains(n)) {
            Some(number) => Ok(Some(number)),
            None => {
                let (low, high) = (range.start(), range.end());
                let message = format!("{key} must be a whole number from {low} to {high}");
                Err(self.fail(value.line, message))
            }
        }
    }

    /// A mapping from names to texts.
    pub(crate) fn texts_property(
        &mut self,
        node: &Node,
        key: &str,
    ) -> Result<BTreeMap<String, String>, Failed> {
        let Some(value) = self.property(node, key)? else { return Ok(BTreeMap::new()) };
        if !value.is_map() {
            return Err(self.fail(value.line, format!("{key} must be a mapping")));
        }
        let mut texts = BTreeMap::new();
        let mut failed = None;
        for entry in value.entries() {
            match entry.value.text() {
                Some(text) => {
                    texts.insert(entry.key.clone(), text);
                }
                None => {
                    let message = format!("{key}.{} must be a text", entry.key);
                    failed = Some(self.fail(entry.line, message));
                }
            }
        }
        failed.map_or(Ok(texts), Err)
    }
}

/// A number in a mapping that is a property.
fn nested_number(
    resolver: &mut Resolver<'_>,
    properties: &Node,
    key: &str,
    inner: &str,
    range: RangeInclusive<u32>,
) -> Result<Option<u32>, Failed> {
    match resolver.property(properties, key)? {
        Some(node) => resolver.number_property(&node, inner, range),
        None => Ok(None),
    }
}

fn function(resolver: &mut Resolver<'_>, resource: &Resource) -> Result<Function, Failed> {
    let properties = &resource.properties;
    let name = resolver.name_of(resource);
    let code = match properties.get("CodeUri").or_else(|| properties.get("Code")) {
        // Code in a bucket is nothing a local stack can start.
        Some(node) => resolver.resolve(node).map(|n| n.and_then(|n| n.text()).unwrap_or_default()),
        None => Ok(String::new()),
    };
    let handler = resolver.text_property(properties, "Handler");
    let timeout = resolver.number_property(properties, "Timeout", 1..=900);
    let memory = resolver.number_property(properties, "MemorySize", 128..=10_240);
    let reserved = resolver.number_property(properties, "ReservedConcurrentExecutions", 0..=1000);
    let environment = match properties.get("Environment") {
        Some(node) => match resolver.resolve(node) {
            Ok(Some(node)) => resolver.texts_property(&node, "Variables"),
            Ok(None) => Ok(BTreeMap::new()),
            Err(fault) => Err(fault),
        },
        None => Ok(BTreeMap::new()),
    };
    let role = resolver.text_property(properties, "Role");
    let description = resolver.text_property(properties, "Description");
    let ephemeral = nested_number(resolver, properties, "EphemeralStorage", "Size", 512..=10_240);
    let on_event = "EventInvokeConfig";
    let retries = nested_number(resolver, properties, on_event, "MaximumRetryAttempts", 0..=2);
    let age =
        nested_number(resolver, properties, on_event, "MaximumEventAgeInSeconds", 60..=21_600);
    let metadata = match &resource.metadata {
        Some(node) => resolver.resolve(node).map(|n| n.map_or(Value::Null, |n| n.json())),
        None => Ok(Value::Null),
    };
    let name = name?;
    Ok(Function {
        logical_id: resource.id.clone(),
        arn: resolver.arn("lambda", &format!("function:{name}")),
        name,
        code_uri: code?,
        description: description?.unwrap_or_default(),
        handler: handler?.unwrap_or_else(|| "bootstrap".to_owned()),
        timeout_seconds: timeout?.unwrap_or(3),
        memory_mb: memory?.unwrap_or(128),
        ephemeral_mb: ephemeral?.unwrap_or(512),
        reserved_concurrency: reserved?,
        event_retries: retries?.unwrap_or(2),
        event_age_seconds: age?.unwrap_or(21_600),
        environment: environment?,
        role: role?,
        metadata: metadata?,
    })
}

fn machine(resolver: &mut Resolver<'_>, resource: &Resource) -> Result<StateMachine, Failed> {
    let properties = &resource.properties;
    let name = resolver.name_of(resource);
    let uri = match resolver.property(properties, "DefinitionUri") {
        Ok(Some(node)) => match node.text() {
            Some(text) => Ok(text),
            None => Err(resolver.fail(node.line, "DefinitionUri must be a local path")),
        },
        Ok(None) => Ok(String::new()),
        Err(fault) => Err(fault),
    };
    let substitutions = resolver.texts_property(properties, "DefinitionSubstitutions");
    let definition = definition(resolver, properties);
    let type_key =
        if resource.kind.starts_with("AWS::Serverless") { "Type" } else { "StateMachineType" };
    let kind = resolver.text_property(properties, type_key);
    let role_key = if type_key == "Type" { "Role" } else { "RoleArn" };
    let role = resolver.text_property(properties, role_key);
    let (name, uri, definition) = (name?, uri?, definition?);
    if uri.is_empty() == definition.is_none() {
        let message = "a state machine needs either a DefinitionUri or an inline definition";
        return Err(resolver.fail(resource.line, message));
    }
    let kind = kind?.unwrap_or_else(|| "STANDARD".to_owned());
    if !matches!(kind.as_str(), "STANDARD" | "EXPRESS") {
        return Err(resolver.fail(resource.line, format!("{type_key} is STANDARD or EXPRESS")));
    }
    Ok(StateMachine {
        logical_id: resource.id.clone(),
        arn: resolver.arn("states", &format!("stateMachine:{name}")),
        name,
        definition_uri: uri,
        definition,
        substitutions: substitutions?,
        kind,
        role: role?,
    })
}

fn role(resolver: &mut Resolver<'_>, resource: &Resource) -> Result<Role, Failed> {
    let properties = &resource.properties;
    let name = resolver.name_of(resource);
    let policies = resolver.property(properties, "Policies");
    let managed = resolver.property(properties, "ManagedPolicyArns");
    let (name, policies, managed) = (name?, policies?, managed?);
    let mut statements = Vec::new();
    for policy in policies.as_ref().and_then(Node::items).unwrap_or_default() {
        let found = policy.get("PolicyDocument").and_then(|d| d.get("Statement"));
        match found.map(Node::json) {
            Some(Value::Array(several)) => statements.extend(several),
            Some(one @ Value::Object(_)) => statements.push(one),
            _ => return Err(resolver.fail(policy.line, "the policy has no Statement")),
        }
    }
    let managed = managed.as_ref().and_then(Node::items).unwrap_or_default();
    Ok(Role {
        logical_id: resource.id.clone(),
        arn: format!("arn:aws:iam::{}:role/{name}", resolver.context.account),
        statements,
        managed: managed.iter().filter_map(Node::text).collect(),
    })
}

fn watching(resolver: &mut Resolver<'_>, resource: &Resource) -> Result<Watching, Failed> {
    let name = resolver.name_of(resource)?;
    let arn = (resource.kind == "AWS::CloudWatch::Alarm")
        .then(|| resolver.arn("cloudwatch", &format!("alarm:{name}")));
    let properties = resolver.resolve(&resource.properties)?.map_or(Value::Null, |n| n.json());
    let (logical_id, kind) = (resource.id.clone(), resource.kind.clone());
    Ok(Watching { logical_id, kind, arn, properties })
}

fn definition(resolver: &mut Resolver<'_>, properties: &Node) -> Result<Option<Value>, Failed> {
    if let Some(node) = resolver.property(properties, "Definition")? {
        return Ok(Some(node.json()));
    }
    let Some(node) = resolver.property(properties, "DefinitionString")? else { return Ok(None) };
    match node.text().and_then(|text| serde_json::from_str(&text).ok()) {
        Some(value) => Ok(Some(value)),
        None => Err(resolver.fail(node.line, "DefinitionString is not JSON")),
    }
}

/// What `CreateTable` takes; the rest of a table's properties belong to other requests.
const TABLE_REQUEST: [&str; 10] = [
    "KeySchema",
    "AttributeDefinitions",
    "GlobalSecondaryIndexes",
    "LocalSecondaryIndexes",
    "BillingMode",
    "ProvisionedThroughput",
    "StreamSpecification",
    "TableClass",
    "DeletionProtectionEnabled",
    "OnDemandThroughput",
];

fn table(resolver: &mut Resolver<'_>, resource: &Resource) -> Result<Table, Failed> {
    let properties = &resource.properties;
    let name = resolver.name_of(resource);
    let mut request = Map::new();
    let mut failed = None;
    for key in TABLE_REQUEST {
        match resolver.property(properties, key) {
            Ok(Some(node)) => {
                request.insert(key.to_owned(), whole_numbers(node.json()));
            }
            Ok(None) => {}
            Err(fault) => failed = Some(fault),
        }
    }
    for key in ["KeySchema", "AttributeDefinitions"] {
        if properties.get(key).is_none() {
            failed = Some(resolver.fail(resource.line, format!("the table has no {key}")));
        }
    }
    if let Some(Value::Object(stream)) = request.get_mut("StreamSpecification") {
        stream.insert("StreamEnabled".to_owned(), Value::Bool(true));
    }
    let ttl = match resolver.property(properties, "TimeToLiveSpecification") {
        Ok(node) => ttl(resolver, node),
        Err(fault) => Err(fault),
    };
    if let Some(fault) = failed {
        return Err(fault);
    }
    finish_table(resolver, resource, name?, request, ttl?)
}

fn ttl(resolver: &mut Resolver<'_>, node: Option<Node>) -> Result<Option<String>, Failed> {
    let Some(node) = node else { return Ok(None) };
    let enabled = node.get("Enabled").and_then(Node::text).as_deref() == Some("true");
    match node.get("AttributeName").and_then(Node::text) {
        Some(name) => Ok(enabled.then_some(name)),
        None if !enabled => Ok(None),
        None => Err(resolver.fail(node.line, "TimeToLiveSpecification has no AttributeName")),
    }
}

fn simple_table(resolver: &mut Resolver<'_>, resource: &Resource) -> Result<Table, Failed> {
    let name = resolver.name_of(resource)?;
    let key = resolver.property(&resource.properties, "PrimaryKey")?;
    let part = |name: &str| key.as_ref().and_then(|k| k.get(name)).and_then(Node::text);
    let attribute = part("Name").unwrap_or_else(|| "id".to_owned());
    let kind = match part("Type").as_deref() {
        None | Some("String") => "S",
        Some("Number") => "N",
        Some("Binary") => "B",
        Some(_) => {
            return Err(resolver.fail(resource.line, "PrimaryKey.Type is String, Number or Binary"));
        }
    };
    let request = Map::from_iter([
        ("KeySchema".to_owned(), json!([{"AttributeName": attribute, "KeyType": "HASH"}])),
        (
            "AttributeDefinitions".to_owned(),
            json!([{"AttributeName": attribute, "AttributeType": kind}]),
        ),
        ("BillingMode".to_owned(), json!("PAY_PER_REQUEST")),
    ]);
    finish_table(resolver, resource, name, request, None)
}

fn finish_table(
    resolver: &Resolver<'_>,
    resource: &Resource,
    name: String,
    mut request: Map<String, Value>,
    ttl_attribute: Option<String>,
) -> Result<Table, Failed> {
    request.insert("TableName".to_owned(), Value::String(name.clone()));
    Ok(Table {
        logical_id: resource.id.clone(),
        arn: resolver.arn("dynamodb", &format!("table/{name}")),
        name,
        create: Value::Object(request),
        ttl_attribute,
    })
}

/// Capacity units may be written as text in a template; the API takes numbers.
fn whole_numbers(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(whole_numbers).collect()),
        Value::Object(map) => Value::Object(
            map.into_iter()
                .map(|(key, value)| {
                    let units = key.ends_with("CapacityUnits") || key.ends_with("RequestUnits");
                    let number = value.as_str().and_then(|t| t.parse::<u64>().ok());
                    match number.filter(|_| units) {
                        Some(number) => (key, Value::from(number)),
                        None => (key, whole_numbers(value)),
                    }
                })
                .collect(),
        ),
        other => other,
    }
}

fn output(resolver: &mut Resolver<'_>, entry: &Entry, stack: &mut Stack) -> Result<(), Failed> {
    if let Some(condition) = entry.value.get("Condition").and_then(Node::text)
        && !resolver.condition(&condition, entry.line)?
    {
        return Ok(());
    }
    match resolver.text_property(&entry.value, "Value")? {
        Some(text) => {
            stack.outputs.insert(entry.key.clone(), text);
            Ok(())
        }
        None => Err(resolver.fail(entry.line, "the output has no Value")),
    }
}
