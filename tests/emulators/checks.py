"""What has to hold: each check is one sentence, and says what was there instead."""

import datetime
import json
import uuid

import jsonata

FINAL = {
    "succeeded",
    "failed",
    "rejected",
    "held",
    "rolled_back",
    "rollback_failed",
    "cancelled",
    "timed_out",
}
RUN_SECONDS = 120
VERIFIED = [
    "AnalyzeChanges",
    "PlanPipeline",
    "ValidateSyntax",
    "CheckQuality",
    "RunUnitTests",
    "RunIntegrationTests",
    "CheckCoverage",
    "ScanVulnerabilities",
    "CheckDependencies",
    "ValidateSecrets",
    "EvaluateGate",
]
DEPLOYED = [
    "Deploy.staging",
    "CheckStatus.staging",
    "CheckHealth.staging",
    "RunEndToEnd.staging",
    "Deploy.production",
    "CheckStatus.production",
    "CheckHealth.production",
    "TrackMetrics.production",
    "DetectAnomalies.production",
    "JudgeRelease.production",
]
TOLD = ["NotifySlack", "NotifyEmail", "NotifyJira"]


class Checks:
    """Counts, and prints as it goes."""

    def __init__(self):
        self.passed = self.failed = 0

    def that(self, sentence, holds, instead=""):
        if holds:
            self.passed += 1
            print(f"  ok   {sentence}", flush=True)
        else:
            self.failed += 1
            print(f"  FAIL {sentence}: {instead}", flush=True)
        return bool(holds)

    def equal(self, sentence, actual, expected):
        return self.that(sentence, actual == expected, f"{actual!r}, not {expected!r}")


class Follower:
    """Prints the stages of a run as they get their verdicts."""

    def __init__(self):
        self.said = set()

    def __call__(self, view):
        for stage in view["stages"]:
            key = (stage["state"], stage["status"], stage["attempt"])
            if stage["status"] != "running" and key not in self.said:
                self.said.add(key)
                took = stage["duration_ms"]
                print(f"       {stage['state']}: {stage['status']} ({took} ms)", flush=True)


def expressions(value):
    """Every JSONata expression of a definition."""
    if isinstance(value, str):
        return [value[2:-2].strip()] if value.startswith("{%") else []
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [expression for part in inner for expression in expressions(part)]


def unreadable(expression):
    """Why another implementation of JSONata cannot read an expression; none where it can."""
    try:
        jsonata.Jsonata(expression)
    except Exception as error:
        return f"{error}: {expression}"
    return None


def stages(view):
    return {stage["state"]: stage["status"] for stage in view["stages"]}


