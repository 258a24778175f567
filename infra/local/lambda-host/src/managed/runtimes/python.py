"""Runs a handler in Python: asks the Lambda Runtime API for events and answers them."""

import http.client
import importlib
import json
import os
import sys
import time
import traceback

BASE = "/2018-06-01/runtime"
# A request for the next event waits until there is one.
CONNECTION = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])


def ask(method, path, body=None, headers=None):
    CONNECTION.request(method, BASE + path, body, headers or {})
    response = CONNECTION.getresponse()
    return response.headers, response.read()


class Identity:
    cognito_identity_id = None
    cognito_identity_pool_id = None


class Context:
    """What a handler is told of its invocation."""

    def __init__(self, headers):
        self._deadline = int(headers["Lambda-Runtime-Deadline-Ms"])
        self.aws_request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        self.invoked_function_arn = headers["Lambda-Runtime-Invoked-Function-Arn"]
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.identity = Identity()
        told = headers.get("Lambda-Runtime-Client-Context")
        self.client_context = json.loads(told) if told else None

    def get_remaining_time_in_millis(self):
        return max(0, self._deadline - int(time.time() * 1000))


def described(error):
    lines = traceback.format_exception(type(error), error, error.__traceback__)
    told = {
        "errorMessage": str(error),
        "errorType": type(error).__name__,
        "stackTrace": lines[-20:],
    }
    print("[ERROR]", "".join(lines), flush=True)
    return json.dumps(told).encode()


def load():
    sys.path.insert(0, os.environ["LAMBDA_TASK_ROOT"])
    # What is beside this file is none of the handler's.
    sys.path[:] = [path for path in sys.path if path != os.path.dirname(os.path.abspath(__file__))]
    module, _, function = os.environ["_HANDLER"].rpartition(".")
    if not module:
        raise ValueError(f"Bad handler '{os.environ['_HANDLER']}': not enough values to unpack")
    return getattr(importlib.import_module(module.replace("/", ".")), function)


def main():
    try:
        handler = load()
    except BaseException as error:
        ask("POST", "/init/error", described(error), {"Lambda-Runtime-Function-Error-Type": "Init"})
        sys.exit(1)
    while True:
        headers, body = ask("GET", "/invocation/next")
        invocation = "/invocation/" + headers["Lambda-Runtime-Aws-Request-Id"]
        os.environ["_X_AMZN_TRACE_ID"] = headers.get("Lambda-Runtime-Trace-Id") or ""
        try:
            answer = json.dumps(handler(json.loads(body), Context(headers))).encode()
            where = "/response"
        except Exception as error:
            answer, where = described(error), "/error"
        sys.stdout.flush()
        sys.stderr.flush()
        ask("POST", invocation + where, answer, {"Content-Type": "application/json"})


main()
