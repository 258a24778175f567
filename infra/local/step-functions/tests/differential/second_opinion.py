"""Runs state machines on moto's Step Functions interpreter and prints what became of them.

    python second_opinion.py CASES

CASES is a JSON file: a list of {"name", "machines": [{"name", "definition"}], "input"}, of which the
last machine is run in an execution of that name. Needs the packages moto[stepfunctions] and
jsonata-python.

Lambdas answer as their payload says, see `Lambda`. A case with a "replay" is told the answers of its
tasks instead: {"<state>": [{"result"} or {"error", "cause"}, …]} in the order of the calls, with
"token": {"answer"} or {"error", "cause"} beside it where the task waits for its token.
"""

import gc
import io
import json
import re
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import boto3
import jsonata
import jsonata.utils
from moto import mock_aws
from moto.stepfunctions.parser.api import HistoryEventType, TaskFailedEventDetails
from moto.stepfunctions.parser.asl.component.common.error_name.custom_error_name import (
    CustomErrorName,
)
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEvent
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service_aws_sdk,
    state_task_service_dynamodb,
    state_task_service_lambda,
    state_task_service_sfn,
)
from moto.stepfunctions.parser.asl.eval import states as moto_states
from moto.stepfunctions.parser.asl.eval import variable_store
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails
from moto.stepfunctions.parser.asl.utils.encoding import to_json_str
from moto.stepfunctions.parser.asl.jsonata import jsonata as moto_jsonata
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.asl.parse.preprocessor import Preprocessor

REGION = "us-east-1"
ENDS = {"SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"}
calls = {}
# What the tasks of an execution are told, by its name and by state.
replays = {}
# What expressions find in variables, by number.
declarations = []
# Each thread's expressions; one is not evaluated twice at the same time.
parsed = threading.local()
# The machines that were made, by name.
machines = {}
guard = threading.Lock()
making = threading.Lock()
reading = threading.Lock()


def declared(bindings):
    """A mark that stands for variables with these values, instead of moto's declarations.

    As text they would be parsed anew with each expression, which takes most of the time, and a text
    with quotes in it would not be read back as it was.
    """
    with guard:
        declarations.append({name.lstrip("$"): to_json_str(value) for name, value in bindings.items()})
        return f"/*#{len(declarations) - 1}*/"


def bound(text):
    """The port takes a variable that is None for one that is not there."""
    value = json.loads(text)
    return jsonata.utils.Utils.NULL_VALUE if value is None else value


def evaluated(expression):
    """The JVM that moto would use is replaced by a port of the reference implementation."""
    values = {}
    for number in re.findall(r"/\*#(\d+)\*/", expression):
        declaration = declarations[int(number)]
        values |= {name: bound(value) for name, value in declaration.items()}
    text = re.sub(r"/\*#\d+\*/", "", expression)
    try:
        own = parsed.__dict__
        if text not in own:
            own[text] = jsonata.Jsonata(text)
        return json.loads(json.dumps(own[text].evaluate(None, values)))
    except Exception as error:
        raise moto_jsonata.JSONataException("UNKNOWN", str(error)) from error


def parsed_once(parse):
    """A definition is read once, not for every execution, which takes half of the time; what is
    evaluated is made anew from it, as it may change."""
    trees = {}

    def parse_again(definition):
        with reading:
            if definition not in trees:
                program, trees[definition] = parse(definition)
                return program, trees[definition]
            return Preprocessor().visit(trees[definition]), trees[definition]

    return staticmethod(parse_again)


def settle(token, payload):
    client = boto3.client("stepfunctions", region_name=REGION)
    for _ in range(100):
        time.sleep(0.05)
        try:
            if "error" in payload:
                failure = {key: payload[key] for key in ("error", "cause") if payload.get(key)}
                client.send_task_failure(taskToken=token, **failure)
            else:
                answer = json.dumps(payload.get("answer"))
                client.send_task_success(taskToken=token, output=answer)
            return
        except client.exceptions.ClientError:
            # The token is known a moment after it was handed on.
            continue


class Lambda:
    """Fails the first `fails` calls of a `key` with `error`; then hands back `answer`."""

    def invoke(self, FunctionName, Payload=b"{}", **_):
        payload = json.loads(Payload)
        with guard:
            count = calls[payload["key"]] = calls.get(payload["key"], 0) + 1
        if "token" in payload:
            told = {"cause": "scripted", **payload}
            threading.Thread(target=settle, args=(payload["token"], told)).start()
            return {"StatusCode": 200, "Payload": io.BytesIO(b"null")}
        if count <= payload.get("fails", 0):
            failure = {"errorType": payload["error"], "errorMessage": "scripted"}
            body = json.dumps(failure).encode()
            return {"StatusCode": 200, "FunctionError": "Unhandled", "Payload": io.BytesIO(body)}
        body = json.dumps(payload.get("answer")).encode()
        return {"StatusCode": 200, "ExecutedVersion": "$LATEST", "Payload": io.BytesIO(body)}


class Told(Exception):
    """A task is told that it failed."""

    def __init__(self, error, cause):
        super().__init__(error)
        self.error = error
        self.cause = cause


