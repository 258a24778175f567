//! What `Ref` and `Fn::GetAtt` give for each type of resource, with names and ARNs as AWS makes them.

use crate::{
    resolve::{Failed, Resolver, unknown},
    template::Resource,
};
use serde_json::Value;

/// The property that names a resource, by type.
fn name_property(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "AWS::Serverless::Function" | "AWS::Lambda::Function" => "FunctionName",
        "AWS::DynamoDB::Table" | "AWS::Serverless::SimpleTable" => "TableName",
        "AWS::StepFunctions::StateMachine" => "StateMachineName",
        "AWS::S3::Bucket" => "BucketName",
        "AWS::Logs::LogGroup" => "LogGroupName",
        "AWS::IAM::Role" => "RoleName",
        "AWS::SQS::Queue" => "QueueName",
        "AWS::SNS::Topic" => "TopicName",
        "AWS::CloudWatch::Alarm" => "AlarmName",
        "AWS::Serverless::StateMachine"
        | "AWS::CodeBuild::Project"
        | "AWS::Events::Rule"
        | "AWS::Events::EventBus"
        | "AWS::Scheduler::Schedule"
        | "AWS::Scheduler::ScheduleGroup"
        | "AWS::SecretsManager::Secret"
        | "AWS::SSM::Parameter" => "Name",
        _ => return None,
    })
}

/// What a resource is called once it exists.
struct Identity {
    reference: String,
    arn: Option<String>,
    /// Further attributes.
    attributes: Vec<(&'static str, String)>,
    /// Whether `attributes` and `arn` are all there is.
    complete: bool,
}

impl Resolver<'_> {
    /// The name given by the template, or the one made of stack and logical id.
    pub(crate) fn name_of(&mut self, resource: &Resource) -> Result<String, Failed> {
        let given = name_property(&resource.kind).and_then(|key| resource.properties.get(key));
        let Some(node) = given else {
            return Ok(self.default_name(&resource.kind, &resource.id));
        };
        if self.pending.contains(&resource.id) {
            let message = format!("the name of {} depends on itself", resource.id);
            return Err(self.fail(node.line, message));
        }
        self.pending.push(resource.id.clone());
        let resolved = self.resolve(node);
        self.pending.pop();
        match resolved?.map(|n| n.text()) {
            None => Ok(self.default_name(&resource.kind, &resource.id)),
            Some(Some(name)) if !name.is_empty() => Ok(name),
            Some(_) => Err(self.fail(node.line, "a name must be a text")),
        }
    }

    pub(crate) fn default_name(&self, kind: &str, id: &str) -> String {
        let name = format!("{}-{id}", self.context.stack_name);
        if kind == "AWS::S3::Bucket" { name.to_lowercase() } else { name }
    }

    pub(crate) fn arn(&self, service: &str, rest: &str) -> String {
        format!("arn:aws:{service}:{}:{}:{rest}", self.context.region, self.context.account)
    }

    fn identity(&mut self, resource: &Resource) -> Result<Identity, Failed> {
        let kind = resource.kind.as_str();
        let name = self.name_of(resource)?;
        let mut attributes = Vec::new();
        let mut complete = true;
        let (reference, arn) = match kind {
            "AWS::Serverless::Function" | "AWS::Lambda::Function" => {
                let arn = self.arn("lambda", &format!("function:{name}"));
                // Made by SAM for AutoPublishAlias.
                attributes.push(("Alias", format!("{arn}:live")));
                attributes.push(("Version", format!("{arn}:$LATEST")));
                (name, Some(arn))
            }
            "AWS::Serverless::StateMachine" | "AWS::StepFunctions::StateMachine" => {
                let arn = self.arn("states", &format!("stateMachine:{name}"));
                attributes.push(("Name", name));
                (arn.clone(), Some(arn))
            }
            "AWS::DynamoDB::Table" | "AWS::Serverless::SimpleTable" => {
                let arn = self.arn("dynamodb", &format!("table/{name}"));
                let stream = format!("{arn}/stream/2026-01-01T00:00:00.000");
                attributes.push(("StreamArn", stream));
                (name, Some(arn))
            }
            "AWS::S3::Bucket" => {
                attributes.push(("DomainName", format!("{name}.s3.amazonaws.com")));
                let regional = format!("{name}.s3.{}.amazonaws.com", self.context.region);
                attributes.push(("RegionalDomainName", regional));
                let arn = format!("arn:aws:s3:::{name}");
                (name, Some(arn))
            }
            "AWS::Serverless::HttpApi" | "AWS::Serverless::Api" | "AWS::ApiGatewayV2::Api" => {
                let id = resource.id.to_lowercase();
                let host = format!("{id}.execute-api.{}.amazonaws.com", self.context.region);
                attributes.push(("ApiEndpoint", format!("https://{host}")));
                attributes.push(("ApiId", id.clone()));
                (id, None)
            }
            "AWS::Logs::LogGroup" => {
                let arn = self.arn("logs", &format!("log-group:{name}:*"));
                (name, Some(arn))
            }
            "AWS::IAM::Role" => {
                attributes.push(("RoleId", format!("AROA{}", resource.id.to_uppercase())));
                let arn = format!("arn:aws:iam::{}:role/{name}", self.context.account);
                (name, Some(arn))
            }
            "AWS::SQS::Queue" => {
                let arn = self.arn("sqs", &name);
                let host = format!("sqs.{}.amazonaws.com", self.context.region);
                let url = format!("https://{host}/{}/{name}", self.context.account);
                attributes.push(("QueueName", name));
                attributes.push(("QueueUrl", url.clone()));
                (url, Some(arn))
            }
            "AWS::SNS::Topic" => {
                let arn = self.arn("sns", &name);
                attributes.push(("TopicName", name));
                attributes.push(("TopicArn", arn.clone()));
                (arn.clone(), Some(arn))
            }
            "AWS::Events::Rule" => {
                let arn = self.arn("events", &format!("rule/{name}"));
                (name, Some(arn))
            }
            "AWS::Events::EventBus" => {
                let arn = self.arn("events", &format!("event-bus/{name}"));
                attributes.push(("Name", name.clone()));
                (name, Some(arn))
            }
            "AWS::Scheduler::Schedule" => {
                let arn = self.arn("scheduler", &format!("schedule/default/{name}"));
                (name, Some(arn))
            }
            "AWS::CloudWatch::Alarm" => {
                let arn = self.arn("cloudwatch", &format!("alarm:{name}"));
                (name, Some(arn))
            }
            "AWS::CodeBuild::Project" => {
                let arn = self.arn("codebuild", &format!("project/{name}"));
                (name, Some(arn))
            }
            "AWS::SecretsManager::Secret" => {
                let arn = self.arn("secretsmanager", &format!("secret:{name}"));
                (arn.clone(), Some(arn))
            }
            other => {
                // A type this crate does not know: a stable stand-in, never a real address.
                complete = false;
                let service = other.split("::").nth(1).unwrap_or("local").to_lowercase();
                let arn = self.arn(&service, &name);
                (name, Some(arn))
            }
        };
        Ok(Identity { reference, arn, attributes, complete })
    }

