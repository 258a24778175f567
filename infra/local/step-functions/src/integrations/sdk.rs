//! The services and actions of `aws-sdk` integrations.

use std::sync::LazyLock;

/// A line a service; `catalogue/generate.py` writes it.
static TEXT: &str = include_str!("../../catalogue/actions.txt");

static SERVICES: LazyLock<Vec<Service>> =
    LazyLock::new(|| TEXT.lines().filter_map(Service::read).collect());

/// A service and what can be asked of it.
#[derive(Clone, Copy)]
pub(super) struct Service {
    /// The name that a resource gives it.
    pub(super) name: &'static str,
    /// Other names, by which other tools know it, with a slash before each.
    others: &'static str,
    /// Groups of actions with one first word.
    actions: &'static str,
}

impl Service {
    fn read(line: &'static str) -> Option<Self> {
        let (names, actions) = line.split_once(' ')?;
        let end = names.find('/').unwrap_or(names.len());
        let (name, others) = names.split_at_checked(end)?;
        Some(Self { name, others, actions })
    }

    /// All services, by name.
    pub(super) fn all() -> &'static [Self] {
        &SERVICES
    }

    /// The service of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        let at = SERVICES.binary_search_by_key(&name, |service| service.name).ok()?;
        SERVICES.get(at).copied()
    }

    /// The service that other tools call so, such as `stepfunctions` for `sfn`.
    pub(super) fn known_as(name: &str) -> Option<Self> {
        SERVICES
            .iter()
            .find(|service| service.others.split('/').skip(1).any(|other| other == name))
            .copied()
    }

    /// Its actions, as the first word and the rest.
    fn parts(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.actions.split(' ').flat_map(|group| {
            let (word, rests) = group.split_once(':').unwrap_or((group, ""));
            rests.split(',').map(move |rest| (word, rest))
        })
    }

    /// Its actions.
    pub(super) fn actions(self) -> impl Iterator<Item = String> {
        self.parts().map(|(word, rest)| format!("{word}{rest}"))
    }

    /// Whether it has this action.
    pub(super) fn has(self, action: &str) -> bool {
        self.parts().any(|(word, rest)| action.strip_prefix(word) == Some(rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_is_whole_and_in_order() {
        let services = Service::all();
        assert_eq!(services.len(), TEXT.lines().count(), "each line is read");
        assert!(services.is_sorted_by(|a, b| a.name < b.name), "each service once, in order");
        let mut count = 0;
        for service in services {
            let small = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
            assert!(service.name.chars().all(small), "{}", service.name);
            for other in service.others.split('/').skip(1) {
                assert!(Service::named(other).is_none(), "{other} means two services");
            }
            let actions: Vec<String> = service.actions().collect();
            assert!(!actions.is_empty(), "{}", service.name);
            for action in &actions {
                assert!(action.starts_with(char::is_lowercase), "{}:{action}", service.name);
                assert!(action.chars().all(|c| c.is_ascii_alphanumeric()), "{action}");
                assert!(service.has(action), "{action}");
            }
            count += actions.len();
        }
        assert!(services.len() > 450 && count > 19_000, "{} {count}", services.len());
    }

    #[test]
    fn services_have_the_names_that_step_functions_gives_them() {
        for (service, action) in [
            ("dynamodb", "query"),
            ("dynamodb", "transactWriteItems"),
            ("sfn", "startSyncExecution"),
            ("s3", "listObjectsV2"),
            ("ec2", "describeInstances"),
            ("rds", "describeDBInstances"),
            ("cloudwatchlogs", "createLogGroup"),
            ("eventbridge", "putEvents"),
            ("costexplorer", "getCostAndUsage"),
            ("cognitoidentityprovider", "adminCreateUser"),
            ("elasticloadbalancingv2", "describeTargetHealth"),
            ("config", "describeConfigRules"),
            ("lexmodelbuilding", "getBot"),
            ("databasemigration", "describeEndpoints"),
            ("sagemakera2iruntime", "startHumanLoop"),
            ("sesv2", "sendEmail"),
            ("acmpca", "deleteCertificateAuthority"),
            // No longer in the newest SDKs.
            ("qldb", "listLedgers"),
        ] {
            assert!(Service::named(service).is_some_and(|s| s.has(action)), "{service}:{action}");
        }
        for (service, action) in [
            ("dynamodb", "Query"),
            ("dynamodb", "qwery"),
            ("dynamodb", "get"),
            // Streams, and what AWS says it leaves out.
            ("bedrockruntime", "converseStream"),
            ("lambda", "invokeAsync"),
            ("sts", "assumeRole"),
        ] {
            assert!(!Service::named(service).is_some_and(|s| s.has(action)), "{service}:{action}");
        }
        for service in ["stepfunctions", "logs", "apigatewaymanagementapi", "DynamoDB", ""] {
            assert!(Service::named(service).is_none(), "{service}");
        }
        assert_eq!(Service::known_as("stepfunctions").map(|service| service.name), Some("sfn"));
        assert!(Service::known_as("").is_none());
    }
}
