//! The codes of findings, each with what it says and what would make it go away.
//!
//! A code can be made here only: by a constant of the catalogue, or of a [`Family`] whose members
//! an agent has as data and explains itself.

use std::borrow::Cow;

use crate::{
    explain::{Explanation, Kind},
    ids::{IdError, check_text, identifier_text},
};

/// Longest code.
const MAX_CODE: usize = 100;

/// Stable code of a finding in kebab case, for example `syntax-error`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FindingCode(Cow<'static, str>);

identifier_text!(FindingCode);

impl FindingCode {
    /// Reads a code: one of another version, of which this one knows nothing, is a code too.
    fn parse(text: &str) -> Result<Self, IdError> {
        let allowed: (_, fn(char) -> bool) = ("letters, digits, '-', '_' and '.'", |c| {
            c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
        });
        check_text(text, "the code of a finding", MAX_CODE, allowed)?;
        Ok(Self(text.to_owned().into()))
    }
}

/// Codes that an agent has as data: its rules. Each member is the code of what its rule finds.
pub struct Family {
    /// What each member begins with.
    prefix: &'static str,
}

impl Family {
    /// Whether a code is one of its members.
    #[must_use]
    pub fn has(&self, code: &str) -> bool {
        code.len() > self.prefix.len()
            && code.get(..self.prefix.len()).is_some_and(|p| p.eq_ignore_ascii_case(self.prefix))
    }

    /// The code of the rule with this id, with or without the family's prefix.
    ///
    /// # Errors
    /// When no code can have the id.
    pub fn code(&self, id: &str) -> Result<FindingCode, IdError> {
        match id.strip_prefix(self.prefix) {
            Some(_) => FindingCode::parse(id),
            None => FindingCode::parse(&format!("{}{id}", self.prefix)),
        }
    }
}

/// Kinds of secrets.
pub const SECRETS: Family = Family { prefix: "secret-" };
/// Rules of the static analysis, which name the language themselves.
pub const RULES: Family = Family { prefix: "" };
/// A repository's own rules of static analysis.
pub const OWN_RULES: Family = Family { prefix: "own-" };
/// What other scanners found: the scanner's name, then that of its rule.
pub const SARIF: Family = Family { prefix: "sarif-" };

/// What each code of a family says whose members are not this program's own data.
pub(crate) static FAMILIES: &[(&Family, Explanation)] = &[
    (
        &OWN_RULES,
        Explanation {
            code: Cow::Borrowed("own-…"),
            kind: Kind::Finding,
            sentence: Cow::Borrowed(
                "A rule of the repository's own found something; its message says what.",
            ),
            remedy: Cow::Borrowed(
                "Do what the finding says; the rule is in one of the files that security.rules names.",
            ),
        },
    ),
    (
        &SARIF,
        Explanation {
            code: Cow::Borrowed("sarif-…"),
            kind: Kind::Finding,
            sentence: Cow::Borrowed(
                "Another scanner found something: its name and that of its rule are in the code.",
            ),
            remedy: Cow::Borrowed(
                "Do what the scanner's own documentation of the rule says, and renew the report that security.sarif names.",
            ),
        },
    ),
];

