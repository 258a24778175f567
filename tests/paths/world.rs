//! A scripted world: agents, environments and the run store of one run.

use std::collections::{BTreeMap, BTreeSet};

use local_step_functions::{TaskFailure, TaskRequest};
use pact_contract::{
    Deployment, EnvironmentName, IntentEnvelope, StageStatus, Verdict,
    actions::{EvaluateGate, Notify},
    run::{Checks, DeploymentStatus, Outcome},
};
use serde_json::{Value, json};

use crate::answers::{self, OLD, RELEASE};
use crate::envelopes;
use crate::script::{Answer, Case, Turn, When};

/// Something that was done, in order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Effect {
    Decided(Verdict),
    Asked,
    Answered(bool),
    Deploying(String),
    Deployed(String),
    TakenBack(String),
    Begun(String),
    Kept(String),
    Freed(String),
    Recorded(String),
    Notified(String, Box<Outcome>),
}

/// One environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) current: Option<String>,
    pub(crate) previous: Option<String>,
    pub(crate) pending: bool,
    pub(crate) lock: Option<String>,
    /// Whether what this run deployed was judged good.
    pub(crate) good: bool,
    /// The part of the requests that its release has, before it has all of them.
    weight: Option<u64>,
    /// The part with which it was judged last.
    judged: Option<u64>,
    taken_back: bool,
}

/// Everything outside the state machine.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) case: Case,
    pub(crate) run_id: String,
    pub(crate) places: BTreeMap<String, Place>,
    pub(crate) status: String,
    pub(crate) outcome: Option<String>,
    pub(crate) effects: Vec<Effect>,
    /// Calls by state, retries included.
    pub(crate) calls: BTreeMap<String, u64>,
    /// States in the order of their first call.
    pub(crate) order: Vec<String>,
    /// What the gate was told.
    pub(crate) checks: Option<Checks>,
    /// Whether what is taken back was judged bad.
    pub(crate) judged: bool,
    /// The keys of a state's calls: entered again, it has another one.
    pub(crate) keys: BTreeMap<String, BTreeSet<String>>,
    /// What was wrong with a request.
    pub(crate) violations: Vec<String>,
    used: Vec<u64>,
    /// What each state's task was told, call by call, for who plays it again.
    pub(crate) told: BTreeMap<String, Vec<Value>>,
    /// A task token that waits for its answer.
    pub(crate) token: Option<(String, Answer)>,
    /// What an agent answers later, to the token that it was given.
    pub(crate) later: Option<(String, Value)>,
}

/// The token that an agent answers with, where its caller waits for one.
fn agents_token(task: &TaskRequest) -> Option<String> {
    let token = task.arguments.pointer("/Payload/intent/context/task_token")?;
    token.as_str().filter(|_| task.wait_for_token).map(str::to_owned)
}

/// The state with the environment that it is about, as stages are recorded.
fn named_with_environment(task: &TaskRequest) -> String {
    let text = |pointer: &str| task.arguments.pointer(pointer).and_then(Value::as_str);
    let said = ["/Payload/intent/context/state", "/Payload/approval/state"];
    if let Some(state) = said.into_iter().find_map(text) {
        return state.to_owned();
    }
    let item = text("/Key/pk/S").filter(|key| key.starts_with("ENV#"));
    let environment = item.and_then(|key| key.rsplit('#').next());
    match environment.or_else(|| text("/ExpressionAttributeValues/:environment/S")) {
        Some(environment) => format!("{}.{environment}", task.state),
        None => task.state.clone(),
    }
}

type Answered = Result<Value, TaskFailure>;

fn failure(error: &str, cause: Option<&str>) -> Answered {
    Err(TaskFailure { error: error.to_owned(), cause: cause.map(str::to_owned) })
}

