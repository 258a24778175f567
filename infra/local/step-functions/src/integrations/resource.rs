//! What a Task state calls, taken apart.

/// What a Task state calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resource {
    /// The ARN as written.
    pub(crate) arn: String,
    /// Whether it is the ARN of a Lambda function, which has events of its own.
    pub(crate) function: bool,
    /// `lambda` in `arn:aws:states:::lambda:invoke`, `aws-sdk:s3` in `…:aws-sdk:s3:getObject`.
    pub(crate) service: String,
    /// `invoke`, `invoke.waitForTaskToken`.
    pub(crate) action: String,
    pub(crate) wait_for_token: bool,
}

impl Resource {
    const TOKEN: &'static str = ".waitForTaskToken";

    /// Takes an ARN apart that has the form of one that a Task can name. Whether there is such a
    /// thing is not asked.
    pub(crate) fn parse(arn: &str) -> Option<Self> {
        let parts: Vec<&str> = arn.split(':').collect();
        let (service, action, function) = match parts.as_slice() {
            ["arn", _, "lambda", _, _, "function", name] if !name.is_empty() => {
                (String::new(), String::new(), true)
            }
            ["arn", _, "lambda", _, _, "function", name, version]
                if !name.is_empty() && !version.is_empty() =>
            {
                (String::new(), String::new(), true)
            }
            ["arn", _, "states", _, _, "activity", name] if !name.is_empty() => {
                ("activity".to_owned(), (*name).to_owned(), false)
            }
            ["arn", _, "states", "", "", "aws-sdk", service, action]
                if !service.is_empty() && !action.is_empty() =>
            {
                (format!("aws-sdk:{service}"), (*action).to_owned(), false)
            }
            ["arn", _, "states", "", "", service, action]
                if !service.is_empty() && !action.is_empty() =>
            {
                ((*service).to_owned(), (*action).to_owned(), false)
            }
            // A version after `.sync`.
            ["arn", _, "states", "", "", service, action, version]
                if !service.is_empty() && action.ends_with(".sync") =>
            {
                ((*service).to_owned(), format!("{action}:{version}"), false)
            }
            _ => return None,
        };
        Some(Self {
            arn: arn.to_owned(),
            function,
            wait_for_token: action.ends_with(Self::TOKEN),
            service,
            action,
        })
    }

    /// The ARN without the suffix that asks for a task token.
    pub(crate) fn plain_arn(&self) -> &str {
        self.arn.strip_suffix(Self::TOKEN).unwrap_or(&self.arn)
    }

    /// The action without its pattern, and the pattern: none, `sync`, `sync:2`,
    /// `waitForTaskToken`.
    pub(super) fn call(&self) -> (&str, Option<&str>) {
        match self.action.split_once('.') {
            Some((action, pattern)) => (action, Some(pattern)),
            None => (&self.action, None),
        }
    }
}