    pub(crate) fn resource_reference(&mut self, name: &str, line: usize) -> Result<Value, Failed> {
        let template = self.template;
        if let Some(resource) = template.resource(name) {
            self.require_active(resource, line)?;
            return Ok(Value::String(self.identity(resource)?.reference));
        }
        // `Function.Alias` and `Function.Version` are resources that SAM makes.
        if let Some((id, attribute @ ("Alias" | "Version"))) = name.split_once('.')
            && template.resource(id).is_some()
        {
            return self.attribute(id, attribute, line);
        }
        match self.generated(name) {
            Some(Generated::Api) => Ok(Value::String(name.to_lowercase())),
            Some(_) => Ok(Value::String(self.default_name("", name))),
            None => Err(self.fail(line, unknown(name))),
        }
    }

    pub(crate) fn attribute(
        &mut self,
        id: &str,
        attribute: &str,
        line: usize,
    ) -> Result<Value, Failed> {
        let template = self.template;
        let Some(resource) = template.resource(id) else {
            let name = self.default_name("", id);
            let value = match (self.generated(id), attribute) {
                (Some(Generated::Role), "Arn") => {
                    format!("arn:aws:iam::{}:role/{name}", self.context.account)
                }
                (Some(Generated::Rule), "Arn") => self.arn("events", &format!("rule/{name}")),
                (Some(_), _) => {
                    return Err(self.fail(line, format!("{id} has no attribute {attribute}")));
                }
                (None, _) => return Err(self.fail(line, unknown(id))),
            };
            return Ok(Value::String(value));
        };
        self.require_active(resource, line)?;
        let identity = self.identity(resource)?;
        let found = match attribute {
            "Arn" => identity.arn.clone(),
            other => identity.attributes.iter().find(|(n, _)| *n == other).map(|(_, v)| v.clone()),
        };
        match found {
            Some(value) => Ok(Value::String(value)),
            None if identity.complete => {
                let message = format!("{} ({}) has no attribute {attribute}", id, resource.kind);
                Err(self.fail(line, message))
            }
            None => Ok(Value::String(format!("{}.{attribute}", identity.reference))),
        }
    }

    fn require_active(&mut self, resource: &Resource, line: usize) -> Result<(), Failed> {
        if self.active(resource)? {
            return Ok(());
        }
        let condition = resource.condition.as_deref().unwrap_or_default();
        let message = format!("{} does not exist: {condition} does not hold", resource.id);
        Err(self.fail(line, message))
    }

    /// Whether the resource exists under the given parameters.
    pub(crate) fn active(&mut self, resource: &Resource) -> Result<bool, Failed> {
        match &resource.condition {
            Some(name) => self.condition(name, resource.line),
            None => Ok(true),
        }
    }

    pub(crate) fn exists(&self, name: &str) -> bool {
        let id = name.split_once('.').map_or(name, |(id, _)| id);
        self.template.resource(id).is_some() || self.generated(name).is_some()
    }

    /// Resources that SAM adds by itself: roles, the implicit APIs, the rules of events.
    fn generated(&self, name: &str) -> Option<Generated> {
        if matches!(name, "ServerlessHttpApi" | "ServerlessRestApi") {
            return Some(Generated::Api);
        }
        self.template.resources.iter().find_map(|resource| {
            let suffix = name.strip_prefix(resource.id.as_str())?;
            let serverless = matches!(
                resource.kind.as_str(),
                "AWS::Serverless::Function" | "AWS::Serverless::StateMachine"
            );
            let event = resource.properties.get("Events").and_then(|events| events.get(suffix));
            match suffix {
                _ if !serverless => None,
                "Role" => Some(Generated::Role),
                _ => event.map(|_| Generated::Rule),
            }
        })
    }
}

enum Generated {
    Api,
    Role,
    Rule,
}