/// What a person says; none where nobody says anything that could be understood.
fn said(answer: Answer) -> Option<Value> {
    let yes = match answer {
        Answer::Yes | Answer::Because => true,
        Answer::No => false,
        Answer::Nothing | Answer::Nameless => return None,
    };
    let reason = match answer {
        Answer::No => Some("AwaitApproval says no"),
        Answer::Because => Some("it cannot wait"),
        _ => None,
    };
    Some(json!({ "approved": yes, "by": "ada", "reason": reason }))
}

/// When a run that began with the epoch expires.
const EXPIRES: u64 = 400 * 86_400;

impl World {
    pub(crate) fn new(run_id: &str, case: Case) -> Self {
        let before = case.variant.before;
        let place = Place { current: before.then(|| OLD.to_owned()), ..Place::default() };
        let names = case.variant.environments;
        let mut places: BTreeMap<_, _> =
            names.iter().map(|name| ((*name).to_owned(), place.clone())).collect();
        for name in names.iter().filter(|_| case.variant.ended) {
            // Good in all but the last, which it has still.
            let last = names.last() == Some(name);
            let there = Place {
                current: Some(RELEASE.to_owned()),
                previous: place.current.clone(),
                lock: last.then(|| run_id.to_owned()),
                good: !last,
                ..Place::default()
            };
            places.insert((*name).to_owned(), there);
        }
        Self {
            used: vec![0; case.faults.len()],
            case,
            run_id: run_id.to_owned(),
            places,
            status: "running".into(),
            outcome: None,
            effects: Vec::new(),
            calls: BTreeMap::new(),
            order: Vec::new(),
            checks: None,
            judged: false,
            keys: BTreeMap::new(),
            violations: Vec::new(),
            told: BTreeMap::new(),
            token: None,
            later: None,
        }
    }

    /// Whether nothing of this run is left in an environment.
    pub(crate) fn restored(&self, environment: &str) -> bool {
        let before = self.case.variant.before.then_some(OLD);
        let place = &self.places[environment];
        place.current.as_deref() == before && !place.pending
    }

    fn turn(&mut self, state: &str) -> Option<Turn> {
        let faults = self.case.faults.iter().zip(&mut self.used);
        for (fault, used) in faults {
            if fault.state != state {
                continue;
            }
            *used += 1;
            let nth = used.saturating_sub(fault.after);
            if nth > 0 && fault.times.is_none_or(|times| nth <= times) {
                return Some(fault.turn.clone());
            }
        }
        None
    }

    /// Performs a task as the script says.
    pub(crate) fn perform(&mut self, task: &TaskRequest) -> Answered {
        let mut answered = self.decide(task);
        if let (Some(token), Ok(answer)) = (agents_token(task), &answered) {
            self.later = Some((token, json!({ "Payload": answer["Payload"] })));
            answered = Ok(json!({ "Payload": { "noted": "it goes on" } }));
        }
        let mut told = match &answered {
            Ok(result) => json!({ "result": result }),
            Err(failure) => json!({ "error": failure.error, "cause": failure.cause }),
        };
        if let (Ok(_), Some((_, answer))) = (&answered, &self.later) {
            told["token"] = json!({ "answer": answer });
        } else if let (Ok(_), Some((_, answer))) = (&answered, &self.token) {
            match answer {
                Answer::Nameless => told["token"] = json!({ "error": null }),
                answer => {
                    if let Some(said) = said(*answer) {
                        told["token"] = json!({ "answer": said });
                    }
                }
            }
        }
        self.told.entry(task.state.clone()).or_default().push(told);
        answered
    }