def replaying(service):
    """Tasks of this kind are told their answers where the case has them."""
    own_task, own_error = service._eval_service_task, service._from_error

    def task(self, env, resource_runtime_part, normalised_parameters, state_credentials):
        context = env.states.context_object.context_object_data
        script = replays.get(context["Execution"]["Name"])
        if script is None:
            return own_task(
                self, env, resource_runtime_part, normalised_parameters, state_credentials
            )
        with guard:
            left = script.get(self.name)
            if not left:
                raise Told("Unexpected", f"{self.name} was not called this often before")
            answer = left.pop(0)
        if "error" in answer:
            raise Told(answer["error"], answer.get("cause"))
        if "token" in answer:
            token = context["Task"]["Token"]
            threading.Thread(target=settle, args=(token, answer["token"])).start()
        env.stack.append(answer["result"])

    def error(self, env, ex):
        if not isinstance(ex, Told):
            return own_error(self, env, ex)
        details = {"resource": self._get_sfn_resource(), "resourceType": self._get_sfn_resource_type()}
        details |= {"error": ex.error} | ({} if ex.cause is None else {"cause": ex.cause})
        return FailureEvent(
            env=env,
            error_name=CustomErrorName(ex.error),
            event_type=HistoryEventType.TaskFailed,
            event_details=EventDetails(taskFailedEventDetails=TaskFailedEventDetails(**details)),
        )

    service._eval_service_task, service._from_error = task, error


def cased(members, change):
    return {change(name[0]) + name[1:]: value for name, value in members.items()}


class StepFunctions:
    """The client for nested machines: moto mixes up the cases of its parameters and answers."""

    def __init__(self, client):
        self.client = client

    def start_execution(self, **parameters):
        answer = self.client.start_execution(**cased(parameters, str.lower))
        return cased(answer, str.upper)

    def __getattr__(self, name):
        return getattr(self.client, name)


def upper(_self, response, **_):
    members = cased(response, str.upper)
    response.clear()
    response.update(members)


def attempted(client, machine, name, given):
    arn = client.start_execution(stateMachineArn=machine, name=name, input=json.dumps(given))[
        "executionArn"
    ]
    until = time.monotonic() + 30
    while True:
        state = client.describe_execution(executionArn=arn)
        if state["status"] in ENDS or time.monotonic() > until:
            return arn, state
        time.sleep(0.2)


def line(event):
    """An event as it is compared: its type, its state, and what a task was given."""
    detail = event.get("stateEnteredEventDetails", event.get("stateExitedEventDetails", {}))
    task = event.get("taskScheduledEventDetails", {})
    given = task.get("parameters", event.get("lambdaFunctionScheduledEventDetails", {}).get("input"))
    return [event["type"], detail.get("name"), given]


def created(client, machine):
    """The machine's ARN; one of this name that was made for another case is not made again."""
    name = machine["name"]
    with making:
        if name not in machines:
            machines[name] = client.create_state_machine(
                name=name,
                definition=json.dumps(machine["definition"]),
                roleArn="arn:aws:iam::123456789012:role/r",
            )["stateMachineArn"]
        return machines[name]


def run(case):
    client = boto3.client("stepfunctions", region_name=REGION)
    for machine in case["machines"]:
        arn = created(client, machine)
    own = case["name"]
    for attempt in range(3):
        with guard:
            for key in [key for key in calls if key.startswith(f"{own.replace('-', ' ')} ")]:
                del calls[key]
        # A name of the same length: what is derived from it is put back below.
        name = own if attempt == 0 else f"{chr(ord('A') + attempt)}{own[1:]}"
        if "replay" in case:
            replays[name] = {state: list(left) for state, left in case["replay"].items()}
        given = json.loads(json.dumps(case["input"]).replace(own, name))
        arn_of_run, state = attempted(client, arn, name, given)
        if state["status"] in ENDS:
            break
    pages = client.get_paginator("get_execution_history")
    try:
        events = [
            line(event)
            for page in pages.paginate(executionArn=arn_of_run, maxResults=1000)
            for event in page["events"]
        ]
    except (client.exceptions.ClientError, TypeError) as error:
        return {"status": "RUNNING", "why": f"its history cannot be read: {error}"}
    result = {
        "status": state["status"],
        "output": state.get("output"),
        "error": state.get("error"),
        "events": events,
        "left": {state: left for state, left in replays.get(name, {}).items() if left},
    }
    return json.loads(json.dumps(result).replace(name, own))


def main():
    # It ends after a minute: what it leaves behind is not worth looking for.
    gc.disable()
    with open(sys.argv[1]) as file:
        cases = json.load(file)
    moto_jsonata._eval_jsonata = evaluated
    AmazonStateLanguageParser.parse = parsed_once(AmazonStateLanguageParser.parse)
    moto_states.encode_jsonata_variable_declarations = declared
    variable_store.encode_jsonata_variable_declarations = declared
    for service in (
        state_task_service_lambda.StateTaskServiceLambda,
        state_task_service_dynamodb.StateTaskServiceDynamoDB,
        state_task_service_aws_sdk.StateTaskServiceAwsSdk,
    ):
        replaying(service)
    own = lambda_eval_utils.boto_client_for
    lambda_eval_utils.boto_client_for = lambda service, **rest: (
        Lambda() if service == "lambda" else own(service=service, **rest)
    )
    own_nested = state_task_service_sfn.boto_client_for
    state_task_service_sfn.boto_client_for = lambda **asked: StepFunctions(own_nested(**asked))
    state_task_service_sfn.StateTaskServiceSfn._normalise_response = upper
    with mock_aws(config={"stepfunctions": {"execute_state_machine": True}}):
        with ThreadPoolExecutor(3) as pool:
            results = list(pool.map(run, cases))
    json.dump(results, sys.stdout)


main()
