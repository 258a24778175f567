//! The codes of problem details (RFC 9457): why the HTTP API refuses, or does not answer.

use std::borrow::Cow;

use serde::Serialize;

use crate::explain::{Explanation, Kind};

/// Stable code of a refusal in snake case, for example `not_found`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct ProblemCode(&'static str);

impl ProblemCode {
    /// The code as text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl std::fmt::Display for ProblemCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

macro_rules! problems {
    ($($name:ident = $code:literal: $sentence:literal, $remedy:literal;)+) => {
        $(
            #[doc = $sentence]
            pub const $name: ProblemCode = ProblemCode($code);
        )+

        /// Every code with its explanation.
        pub(crate) const ALL: &[Explanation] = &[$(Explanation {
            code: Cow::Borrowed($code),
            kind: Kind::Problem,
            sentence: Cow::Borrowed($sentence),
            remedy: Cow::Borrowed($remedy),
        },)+];
    };
}

problems! {
    INVALID_REQUEST = "invalid_request":
        "A part of the request is not as it has to be.",
        "Correct the part that `field` and `detail` name.";
    UNAUTHORIZED = "unauthorized":
        "The request has no token or signature that counts here.",
        "Send an API token as bearer, sign in, or sign the webhook with the secret of its host.";
    SCOPE_MISSING = "scope_missing":
        "The caller's token is good, and not for this: it lacks the scope that `detail` names.",
        "Use a token with that scope; `pactctl tokens add OWNER --scope NAME` hands one out.";
    NOT_THE_CALLER = "not_the_caller":
        "The request names somebody else than whoever sends it.",
        "Leave `by` out: what is recorded is the owner of the token.";
    NOT_FROM_A_PAGE = "not_from_a_page":
        "A signed-in browser sent the request, and none of this installation's own pages made it.",
        "Use the button of the page, and load the page again first; programs send a bearer token.";
    HOST_UNKNOWN = "host_unknown":
        "The request names a host that is none of this stack's: a page may have led its own name here.",
        "Ask by the address that `pactctl up` prints; `pactctl up --allow-host NAME` adds another one.";
    TOO_MANY_ATTEMPTS = "too_many_attempts":
        "Too many wrong credentials came from the caller's address.",
        "Wait for as many seconds as the header `Retry-After` says, and send the right token.";
    TOKEN_REVOKED = "token_revoked":
        "The token was revoked already.",
        "Nothing.";
    NOT_CONFIGURED = "not_configured":
        "The installation lacks the secret without which nobody is let in.",
        "Set the parameter that `detail` names, with its command; on one machine, the variable.";
    SIGN_IN_FAILED = "sign_in_failed":
        "What came back from the sign-in provider does not count: it is too old, meant for another installation or browser, or you said no there.",
        "Sign in again, within ten minutes and in one window; where it fails each time, the gateway's log names what is wrong.";
    NO_GRANT = "no_grant":
        "The sign-in provider knows you, and this installation lets nobody in who is as it says that you are.",
        "Ask whoever runs it to name your verified address, its domain or one of your groups in `SignInAllow`.";
    PROVIDER_UNAVAILABLE = "provider_unavailable":
        "The sign-in provider did not answer, or not as OpenID Connect has it.",
        "Try again in a minute; the gateway's log says what was asked and what came back.";
    NOT_FOUND = "not_found":
        "There is nothing at this address, or nothing that the caller may see.",
        "Correct the address; `GET /v1/runs/{id}` wants the id that the start of a run answered with.";
    METHOD_NOT_ALLOWED = "method_not_allowed":
        "The address does not take this method.",
        "Use a method that the header `Allow` names.";
    TOO_LARGE = "too_large":
        "The body of the request is larger than any that is taken.",
        "Send less: `detail` has the limit.";
    REPOSITORY_UNKNOWN = "repository_unknown":
        "The repository is not registered here: nothing of it is run.",
        "Register it with the command that `detail` has, where the address is its own.";
    REPOSITORY_ELSEWHERE = "repository_elsewhere":
        "The repository's name is bound to another address than the request names, or the webhook is that of another repository.",
        "Send the registered address, to the webhook of that repository; `pactctl repos add --replace` binds the name to another one.";
    BRANCH_NOT_RUN = "branch_not_run":
        "The repository is registered with branches, and this is none of them.",
        "Push to a branch that `detail` names, or register the repository with this one too.";
    ROTATION_ACTIVE = "rotation_active":
        "The secret of the repository's webhook is being changed already.",
        "Ask again in a minute: what was interrupted holds up nobody for longer.";
    NOTHING_TO_AGREE = "nothing_to_agree":
        "The run's commit loosens no rule, so that there is nothing to agree to.",
        "Nothing; `pactctl repos policy NAME` shows the rules that count.";
    RULES_ASKED = "rules_asked":
        "What the commit loosens is for those to agree to whom its run asks, and for as many of them.",
        "Answer the question of the run; where it asks nobody, let somebody with the scope operate agree.";
    RULES_OUTDATED = "rules_outdated":
        "The rules of a later push of the default branch count already.",
        "Agree to those that the latest run asks for, where they still are to be loosened.";
    NOTHING_TO_RETURN_TO = "nothing_to_return_to":
        "The environment has no release that it could return to.",
        "Deploy a release that is known to be good; `--to` names another one that was judged good there.";
    RUN_ACTIVE = "run_active":
        "The push is to run again while its latest run is still active.",
        "Wait for that run, or cancel it.";
    TOO_MANY_RUNS = "too_many_runs":
        "The push has been run as often as one push can be.",
        "Push another commit.";
    NOT_A_PUSH = "not_a_push":
        "The run is none of a push, so that there is no push to run again.",
        "Roll the environment back with `pactctl rollback`, or push a commit.";
    SEVERAL_QUESTIONS = "several_questions":
        "The run waits for more than one answer, and the request does not say which it gives.",
        "Name the question by its `state`.";
    RUN_ENDED = "run_ended":
        "The run cannot be cancelled, as it has ended.",
        "Nothing; start another run to take its release back.";
    DEPLOYING = "deploying":
        "The run cannot be cancelled while it puts a release into effect.",
        "Cancel it when the deployment is done: half a deployment would stay otherwise.";
    EXPIRED = "expired":
        "The question was not answered in time, which counts as no.",
        "Start the run again.";
    ANSWERED = "answered":
        "The question has an answer already, and another one than this.",
        "Nothing; the first answer counts.";
    NOT_WAITING = "not_waiting":
        "The run does not wait for this answer any more.",
        "Look at the run: it has ended, or was started again.";
    INCIDENT_OVER = "incident_over":
        "The incident is over, and takes nobody's word any more.",
        "Look at the list of incidents: what is not well now has another.";
    RECORD_UNREADABLE = "record_unreadable":
        "What the store holds under one key cannot be read: it is damaged, or was written by a newer version.",
        "Look at the item that `detail` names; update this installation when a newer version wrote it.";
    UNAVAILABLE = "unavailable":
        "What the request needs did not answer.",
        "Send the request again; when it keeps failing, the function's log has the reason.";
    STORE_UNAVAILABLE = "store_unavailable":
        "The run store did not answer.",
        "Ask again; when it keeps failing, the function's log has the reason.";
    INTERNAL = "internal":
        "A defect of the function that was asked.",
        "Report it with the function's log.";
}

/// What the code of a problem means; none for any other text.
#[must_use]
pub fn explain(code: &str) -> Option<Explanation> {
    ALL.iter().find(|entry| entry.code == code).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_has_its_own_code_and_two_sentences() {
        let mut seen = std::collections::BTreeSet::new();
        for entry in ALL {
            assert!(seen.insert(&entry.code), "{} stands twice", entry.code);
            let snake = entry.code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            assert!(snake, "{}", entry.code);
            for text in [&entry.sentence, &entry.remedy] {
                assert!(text.ends_with('.') && text.len() > 7, "{}: {text}", entry.code);
            }
        }
        assert_eq!(serde_json::to_value(NOT_FOUND).expect("text"), "not_found");
    }
}
