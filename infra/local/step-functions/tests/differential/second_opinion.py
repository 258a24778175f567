"""Runs state machines on moto's Step Functions interpreter and prints what became of them.

    python second_opinion.py CASES

CASES is a JSON file: a list of {"machines": [{"name", "definition"}], "input"}, of which the last
machine is run. Needs the packages moto[stepfunctions] and jsonata-python; lambdas answer as their payload
says, see `answer`.
"""

import io
import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import boto3
import jsonata
from moto import mock_aws
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service_sfn,
)
from moto.stepfunctions.parser.asl.jsonata import jsonata as moto_jsonata

REGION = "us-east-1"
ENDS = {"SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"}
calls = {}
guard = threading.Lock()


def evaluated(expression):
    """The JVM that moto would use is replaced by a port of the reference implementation."""
    try:
        return json.loads(json.dumps(jsonata.Jsonata(expression).evaluate(None)))
    except Exception as error:
        raise moto_jsonata.JSONataException("UNKNOWN", str(error)) from error


def settle(token, payload):
    client = boto3.client("stepfunctions", region_name=REGION)
    for _ in range(100):
        time.sleep(0.05)
        try:
            if "error" in payload:
                client.send_task_failure(taskToken=token, error=payload["error"], cause="scripted")
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
            threading.Thread(target=settle, args=(payload["token"], payload)).start()
            return {"StatusCode": 200, "Payload": io.BytesIO(b"null")}
        if count <= payload.get("fails", 0):
            failure = {"errorType": payload["error"], "errorMessage": "scripted"}
            body = json.dumps(failure).encode()
            return {"StatusCode": 200, "FunctionError": "Unhandled", "Payload": io.BytesIO(body)}
        body = json.dumps(payload.get("answer")).encode()
        return {"StatusCode": 200, "ExecutedVersion": "$LATEST", "Payload": io.BytesIO(body)}


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
    until = time.monotonic() + 15
    while True:
        state = client.describe_execution(executionArn=arn)
        if state["status"] in ENDS or time.monotonic() > until:
            return arn, state
        time.sleep(0.05)


def run(indexed):
    index, case = indexed
    client = boto3.client("stepfunctions", region_name=REGION)
    for machine in case["machines"]:
        arn = client.create_state_machine(
            name=machine["name"],
            definition=json.dumps(machine["definition"]),
            roleArn="arn:aws:iam::123456789012:role/r",
        )["stateMachineArn"]
    for attempt in range(3):
        with guard:
            for key in [key for key in calls if key.startswith(f"case {index} ")]:
                del calls[key]
        arn_of_run, state = attempted(client, arn, f"case-{index}-{attempt}", case["input"])
        if state["status"] in ENDS:
            break
    arn = arn_of_run
    events = client.get_execution_history(executionArn=arn, maxResults=1000)["events"]
    names = [event.get("stateEnteredEventDetails", {}).get("name") for event in events]
    return {
        "status": state["status"],
        "output": state.get("output"),
        "error": state.get("error"),
        "events": [[event["type"], name] for event, name in zip(events, names)],
    }


def main():
    with open(sys.argv[1]) as file:
        cases = json.load(file)
    moto_jsonata._eval_jsonata = evaluated
    own = lambda_eval_utils.boto_client_for
    lambda_eval_utils.boto_client_for = lambda service, **rest: (
        Lambda() if service == "lambda" else own(service=service, **rest)
    )
    own_nested = state_task_service_sfn.boto_client_for
    state_task_service_sfn.boto_client_for = lambda **asked: StepFunctions(own_nested(**asked))
    state_task_service_sfn.StateTaskServiceSfn._normalise_response = upper
    with mock_aws(config={"stepfunctions": {"execute_state_machine": True}}):
        with ThreadPoolExecutor(8) as pool:
            results = list(pool.map(run, enumerate(cases)))
    json.dump(results, sys.stdout)


main()