macro_rules! catalogue {
    ($($(#[doc = $title:literal])* { $($name:ident = $code:literal: $sentence:literal, $remedy:expr;)+ })+) => {
        $($(
            #[doc = $sentence]
            pub const $name: FindingCode = FindingCode(Cow::Borrowed($code));
        )+)+

        /// Every code of the catalogue with its explanation, in the order of the agents.
        pub(crate) const ALL: &[Explanation] = &[$($(Explanation {
            code: Cow::Borrowed($code),
            kind: Kind::Finding,
            sentence: Cow::Borrowed($sentence),
            remedy: Cow::Borrowed($remedy),
        },)+)+];
    };
}

/// What is to be done about a secret, of whatever kind it is.
const REVOKE: &str = "Revoke or rotate it where it was issued, remove it from the history, and \
    read it from the environment or a secret store; if it is no secret, say so at the end of its \
    own line with a comment \"pact:allow-secret REASON\".";

catalogue! {
    /// What the code agent finds.
    {
        CONFIG_INVALID = "config-invalid":
            "The repository's settings are not valid: no check can rely on them.",
            "Mend the place that the finding names; `pactctl validate` checks the file before a push.";
        POLICY_LOOSENED = "policy-loosened":
            "The commit loosens the rules by which commits are judged, or may: it is judged by those of the commit before.",
            "Have somebody who may agree: by approving the run, or with `pactctl repos policy NAME --accept RUN`; from then on it counts.";
        POLICY_RAISED = "policy-raised":
            "The installation asks for more than the settings do: that counts.",
            "Raise the setting in pact.toml, or have the repository's floor lowered by `pactctl repos`.";
        POLICY_OWN = "policy-own":
            "The commit is judged by its own settings, for the reason that the finding gives.",
            "Nothing.";
        SUBMODULE_LEFT_OUT = "submodule-left-out":
            "A submodule is not fetched, for the reason that the finding gives: its folder is absent for every check.",
            "Give the repository a token of its own that may read it too, have PACT_ALLOWED_SOURCES name its host, or keep the files in the repository itself.";
        PATH_LEFT_OUT = "path-left-out":
            "A file is left out of the source: its path is not safe, or not unique as text.",
            "Rename the file.";
        LFS_POINTER = "lfs-pointer":
            "Files are kept by Git LFS: the checks see their pointers, not their content.",
            "Keep what a check has to see in the repository itself.";
        SYNTAX_ERROR = "syntax-error":
            "A changed file does not parse.",
            "Mend the syntax at the place that the finding names, or name the file in code.ignore if it is broken on purpose.";
        SYNTAX_UNSURE = "syntax-unsure":
            "A changed file does not parse, and may be right all the same: a form that the parser does not know.",
            "Look at the place; name the file in code.ignore if it is as it should be.";
        SYNTAX_NOT_CHECKED = "syntax-not-checked":
            "A changed file was not parsed, for the reason that the finding gives.",
            "Make the file readable as text of its language, or leave it: nothing is claimed about it.";
        QUALITY_NOT_CHECKED = "quality-not-checked":
            "The functions of a changed file were not measured, for the reason that the finding gives.",
            "Mend the file's syntax, or leave it: nothing is claimed about it.";
        COMPLEXITY_CYCLOMATIC = "complexity-cyclomatic":
            "A function is new, or became worse, and has more ways through it than the threshold allows.",
            "Split the function, or raise code.max_cyclomatic in pact.toml.";
        COMPLEXITY_COGNITIVE = "complexity-cognitive":
            "A function is new, or became worse, and is harder to follow than the threshold allows.",
            "Split the function, or raise code.max_cognitive in pact.toml.";
        FUNCTION_LENGTH = "function-length":
            "A function is new, or longer than it was, and has more lines of code than the threshold allows.",
            "Split the function, or raise code.max_function_lines in pact.toml.";
        FUNCTION_NESTING = "function-nesting":
            "A function is new, or nests deeper than it did, and deeper than the threshold allows.",
            "Return early or split the function, or raise code.max_nesting in pact.toml.";
        FUNCTION_PARAMETERS = "function-parameters":
            "A function is new, or has more parameters than it had, and more than the threshold allows.",
            "Pass a value that has several of them, or raise code.max_parameters in pact.toml.";
        DUPLICATE_CODE = "duplicate-code":
            "The change has code in a function that stands somewhere else too, token by token.",
            "Use the one from the other, or raise code.max_duplicate_tokens in pact.toml.";
    }
    /// What the test agent finds.
    {
        TEST_FAILED = "test-failed":
            "A test failed.",
            "Make the test pass; the finding has its message and place.";
        TEST_FLAKY = "test-flaky":
            "A test passed only after it had failed.",
            "Find what it depends on besides the code, or take it out until then.";
        TESTS_FAILED = "tests-failed":
            "The command of the tests ended as failed, beyond what single tests say.",
            "Make the command end with exit code 0; its output is in the finding and in the log.";
        TESTS_TIMED_OUT = "tests-timed-out":
            "The tests did not end within their time and were stopped.",
            "Find what hangs, or raise timeout_seconds of the command.";
        TEST_SETUP_FAILED = "test-setup-failed":
            "What the tests need could not be set up, so that they did not run.",
            "Make the setup succeed: what the repository depends on has to be reachable or cached.";
        TESTS_NOT_RUN = "tests-not-run":
            "The repository has tests of which it is not known how to run them: they were not checked.",
            "Name them in [[tests.suites]] of pact.toml with their command, or leave them out.";
        TESTS_GONE = "tests-gone":
            "Tests that there were before are gone: what is left cannot stand for them.",
            "Bring them back, or name their suites in gone of [tests] in pact.toml, a commit before.";
        FEWER_TESTS = "fewer-tests":
            "A suite ran fewer tests than when it passed last, by a fifth or more, or does not say any more how many.",
            "Bring them back, unless they were meant to go.";
        SUITES_LEFT_OUT = "suites-left-out":
            "Suites were not run: the settings leave them out, or they are examples and fixtures.",
            "Nothing, if that is meant; otherwise name them in [[tests.suites]] of pact.toml.";
        REPORT_UNREADABLE = "report-unreadable":
            "A report of the tests cannot be read: what is in it is not known, and not taken for passed.",
            "Make the runner write a report that is whole, in the form of JUnit, NUnit, xUnit.net, TRX or LCOV.";
        BUILD_UNPROTECTED = "build-unprotected":
            "The tests ran without one of the protections that keep what is tested from what tests it.",
            "Let the kernel give namespaces to users, or run where it does.";
        COVERAGE_TOO_LOW = "coverage-too-low":
            "Fewer lines are covered than are asked for.",
            "Cover more lines with tests, or lower tests.min_coverage in pact.toml.";
        CHANGED_COVERAGE_TOO_LOW = "changed-coverage-too-low":
            "Fewer of the changed lines are covered than are asked for.",
            "Cover the changed lines with tests, or lower tests.min_changed_coverage in pact.toml.";
        UNCOVERED_LINES = "uncovered-lines":
            "A file has lines that no test reaches.",
            "Cover the lines with a test.";
        UNCOVERED_CHANGES = "uncovered-changes":
            "Changed lines are reached by no test.",
            "Cover the lines with a test.";
        NOT_IN_COVERAGE = "not-in-coverage":
            "Changed files stand in no coverage report: nothing is known of their lines.",
            "Let the coverage tool look at them too.";
    }
    /// What the security agent finds, beside the kinds of secrets and the rules that it has as data.
    {
        SECRET_ASSIGNMENT = "secret-assignment":
            "A value that looks like a credential is given to a name that says so.",
            REVOKE;
        SECRET_BASIC_AUTH = "secret-basic-auth":
            "A name and a password stand in base64, as HTTP sends them.",
            REVOKE;
        SECRET_BEARER_TOKEN = "secret-bearer-token":
            "A bearer token stands in a header.",
            REVOKE;
        SECRET_COMMAND_PASSWORD = "secret-command-password":
            "A password stands in a command line.",
            REVOKE;
        SECRET_DATABASE_URL = "secret-database-url":
            "The address of a database has a password in it.",
            REVOKE;
        SECRET_JWT = "secret-jwt":
            "A signed JSON web token stands in a file.",
            REVOKE;
        SECRET_KEY_STORE = "secret-key-store":
            "A file of keys is in the repository.",
            REVOKE;
        SECRET_KUBERNETES_SECRET = "secret-kubernetes-secret":
            "The value of a Kubernetes Secret stands in a manifest.",
            REVOKE;
        SECRET_NETRC_PASSWORD = "secret-netrc-password":
            "A .netrc file has a password in it.",
            REVOKE;
        SECRET_PASSWORD_HASH = "secret-password-hash":
            "The hash of a password stands in a file: it can be tried out at leisure.",
            REVOKE;
        SECRET_PGPASS_PASSWORD = "secret-pgpass-password":
            "A .pgpass file has a password in it.",
            REVOKE;
        SECRET_PRIVATE_KEY = "secret-private-key":
            "A private key stands in a file.",
            REVOKE;
        SECRET_URL_PASSWORD = "secret-url-password":
            "An address has a password in it.",
            REVOKE;
        SECRET_URL_TOKEN = "secret-url-token":
            "An address has a token in it.",
            REVOKE;
        SECRET_ALLOWED = "secret-allowed":
            "Something that looks like a secret is allowed by a comment in its line.",
            "Nothing, as long as the reason in the comment is true.";
        FINDING_ALLOWED = "finding-allowed":
            "What a rule found is allowed by a comment in its line.",
            "Nothing, as long as the reason in the comment is true.";
        IGNORED = "ignored":
            "Files are left out because a setting names them: nothing is claimed about them.",
            "Take them out of security.ignore to have them checked.";
        NOT_SCANNED = "not-scanned":
            "A file was not read, for the reason that the finding gives: it is not known to be clean.",
            "Make it readable, or let security.ignore name it in a commit before.";
        CONTENT_ELSEWHERE = "content-elsewhere":
            "The content of a file is kept elsewhere and was not read.",
            "Keep what has to be checked in the repository itself.";
        SCOPE_NOTE = "scope-note":
            "Says what was looked at beyond the changed lines, or why less was.",
            "Nothing.";
        MORE_FINDINGS = "more-findings":
            "There are more findings than are listed.",
            "Mend those that are listed; the rest is listed then.";
        LOCK_FILE_UNREADABLE = "lock-file-unreadable":
            "A lock file cannot be read: its packages are not known to be safe.",
            "Mend the file, or add it to security.ignore when it is a fixture.";
        DEPENDENCY_NOT_CHECKED = "dependency-not-checked":
            "A dependency was not compared with the advisories: it has no version of a public registry.",
            "Pin it to one version of the public registry.";
        SCANNER_REPORT_UNREADABLE = "scanner-report-unreadable":
            "A report of another scanner cannot be read, or says that the scanner did not end well: what it looked for is not known.",
            "Have the scanner write SARIF 2.1.0 again, or take its path out of security.sarif.";
        OWN_RULES_UNREADABLE = "own-rules-unreadable":
            "A file of the repository's own rules cannot be used: what they look for was not looked for.",
            "Mend the place that the finding names; `pactctl validate` checks the files of security.rules before a push.";
        LICENSE_REFUSED = "license-refused":
            "A dependency is under a licence that the repository's policy does not allow.",
            "Use another package, or have security.licenses changed.";
        LICENSE_UNKNOWN = "license-unknown":
            "Nobody says under which licence a dependency is: it was not held against the policy.",
            "Look at the package; with security.licenses.unknown = \"list\" that holds nothing.";
        LOOKALIKE_DEPENDENCY = "lookalike-dependency":
            "A new dependency is called almost as a well-known one is.",
            "Compare the name with what was meant; if it is the right package, answer for it with a waiver.";
        BRAND_NEW_DEPENDENCY = "brand-new-dependency":
            "A version of a dependency was published only days ago: what is wrong with it is hardly known yet.",
            "Wait some days, or look at what changed in it.";
        ACCEPTED_ADVISORY = "accepted-advisory":
            "A dependency is affected by an advisory that the settings accept.",
            "Nothing, as long as the reason in security.accept is true.";
        ADVISORY_NOT_COMPARED = "advisory-not-compared":
            "A dependency may be affected by an advisory whose versions cannot be compared.",
            "Read the advisory; when it does not apply, add it to security.accept with the reason.";
        VULNERABLE_DEPENDENCY = "vulnerable-dependency":
            "A dependency is affected by an advisory.",
            "Update to the version that the finding names, or add the advisory to security.accept with the reason.";
        MALICIOUS_DEPENDENCY = "malicious-dependency":
            "A dependency was published to do harm.",
            "Remove it; treat every machine that installed it as taken over.";
    }
    /// What the deploy agent finds.
    {
        TARGET_REFUSED = "target-refused":
            "The environment's target cannot be used with its settings in this installation.",
            "Correct the environment's target, or how this installation is set up for it.";
        FOLDER_TAKEN = "folder-taken":
            "The target belongs to another environment.",
            "Give each environment a place of its own.";
        RELEASE_NAME_TAKEN = "release-name-taken":
            "The release's name stands for another commit already.",
            "Give the release another name: start the run again.";
        RELEASE_OUTDATED = "release-outdated":
            "A newer push of the same branch was deployed there already.",
            "Nothing, as the newer one is in effect; to go back on purpose push the branch back, or start the run with `on_purpose`.";
        RELEASE_REJECTED = "release-rejected":
            "The commit was deployed there before, judged bad and taken back.",
            "Push a commit that mends it; to deploy it all the same start the run with `on_purpose` and the reason.";
        BUILD_FAILED = "build-failed":
            "A build command of the target failed; nothing was replaced.",
            "Run the target's build commands in a checkout of the commit.";
        COMMAND_FAILED = "command-failed":
            "A command of the target did not succeed.",
            "Read what it wrote, in the finding or in the log of its build; correct the command or what it reaches.";
        ARTIFACT_MISSING = "artifact-missing":
            "What the target deploys is not in the release.",
            "Correct `artifact` of the environment, or the build commands that make it.";
        ARTIFACT_TOO_LARGE = "artifact-too-large":
            "What the target deploys is larger than the service takes.",
            "Leave out of the release what the function does not need: name a folder or a zip by `artifact`.";
        FUNCTION_MISSING = "function-missing":
            "The function that is deployed to is not there.",
            "Create the function, or correct `function` and `region` of the environment.";
        FUNCTION_REFUSED = "function-refused":
            "Lambda refused the code, the version or the alias.",
            "Read what Lambda said in the finding; correct the artifact or the function.";
        FUNCTION_UNHEALTHY = "function-unhealthy":
            "The new version of the function answers the health probes wrongly; no request was given to it, and the one before goes on.",
            "Invoke the version that the finding names with the path, and look into its log.";
        FUNCTION_STORAGE_FULL = "function-storage-full":
            "The account has no room for more code of functions.",
            "Delete versions of functions that no alias leads to, or ask AWS for more room.";
        ROLE_REFUSED = "role-refused":
            "The role of the environment could not be taken on, or does not allow what a deployment does.",
            "Deploy infra/deploy-role.yaml with the names that the finding gives.";
        WEIGHTS_REFUSED = "weights-refused":
            "Traffic cannot be shared between two releases there.",
            "Deploy at once, or take away what stands in the way: provisioned concurrency of the alias.";
        ALIAS_MOVED = "alias-moved":
            "The alias does not lead where the deployment put it: somebody changed it.",
            "Deploy the release again, or take it back; change the alias by deployments alone.";
        SERVICE_PROGRAM_MISSING = "service-program-missing":
            "The service's program is not there or cannot be run; nothing was replaced.",
            "Build it with a build command of the target, or correct the service's command.";
        SERVICE_NOT_STARTED = "service-not-started":
            "The service cannot be started.",
            "Correct the service's command.";
        SERVICE_EXITED = "service-exited":
            "The service ended soon after its start.",
            "Read its log in the finding; start it by hand with the same variables.";
        SERVICE_NOT_LISTENING = "service-not-listening":
            "The service does not listen on its port in time.",
            "Listen on the port of the variable PORT soon after the start.";
        SERVICE_UNHEALTHY = "service-unhealthy":
            "The new service answers its health probes wrongly; it got no request, and the one before goes on.",
            "Start it by hand with the same variables and ask for the path that the finding names.";
        SERVICE_RESTARTED = "service-restarted":
            "The service of the release in effect ended by itself within the last minute, and was started again.",
            "Look into its log for why it ended; deploy a release that mends it, or take it back.";
        REQUESTS_ELSEWHERE = "requests-elsewhere":
            "Requests go to another release than the one that is in effect.",
            "Deploy the release again, or take it back.";
        SERVICE_NOT_RUNNING = "service-not-running":
            "The service of the release in effect does not run.",
            "Deploy the release again, or take it back.";
        PORT_IN_USE = "port-in-use":
            "The service's port is in use by another program.",
            "Stop that program, or set another port for the service.";
        RELEASE_FILES_MISSING = "release-files-missing":
            "Files of the release in effect are gone from the disk.",
            "Deploy the release again, or take it back.";
        NO_WAY_BACK = "no-way-back":
            "The release to return to could not be put into effect again, so nothing was touched.",
            "Put back what the finding names; to deploy without a way back start the run with `on_purpose` and the reason.";
        RELEASE_NOT_CURRENT = "release-not-current":
            "Another release, or none, is in effect.",
            "Deploy the release again, or take it back.";
        LINK_NOT_CURRENT = "link-not-current":
            "What is recorded as in effect is not what the target has in effect.",
            "Deploy the release again, or take it back.";
        DEPLOYMENT_PENDING = "deployment-pending":
            "A deployment has begun and not ended.",
            "Wait until the deployment has ended, or take it back.";
        RELEASE_NOT_RESTORED = "release-not-restored":
            "The release before could not be put into effect again.",
            "Deploy a release that is known to be good.";
        NOTHING_TO_RETURN_TO = "nothing-to-return-to":
            "The release was taken back, and none was in effect before it.",
            "Deploy a release that is known to be good.";
    }
    /// What the monitor agent finds.
    {
        HEALTH_CHECK_FAILED = "health-check-failed":
            "A probe was not healthy often enough in a row within its time.",
            "Look at the last answer in the finding; the service's own log says more.";
        ERROR_RATE_REGRESSION = "error-rate-regression":
            "More requests fail than before the release.",
            "Look for what changed in the release; the requests that fail are in the service's log.";
        LATENCY_REGRESSION = "latency-regression":
            "Requests take longer than before the release.",
            "Bring the latency back to what the finding names.";
    }
    /// What the notify agent finds.
    {
        NOTIFICATION_REFUSED = "notification-refused":
            "A channel refused the message for good.",
            "Correct the channel's address or account in the installation.";
        RECIPIENT_INVALID = "recipient-invalid":
            "A recipient is no e-mail address.",
            "Correct `to` in [notify.email].";
        RECIPIENTS_MANY = "recipients-many":
            "There are more recipients than are told.",
            "Name a mailing list in [notify.email].";
        RECIPIENT_REFUSED = "recipient-refused":
            "The mail server refuses a recipient; the others were told.",
            "Correct `to` in [notify.email], or ask whoever runs the mail server.";
        TRANSITION_MISSING = "transition-missing":
            "The issue does not offer the transition that is configured.",
            "Correct `transition` in [notify.jira], or the project's workflow.";
        ISSUE_MISSING = "issue-missing":
            "There is no such issue, or the account may not see it.",
            "Name an issue that exists, or give the account access to the project.";
        JIRA_UNAUTHORIZED = "jira-unauthorized":
            "Jira does not let the account update the issue.",
            "Correct PACT_JIRA_USER and the secret jira-token, or the account's permissions.";
        JIRA_REFUSED = "jira-refused":
            "Jira refuses to update the issue.",
            "See what Jira says in the finding, and correct the project's settings.";
    }
}

/// What would make a finding with this code go away; none for a code of a family.
pub(crate) fn remedy(code: &FindingCode) -> Option<&'static str> {
    ALL.iter().find(|entry| entry.code == code.as_str()).map(|entry| &*entry.remedy)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_is_there_once_and_says_two_sentences() {
        let mut seen = BTreeSet::new();
        for entry in ALL {
            assert!(seen.insert(&entry.code), "{} stands twice", entry.code);
            assert_eq!(
                FindingCode::parse(&entry.code).map(String::from).as_deref(),
                Ok(&*entry.code)
            );
            assert!(!entry.code.contains(|c: char| c.is_ascii_uppercase()), "{}", entry.code);
            for text in [&entry.sentence, &entry.remedy] {
                assert!(text.ends_with('.') && text.len() > 7, "{}: {text}", entry.code);
            }
        }
    }

    #[test]
    fn a_rule_has_its_familys_code() {
        for id in ["jwt", "secret-jwt"] {
            assert_eq!(SECRETS.code(id), Ok(SECRET_JWT));
        }
        assert_eq!(RULES.code("python-eval").map(String::from).as_deref(), Ok("python-eval"));
        assert!(RULES.code("a b").is_err() && RULES.code("").is_err());
    }
}
