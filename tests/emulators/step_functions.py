"""moto's Step Functions as a server, with its interpreter of state machines switched on.

    python step_functions.py PORT AWS_ENDPOINT

Tasks of state machines go to AWS_ENDPOINT, each signed with the role of its state machine. moto
does its part in four ways that are not AWS's, which are set right here and nowhere else.
"""

import functools
import json
import sys
import threading

import boto3
import jsonata
from botocore.config import Config
from moto.core.config import default_user_config
from moto.server import main
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service_aws_sdk,
    state_task_service_dynamodb,
)
from moto.stepfunctions.parser.asl.eval import states, variable_store
from moto.stepfunctions.parser.asl.jsonata import jsonata as moto_jsonata
from moto.stepfunctions.parser.asl.utils.encoding import to_json_str

PORT, AWS = sys.argv[1:]
# Tests and builds take as long as they take; the state's own time-out ends a task.
PATIENCE = Config(parameter_validation=False, retries={"total_max_attempts": 1}, read_timeout=900)
GUARD = threading.Lock()


def evaluated(expression):
    """moto wants a Java runtime for JSONata: a port of the reference implementation does it."""
    try:
        return json.loads(json.dumps(jsonata.Jsonata(expression).evaluate(None)))
    except Exception as error:
        raise moto_jsonata.JSONataException("UNKNOWN", str(error)) from error


def declared(bindings):
    """moto puts a text between quotes as it is: one with a quote or a new line breaks out."""
    return "".join(f"{name} := {to_json_str(value)};" for name, value in bindings.items())


@functools.lru_cache
def client_of(region, service, role):
    sts = boto3.client("sts", region_name=region, endpoint_url=AWS)
    given = sts.assume_role(RoleArn=role, RoleSessionName="states")["Credentials"]
    return boto3.client(
        service,
        region_name=region,
        endpoint_url=AWS,
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
        config=PATIENCE,
    )


def client(region, service, state_credentials=None):
    """moto calls itself as nobody in particular: here it calls AWS as the state machine's role."""
    # Making a client is not safe in several threads at once, using it is.
    with GUARD:
        return client_of(region, service, state_credentials.role_arn)


moto_jsonata._eval_jsonata = evaluated
for module in (states, variable_store):
    module.encode_jsonata_variable_declarations = declared
for module in (lambda_eval_utils, state_task_service_aws_sdk, state_task_service_dynamodb):
    module.boto_client_for = client
default_user_config["stepfunctions"] = {"execute_state_machine": True}
main(["--host", "127.0.0.1", "--port", PORT])