    fn decide(&mut self, task: &TaskRequest) -> Answered {
        let state = named_with_environment(task);
        let state = state.as_str();
        *self.calls.entry(state.to_owned()).or_default() += 1;
        if !self.order.iter().any(|s| s == state) {
            self.order.push(state.to_owned());
        }
        let turn = self.turn(state);
        if turn == Some(Turn::Overtaken) {
            self.status = "superseded".into();
        }
        let is_lambda = task.resource == "arn:aws:states:::lambda:invoke";
        // What is sent has to be right even where nobody answers.
        let asks = task.wait_for_token && agents_token(task).is_none();
        let intent = if is_lambda && !asks {
            match envelopes::read(&task.arguments, &task.state) {
                Ok(intent) => {
                    let key = intent.metadata.idempotency_key.clone().unwrap_or_default();
                    self.keys.entry(state.to_owned()).or_default().insert(key);
                    Some(intent)
                }
                Err(problem) => {
                    self.violations.push(problem);
                    return failure("ERR_INVALID_INTENT", Some("see the violations"));
                }
            }
        } else {
            None
        };
        if let (Some(Turn::Error { error, cause, when: When::Before }), true) =
            (&turn, !state.starts_with("Notify"))
        {
            return failure(error, cause.as_deref());
        }
        let done = match (&intent, asks, task.resource.as_str()) {
            (Some(intent), ..) => self.act(state, intent, turn.as_ref()),
            (None, true, _) => self.ask(&task.arguments),
            (None, false, "arn:aws:states:::dynamodb:updateItem") => self.update(&task.arguments),
            (None, false, other) => {
                self.violations.push(format!("{state} uses {other}"));
                failure("Unexpected", None)
            }
        }?;
        match turn {
            Some(Turn::Error { error, cause, .. }) => failure(&error, cause.as_deref()),
            Some(Turn::Malformed) => Ok(json!({ "StatusCode": 200, "Payload": { "hello": 1 } })),
            _ => Ok(done),
        }
    }

    fn ask(&mut self, arguments: &Value) -> Answered {
        let approval = &arguments["Payload"]["approval"];
        let token = approval["task_token"].as_str().unwrap_or_default();
        if arguments["FunctionName"] != "ReconcilerFunctionArn"
            || token.is_empty()
            || approval["run_id"] != self.run_id.as_str()
            || !approval["question"].as_str().is_some_and(|q| q.contains(RELEASE))
            || !approval["expires_seconds"].is_u64()
            || self.case.variant.frozen
                != approval["question"].as_str().is_some_and(|q| q.contains("takes no release"))
        {
            self.violations.push(format!("a question that is not well put: {approval}"));
        }
        self.effects.push(Effect::Asked);
        if let Some(answer) = self.case.variant.approval {
            self.token = Some((token.to_owned(), answer));
        }
        Ok(json!({ "Payload": { "callback": "c" } }))
    }

    /// Notes the answer that is about to be given, and says what it is.
    pub(crate) fn answer(&mut self, answer: Answer) -> Option<Value> {
        let said = said(answer)?;
        self.effects.push(Effect::Answered(matches!(answer, Answer::Yes | Answer::Because)));
        Some(said)
    }

