//! How a function is named in a request: by name, partial or whole ARN, each with a qualifier or
//! without, and by a qualifier that stands beside.

use crate::error::RequestError;

/// The only version there is here: what the host was started with.
pub(crate) const LATEST: &str = "$LATEST";

const NAME: &str = "Member must satisfy regular expression pattern: \
    (arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:)?(\\d{12}:)?\
    (function:)?([a-zA-Z0-9-_\\.]+)(:(\\$LATEST|[a-zA-Z0-9-_]+))?";
const QUALIFIER: &str = "Member must satisfy regular expression pattern: (|[a-zA-Z0-9$_-]+)";
/// The longest name and the longest qualifier that AWS takes.
const MAX_NAME: usize = 256;
const MAX_QUALIFIER: usize = 128;

/// A function as a request names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FunctionId<'a> {
    pub(crate) region: Option<&'a str>,
    pub(crate) account: Option<&'a str>,
    pub(crate) name: &'a str,
    pub(crate) qualifier: Option<&'a str>,
}

impl<'a> FunctionId<'a> {
    /// Reads a name; `qualifier` is the one beside it.
    pub(crate) fn parse(
        text: &'a str,
        qualifier: Option<&'a str>,
    ) -> Result<FunctionId<'a>, RequestError> {
        let invalid = || RequestError::Validation {
            value: text.chars().take(MAX_NAME).collect(),
            parameter: "functionName",
            constraint: NAME,
        };
        if text.len() > MAX_NAME {
            return Err(invalid());
        }
        let parts: Vec<&str> = text.split(':').collect();
        let (region, account, rest) = match parts.as_slice() {
            ["arn", partition, "lambda", region, account, "function", rest @ ..]
                if partition.starts_with("aws") =>
            {
                (Some(*region), Some(*account), rest)
            }
            ["arn", ..] => return Err(invalid()),
            [account, "function", rest @ ..] if is_account(account) => (None, Some(*account), rest),
            ["function", rest @ ..] if !rest.is_empty() => (None, None, rest),
            rest => (None, None, rest),
        };
        let (name, own) = match rest {
            [name] => (*name, None),
            [name, qualifier] => (*name, Some(*qualifier)),
            _ => return Err(invalid()),
        };
        let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if name.is_empty() || !name.chars().all(|c| letter(c) || c == '.') {
            return Err(invalid());
        }
        if own.is_some_and(|q| q != LATEST && (q.is_empty() || !q.chars().all(letter))) {
            return Err(invalid());
        }
        // An empty one is none.
        let qualifier = qualifier.filter(|qualifier| !qualifier.is_empty());
        if let Some(wrong) = qualifier
            && (wrong.len() > MAX_QUALIFIER || !wrong.chars().all(|c| letter(c) || c == '$'))
        {
            return Err(RequestError::Validation {
                value: wrong.chars().take(MAX_QUALIFIER).collect(),
                parameter: "qualifier",
                constraint: QUALIFIER,
            });
        }
        if let (Some(own), Some(beside)) = (own, qualifier)
            && own != beside
        {
            return Err(RequestError::InvalidParameter(
                "The derived qualifier from the function name does not match the specified \
                 qualifier.",
            ));
        }
        Ok(FunctionId { region, account, name, qualifier: own.or(qualifier) })
    }

    /// Its ARN, for what the request leaves out with these.
    pub(crate) fn arn(&self, region: &str, account: &str) -> String {
        let (region, account) = (self.region.unwrap_or(region), self.account.unwrap_or(account));
        let arn = format!("arn:aws:lambda:{region}:{account}:function:{}", self.name);
        qualified(arn, self.qualifier)
    }
}

/// An ARN with a qualifier.
pub(crate) fn qualified(arn: String, qualifier: Option<&str>) -> String {
    match qualifier {
        Some(qualifier) => format!("{arn}:{qualifier}"),
        None => arn,
    }
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str, qualifier: Option<&str>) -> Result<String, &'static str> {
        FunctionId::parse(text, qualifier).map(|id| id.arn("r", "a")).map_err(|error| error.code())
    }

    #[test]
    fn names_are_read_as_aws_reads_them() {
        for (text, beside, arn) in [
            ("f", None, "r:a:function:f"),
            ("f", Some(""), "r:a:function:f"),
            ("f:live", None, "r:a:function:f:live"),
            ("f:$LATEST", Some("$LATEST"), "r:a:function:f:$LATEST"),
            ("function:f", Some("7"), "r:a:function:f:7"),
            ("123456789012:function:f:7", None, "r:123456789012:function:f:7"),
            (
                "arn:aws:lambda:eu-west-1:123456789012:function:f",
                None,
                "eu-west-1:123456789012:function:f",
            ),
            ("function", None, "r:a:function:function"),
        ] {
            assert_eq!(read(text, beside), Ok(format!("arn:aws:lambda:{arn}")), "{text}");
        }
        for (text, beside, code) in [
            ("", None, "ValidationException"),
            ("f:", None, "ValidationException"),
            ("f:a:b", None, "ValidationException"),
            ("a b", None, "ValidationException"),
            ("arn:aws:s3:::f", None, "ValidationException"),
            ("f", Some("a b"), "ValidationException"),
            ("f:live", Some("other"), "InvalidParameterValueException"),
        ] {
            assert_eq!(read(text, beside), Err(code), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,300}", beside in prop::option::of("\\PC{0,200}")) {
            if let Ok(id) = FunctionId::parse(&text, beside.as_deref()) {
                prop_assert!(text.contains(id.name) && !id.name.is_empty());
            }
        }
    }
}
