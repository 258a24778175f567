"""What botocore makes of the Lambda API at the address that is given: one JSON document."""

import json
import sys
import threading

import boto3
from botocore.config import Config

FUNCTION = "pact-SecurityAgentFunction"
# Its first start keeps its only instance busy for a while.
COLD = "pact-MonitorAgentFunction"


def client():
    return boto3.client(
        "lambda",
        endpoint_url=sys.argv[1],
        region_name="us-east-1",
        # A throttle is what is looked for.
        config=Config(retries={"max_attempts": 0}),
    )


def refusal(call):
    """The error of a call, as a client sees it."""
    try:
        call()
    except client().exceptions.ClientError as error:
        answer = error.response
        return [answer["Error"]["Code"], answer.get("Reason"), answer.get("retryAfterSeconds")]
    return None


def crowd(size):
    """Invokes a function from several threads at once; the refusals, or nothing."""
    said, start = [], threading.Barrier(size)

    def invoke(own):
        start.wait()
        said.append(refusal(lambda: own.invoke(FunctionName=COLD, Payload=b"{}")))

    # Making a client is what takes long.
    threads = [threading.Thread(target=invoke, args=(client(),)) for _ in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return said


api = client()
pages = api.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 3})
invoked = api.invoke(FunctionName=FUNCTION, Qualifier="$LATEST", LogType="Tail", Payload=b"{}")
print(
    json.dumps(
        {
            "functions": [f["FunctionName"] for page in pages for f in page["Functions"]],
            "configuration": api.get_function_configuration(FunctionName=FUNCTION),
            "function": api.get_function(FunctionName=FUNCTION)["Configuration"],
            "invoked": [invoked[k] for k in ("StatusCode", "FunctionError", "ExecutedVersion")],
            "event": api.invoke(FunctionName=FUNCTION, InvocationType="Event")["StatusCode"],
            "dry": api.invoke(FunctionName=FUNCTION, InvocationType="DryRun")["StatusCode"],
            "alias": refusal(lambda: api.get_function(FunctionName=FUNCTION, Qualifier="live")),
            "crowd": crowd(8),
        },
        default=str,
    )
)