    fn act(&mut self, state: &str, intent: &IntentEnvelope, turn: Option<&Turn>) -> Answered {
        if let Some(reason) = &intent.intent.context.skip {
            return Ok(answers::respond(intent, StageStatus::Skipped, reason.clone(), Value::Null));
        }
        let action = intent.intent.action.as_str();
        let parameters = &intent.intent.parameters;
        let verdict = match turn {
            Some(Turn::Verdict(status)) => Some(*status),
            Some(Turn::Pending | Turn::Refused(_)) => Some(StageStatus::Failed),
            _ => None,
        };
        let unprobed =
            parameters.get("probes").and_then(Value::as_array).is_some_and(Vec::is_empty);
        let status =
            verdict.unwrap_or(if unprobed { StageStatus::Skipped } else { StageStatus::Passed });
        let mut summary = match verdict {
            Some(status) => format!("{state} says {}", status.as_str()),
            None => format!("{state} is well"),
        };
        let environment =
            parameters.get("environment").and_then(Value::as_str).unwrap_or_default().to_owned();
        let output = match action {
            "code.analyze_changes" => answers::value(&answers::analyzed(&self.case.variant)),
            "quality.plan_pipeline" => answers::value(&answers::plan(&self.case.variant)),
            "quality.evaluate_gate" => {
                let asked: EvaluateGate =
                    serde_json::from_value(Value::Object(parameters.clone())).expect("was checked");
                let mut decision = answers::decide(&asked, &self.case.variant);
                match verdict {
                    Some(StageStatus::Failed) => decision.verdict = Verdict::Reject,
                    Some(StageStatus::Skipped) => decision.verdict = Verdict::Hold,
                    _ => {}
                }
                if verdict.is_some() {
                    decision.summary.clone_from(&summary);
                }
                self.checks = Some(asked.checks);
                self.effects.push(Effect::Decided(decision.verdict));
                answers::value(&decision)
            }
            "deploy.to_staging" | "deploy.to_production" => {
                if action != format!("deploy.to_{}", answers::tier(&environment)) {
                    self.violations.push(format!("{action} for {environment}"));
                }
                let weight = parameters["weight"].as_u64().unwrap_or(100);
                self.deploy(&environment, status, turn, weight)
            }
            "quality.judge_release" => {
                let weight = parameters["weight"].as_u64().unwrap_or(100);
                // What is shifted half is left to nobody.
                let status = match status {
                    StageStatus::Skipped if weight < 100 => StageStatus::Failed,
                    status => status,
                };
                let environment = state.rsplit('.').next().unwrap_or_default();
                let place = self.places.get_mut(environment).expect("an environment of the plan");
                place.judged = Some(weight).filter(|_| status != StageStatus::Failed);
                let output = answers::output(action, status);
                return Ok(answers::respond(intent, status, summary, output));
            }
            "deploy.rollback" => {
                self.judged = parameters["why"]["judged"] == true;
                self.take_back(&environment, status, turn)
            }
            "deploy.check_status" => {
                let place = &self.places[&environment];
                let live = if matches!(turn, Some(Turn::Pending)) {
                    summary = format!("{state} says it is on its way");
                    DeploymentStatus::Pending
                } else if status == StageStatus::Passed {
                    DeploymentStatus::Live
                } else {
                    DeploymentStatus::Failed
                };
                let asked = parameters.get("release").and_then(Value::as_str);
                if asked.is_none() && place.current.is_none() && verdict.is_none() {
                    let none =
                        Deployment::without_release(&named(&environment), DeploymentStatus::Failed);
                    let none = answers::deployment(none, None);
                    let text = "nothing is deployed".to_owned();
                    return Ok(answers::respond(intent, StageStatus::Skipped, text, none));
                }
                let of = Deployment {
                    release: asked
                        .or(place.current.as_deref())
                        .map(|name| name.parse().expect("a release")),
                    ..Deployment::without_release(&named(&environment), live)
                };
                answers::deployment(of, place.previous.as_deref())
            }
            "notify.slack_team" | "notify.email_stakeholders" | "notify.update_jira" => {
                let told: Notify =
                    serde_json::from_value(Value::Object(parameters.clone())).expect("was checked");
                self.effects.push(Effect::Notified(action.to_owned(), Box::new(told.outcome)));
                answers::value(&answers::notified(action))
            }
            other => answers::output(other, status),
        };
        let mut answer = answers::respond(intent, status, summary, output);
        if let Some(Turn::Refused(code)) = turn {
            answer["Payload"]["response"]["findings"] = json!([{ "code": code }]);
        }
        Ok(answer)
    }