class Scenario:
    """The checks of one deployed stack."""

    def __init__(self, world, check):
        self.world, self.check = world, check

    def say(self, text):
        print(f"\n{text}", flush=True)

    def executions(self):
        machine = self.world.machines["PipelineStateMachine"]["copy"]
        listed = self.world.sfn.list_executions(stateMachineArn=machine)["executions"]
        return {execution["name"]: execution for execution in listed}

    def run_to_the_end(self, push, answer=None):
        """Delivers a push and waits for the final status; `answer` is given to its question."""
        status, accepted = self.world.api.deliver(push, str(uuid.uuid4()))
        if not self.check.equal("the webhook answers 202", status, 202):
            raise RuntimeError(accepted)
        path, follower = f"/api/runs/{accepted['run_id']}", Follower()
        if answer is not None:
            view = self.world.api.wait("the question", path, asked, RUN_SECONDS, follower)
            status = view["run"]["status"]
            if self.check.that("the run asks before production", view["approvals"], status):
                self.answer(accepted["run_id"], answer)
        view = self.world.api.wait("the final status", path, ended, RUN_SECONDS, follower)
        # People are told after the run has its final status.
        self.world.wait_execution(view["run"]["execution_arn"])
        _, view = self.world.api.get(path)
        follower(view)
        print(f"       {view['run']['status']}: {view['run']['outcome']['reason']}", flush=True)
        return view

    def answer(self, run_id, approved):
        _, run = self.world.api.with_token("GET", f"/v1/runs/{run_id}")
        path = f"/v1/callbacks/{run['approvals'][0]['callback']}"
        status, told = self.world.api.with_token("POST", path, {"approved": approved, "by": "ada"})
        self.check.equal("the answer is taken", status, 200)

    def deployed(self):
        self.say("The template, deployed by CloudFormation")
        stack = self.world.stack
        made = {name: r["ResourceStatus"] for name, r in stack.resources.items()}
        missing = {name: made.get(name) for name in stack.declared} | made
        wrong = {name: status for name, status in missing.items() if status != "CREATE_COMPLETE"}
        self.check.that(f"all {len(stack.declared)} resources are made", not wrong, wrong)
        for name, machine in self.world.machines.items():
            self.check.that(
                f"{name} has its substitutions made", "${" not in machine["definition"]
            )
            # Also those of branches that no run here takes.
            all_of_it = expressions(json.loads(machine["definition"]))
            wrong = [fault for fault in map(unreadable, all_of_it) if fault]
            self.check.that(f"{name} has expressions that others can read", not wrong, wrong[:1])
        self.check.equal(
            "the watch is scheduled",
            self.world.scheduled(),
            self.world.stack.resources["MonitorStateMachine"]["PhysicalResourceId"],
        )
        refused = self.world.denied("PipelineRole")
        self.check.equal("a role may do no more than it says", refused, "AccessDeniedException")
        status, told = self.world.api.get("/v1/agents")
        agents = told["agents"] if status == 200 else []
        self.check.that("the API answers with the seven agents", len(agents) == 7, told)
        self.check.equal("the dashboard has no run", self.world.api.runs(), [])

    def refusals(self, push):
        self.say("Pushes that nobody signed, or somebody else")
        status, _ = self.world.api.register(push)
        self.check.equal("the repository is registered", status, 200)
        body = json.dumps(push).encode()
        other = self.world.api.signature(body, "another secret, of the same kind")
        for sentence, signature in (("a wrong signature", other), ("no signature", "none")):
            status, _ = self.world.api.deliver(push, str(uuid.uuid4()), signature)
            self.check.equal(f"{sentence} is refused", status, 401)
        self.check.equal("nothing was started", list(self.executions()), [])
        self.check.equal("no run was recorded", self.world.api.runs(), [])

    def good(self, push):
        self.say("A good push, approved by a person")
        view = self.run_to_the_end(push, answer=True)
        run, found = view["run"], stages(view)
        self.check.equal("the run succeeded", run["status"], "succeeded")
        for state in VERIFIED + DEPLOYED + TOLD:
            verdict = found.get(state)
            self.check.that(f"{state} has a verdict", verdict in {"passed", "skipped"}, verdict)
        for state in ("ValidateSyntax", "CheckQuality", "ValidateSecrets", "EvaluateGate"):
            self.check.equal(f"{state} passed", found.get(state), "passed")
        live = {d["environment"]: d for d in (run["outcome"] or {}).get("deployments", [])}
        for name in ("staging", "production"):
            release = live.get(name, {})
            served = self.world.served(release.get("url"))
            self.check.equal(f"{name} serves the pushed version", served, "two")
        self.recorded(view)
        return view

    def recorded(self, view):
        run_id = view["run"]["request"]["run_id"]
        items = self.world.items(f"RUN#{run_id}")
        log = [item for item in items if item["sk"]["S"].startswith("LOG#")]
        self.check.that("the table has the transaction log", len(log) > len(VERIFIED), len(log))
        self.check.equal("the dashboard shows all of it", len(view["log"]["entries"]), len(log))
        self.check.that("its hash chain holds", view["log"]["verified"], view["log"]["fault"])
        execution = self.executions().get(run_id, {})
        self.check.equal("the execution has the run's name", execution.get("status"), "SUCCEEDED")
        self.check.that("the commit is kept in the bucket", self.world.artifacts())

    def again(self, push, run_id):
        self.say("The same push, delivered again")
        status, accepted = self.world.api.deliver(push, str(uuid.uuid4()))
        self.check.equal("it is taken", status, 202)
        self.check.equal("for the run that there was", accepted.get("run_id"), run_id)
        self.check.that("as a duplicate", accepted.get("duplicate"), accepted)
        self.check.equal("no second run was started", list(self.executions()), [run_id])

    def bad(self, push):
        self.say("A push that does not parse")
        view = self.run_to_the_end(push)
        run, found = view["run"], stages(view)
        self.check.equal("the run was rejected", run["status"], "rejected")
        self.check.equal("ValidateSyntax failed", found.get("ValidateSyntax"), "failed")
        self.check.that("nothing was deployed", "Deploy.staging" not in found, found)
        execution = self.executions()[run["request"]["run_id"]]
        described = self.world.sfn.describe_execution(executionArn=execution["executionArn"])
        self.check.equal("the execution says so", described.get("error"), "Pact.Rejected")

    def aborted(self, push):
        self.say("An execution that somebody ends in the console")
        status, accepted = self.world.api.deliver(push, str(uuid.uuid4()))
        self.check.equal("the webhook answers 202", status, 202)
        path = f"/api/runs/{accepted['run_id']}"
        self.world.api.wait("the question", path, asked, RUN_SECONDS, Follower())
        arn = accepted["execution_arn"]
        # moto goes on waiting for the answer to the question, and would say so to nobody anyway.
        self.world.sfn.stop_execution(executionArn=arn, cause="A person said so")
        status = self.world.api.get(path)[1]["run"]["status"]
        self.check.equal("the run does not know yet", status, "running")
        machine = self.world.machines["PipelineStateMachine"]["copy"]
        detail = {
            "executionArn": arn,
            "stateMachineArn": machine,
            "name": accepted["run_id"],
            "status": "ABORTED",
            "cause": "A person said so",
        }
        self.world.rehearse(
            "ReconcilerFunctionPipelineStatus",
            "Step Functions Execution Status Change",
            [arn],
            detail,
        )
        view = self.world.api.wait("the reconciler", path, ended, 30)
        self.check.equal("the event ends the run", view["run"]["status"], "cancelled")

    def alarm(self):
        self.say("An alarm of the stack itself")
        alarm = self.world.stack.resources["WatchFailureAlarm"]["PhysicalResourceId"]
        arn = f"arn:aws:cloudwatch:us-east-1:000000000000:alarm:{alarm}"
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000+0000")
        state = {"value": "ALARM", "reason": "one failed", "timestamp": now}
        detail = {"alarmName": alarm, "state": state}
        kind = "CloudWatch Alarm State Change"
        event = self.world.rehearse("WatchAlarmRule", kind, [arn], detail)
        kept = self.world.wait_items(f"RUN#alarm-{event}", "OUTBOX#")
        told = any(alarm in str(item) for item in kept)
        self.check.that("the notify agent is told its name", told, kept)
        self.world.rehearse("ReconcilerFunctionAlarms", kind, [arn], detail)
        opened = self.world.api.wait("the incident", "/v1/incidents", incidents, 30)
        self.check.that("it is an incident", alarm in str(opened), opened)

    def watch(self):
        self.say("The watch, started by hand")
        machine = self.world.machines["MonitorStateMachine"]["copy"]
        started = self.world.sfn.start_execution(stateMachineArn=machine, name="watch", input="{}")
        view = self.world.api.wait("the watch", "/api/environments", watched, 60)
        found = {e["environment"]: e["watch"]["health"] for e in view["environments"]}
        expected = {"staging": "healthy", "production": "healthy"}
        self.check.equal("both environments are healthy", found, expected)
        self.world.wait_execution(started["executionArn"])
        described = self.world.sfn.describe_execution(executionArn=started["executionArn"])
        self.check.equal("the watch came to its end", described["status"], "SUCCEEDED")

    def all_ran(self):
        self.say("The programs")
        idle = [name for name in self.world.stack.functions if not self.world.invoked(name)]
        self.check.that("every packaged program ran", not idle, f"{idle} did not")


def incidents(view):
    """What is told of, once something is."""
    return view["incidents"] or None


def ended(view):
    """The run, once it has a final status."""
    return view if view["run"]["status"] in FINAL else None


def asked(view):
    """The run, once it asks a person; also when it ended without."""
    return view if view["approvals"] else ended(view)


def watched(view):
    """The environments, once the watch has looked at all of them."""
    return view if all(e["watch"] for e in view["environments"]) else None
