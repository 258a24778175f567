"""What botocore makes of the Lambda API at the address that is given: one JSON document."""

import io
import json
import platform
import sys
import threading
import zipfile

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


def code(text):
    """A zip with a program."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        program = zipfile.ZipInfo("bootstrap")
        program.external_attr = 0o755 << 16
        archive.writestr(program, text)
    return out.getvalue()


def made():
    """A function made, changed, published, led to by an alias, and deleted."""
    shop = {"FunctionName": "shop"}
    new = shop | {
        "Runtime": "provided.al2023",
        "Handler": "bootstrap",
        "Role": "arn:aws:iam::000000000000:role/shop",
        "Code": {"ZipFile": code("one")},
        "Architectures": ["arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"],
    }
    told = {}
    created = api.create_function(**new)
    told["created"] = [created["State"], created["Version"]]
    api.get_waiter("function_active_v2").wait(**shop)
    told["again"] = refusal(lambda: api.create_function(**new))[0]
    told["published"] = [api.publish_version(**shop)["Version"] for _ in range(2)]
    stale = created["RevisionId"]
    told["stale"] = refusal(
        lambda: api.update_function_code(**shop, ZipFile=code("two"), RevisionId=stale)
    )[0]
    api.update_function_code(**shop, ZipFile=code("two"), Publish=True)
    api.get_waiter("function_updated_v2").wait(**shop)
    live = shop | {"Name": "live"}
    api.create_alias(**live, FunctionVersion="1")
    weights = {"AdditionalVersionWeights": {"2": 0.1}}
    alias = api.update_alias(**live, RoutingConfig=weights)
    told["alias"] = [alias["Name"], alias["FunctionVersion"], alias["RoutingConfig"]["AdditionalVersionWeights"]]
    both = {"AdditionalVersionWeights": {"1": 0.1}}
    told["weights"] = refusal(lambda: api.update_alias(**live, RoutingConfig=both))[0]
    back = api.update_alias(**live, FunctionVersion="2", RoutingConfig={})
    told["returned"] = [back["FunctionVersion"], back.get("RoutingConfig")]
    told["fixed"] = refusal(
        lambda: api.update_function_code(FunctionName=FUNCTION, ZipFile=code("x"))
    )[0]
    pages = api.get_paginator("list_versions_by_function").paginate(**shop)
    told["versions"] = [v["Version"] for page in pages for v in page["Versions"]]
    api.delete_function(**shop)
    told["gone"] = refusal(lambda: api.get_function(**shop))[0]
    return told


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
            "made": made(),
            "crowd": crowd(8),
        },
        default=str,
    )
)