    fn deploy(
        &mut self,
        environment: &str,
        status: StageStatus,
        turn: Option<&Turn>,
        weight: u64,
    ) -> Value {
        let run_id = self.run_id.clone();
        self.effects.push(Effect::Deploying(environment.to_owned()));
        let place = self.places.get_mut(environment).expect("an environment of the plan");
        place.lock = Some(run_id);
        // Nobody could have the rest.
        let weight = if place.current.is_some() { weight } else { 100 };
        let half = matches!(turn, Some(Turn::Error { when: When::Half, .. }));
        if let Some(before) = place.weight.filter(|before| *before != weight)
            && (before > weight || before > 0 && place.judged != Some(before))
        {
            let problem = format!("{environment} goes from {before} % to {weight} % unjudged");
            self.violations.push(problem);
        }
        let steps = self.case.variant.steps && answers::watched(environment);
        let place = self.places.get_mut(environment).expect("an environment of the plan");
        let all: &[u64] = if steps && place.current.is_some() { &[0, 10, 50, 100] } else { &[100] };
        let next = all.iter().find(|step| place.weight.is_none_or(|before| **step > before));
        if Some(&weight) != next && place.current.as_deref() != Some(RELEASE) {
            self.violations.push(format!("{environment} gets {weight} %, not {next:?}"));
        }
        let place = self.places.get_mut(environment).expect("an environment of the plan");
        if half {
            place.pending = true;
        } else if status == StageStatus::Passed && weight < 100 {
            place.pending = true;
            place.weight = Some(weight);
            let partly = Deployment {
                weight: u32::try_from(weight).ok(),
                ..Deployment::new(
                    &named(environment),
                    &RELEASE.parse().expect("a release"),
                    DeploymentStatus::Pending,
                )
            };
            return answers::deployment(partly, self.places[environment].current.as_deref());
        } else if status == StageStatus::Passed && place.current.as_deref() != Some(RELEASE) {
            place.previous = place.current.replace(RELEASE.to_owned());
            place.pending = false;
            place.weight = None;
            self.effects.push(Effect::Deployed(environment.to_owned()));
        }
        let status = if status == StageStatus::Passed {
            DeploymentStatus::Live
        } else {
            DeploymentStatus::Failed
        };
        let previous = self.places[environment].previous.clone();
        answers::deployment(
            Deployment::new(&named(environment), &RELEASE.parse().expect("a release"), status),
            previous.as_deref(),
        )
    }

    fn take_back(&mut self, environment: &str, status: StageStatus, turn: Option<&Turn>) -> Value {
        let answer = |status, previous: Option<&str>| {
            answers::deployment(
                Deployment::new(&named(environment), &RELEASE.parse().expect("a release"), status),
                previous,
            )
        };
        if status == StageStatus::Failed || status == StageStatus::Error {
            return answer(DeploymentStatus::RollbackFailed, None);
        }
        let half = matches!(turn, Some(Turn::Error { when: When::Half, .. }));
        let place = self.places.get_mut(environment).expect("an environment of the plan");
        if place.taken_back {
            return answer(DeploymentStatus::RolledBack, place.current.as_deref());
        }
        let mine = place.pending || place.current.as_deref() == Some(RELEASE);
        if mine && place.good && !self.judged && !matches!(turn, Some(Turn::Nothing)) {
            return answer(DeploymentStatus::Live, place.previous.as_deref());
        }
        place.lock = mine.then(|| self.run_id.clone()).or(place.lock.take());
        if mine && status == StageStatus::Passed && !half && !matches!(turn, Some(Turn::Nothing)) {
            if place.current.as_deref() == Some(RELEASE) {
                place.current = place.previous.take();
            }
            place.pending = false;
            place.taken_back = true;
            place.good = false;
            self.effects.push(Effect::TakenBack(environment.to_owned()));
            return answer(
                DeploymentStatus::RolledBack,
                self.places[environment].current.as_deref(),
            );
        }
        if matches!(turn, Some(Turn::Nothing)) {
            return Value::Null;
        }
        answer(DeploymentStatus::Failed, place.current.as_deref())
    }

    fn update(&mut self, arguments: &Value) -> Answered {
        let text = |pointer: &str| arguments.pointer(pointer).and_then(Value::as_str).unwrap_or("");
        let refused = || {
            failure(
                "DynamoDB.ConditionalCheckFailedException",
                Some("The conditional request failed"),
            )
        };
        if text("/TableName") != "TableName" {
            self.violations.push("another table".into());
        }
        let condition = text("/ConditionExpression");
        let expression = text("/UpdateExpression");
        match (text("/Key/pk/S").split_once('#'), text("/Key/sk/S")) {
            (Some(("RUN", id)), "RUN") if id == self.run_id => {
                if expression == "SET deploying = :environment" {
                    let name = text("/ExpressionAttributeValues/:environment/S").to_owned();
                    if condition != "#status = :running" || !self.places.contains_key(&name) {
                        self.violations.push(format!("not how a deployment begins: {arguments}"));
                    }
                    if self.status != "running" {
                        return refused();
                    }
                    self.effects.push(Effect::Begun(name));
                    return Ok(json!({}));
                }
                let of_status = format!("#STATUS#{}", text("/ExpressionAttributeValues/:status/S"));
                let list = |name: &str| text(name).strip_suffix(&of_status).map(str::to_owned);
                let listed = list("/ExpressionAttributeValues/:all/S")
                    .is_some_and(|all| (0..4).any(|shard| all == format!("RUNS#{shard}")))
                    && list("/ExpressionAttributeValues/:own/S")
                        == Some(format!("REPO#{}", answers::REPOSITORY));
                if condition != "#status = :running"
                    || expression
                        != "SET #status = :status, outcome = :outcome, \
                            outcome_schema = :outcome_schema, finished_at = :now, \
                            expires = if_not_exists(expires, :expires), \
                            gsi1pk = :all, gsi2pk = :own REMOVE openpk, opensk"
                    || !listed
                    || text("/ExpressionAttributeValues/:outcome_schema/N")
                        != Outcome::VERSION.to_string()
                    || text("/ExpressionAttributeValues/:expires/N") != EXPIRES.to_string()
                    || text("/ExpressionAttributeValues/:running/S") != "running"
                    || text("/ExpressionAttributeNames/#status") != "status"
                {
                    self.violations.push(format!("not how a run is ended: {arguments}"));
                }
                if self.status != "running" {
                    return refused();
                }
                self.status = text("/ExpressionAttributeValues/:status/S").to_owned();
                self.outcome = Some(text("/ExpressionAttributeValues/:outcome/S").to_owned());
                self.effects.push(Effect::Recorded(self.status.clone()));
            }
            (Some(("ENV", key)), "ENV") => {
                let name = key.strip_prefix(answers::REPOSITORY).and_then(|k| k.strip_prefix('#'));
                let Some(place) = name.and_then(|name| self.places.get_mut(name)) else {
                    self.violations.push(format!("no environment {key}"));
                    return refused();
                };
                let kept = expression.strip_prefix("SET good_run = :run, good_at = :now");
                let then = kept.map_or(expression, str::trim_start);
                let frees = then == "REMOVE lock_run, lock_expires";
                if condition != "lock_run = :run" || !frees && (kept.is_none() || !then.is_empty())
                {
                    self.violations.push(format!("not how an environment is left: {arguments}"));
                }
                if place.lock.as_deref() != Some(text("/ExpressionAttributeValues/:run/S")) {
                    return refused();
                }
                if kept.is_some() {
                    if place.current.as_deref() != Some(RELEASE) || place.pending {
                        self.violations.push(format!("good, but not in effect: {arguments}"));
                    }
                    place.good = true;
                    self.effects.push(Effect::Kept(name.unwrap_or_default().to_owned()));
                }
                if frees {
                    place.lock = None;
                    self.effects.push(Effect::Freed(name.unwrap_or_default().to_owned()));
                }
            }
            _ => self.violations.push(format!("an unknown item: {arguments}")),
        }
        Ok(json!({ "SdkHttpMetadata": { "HttpStatusCode": 200 } }))
    }
}

/// The environment of this name.
fn named(environment: &str) -> EnvironmentName {
    environment.parse().expect("a name")
}
