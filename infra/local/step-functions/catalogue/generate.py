#!/usr/bin/env python3
"""Writes `actions.txt`: which actions `arn:aws:states:::aws-sdk:service:action` can name.

    pip install --target new botocore==1.44.8
    pip install --target old botocore==1.34.0
    python3 generate.py new old > actions.txt

The facts come from the service models that botocore (Apache-2.0) carries; only names are taken.
The older release adds what the newer one has dropped: services that take no new customers.

A service is named as in the AWS SDK for Java 2, in small letters: the model's `serviceId` without
spaces and hyphens and without a `Service` at its end. An action is the operation's name with a
small first letter. What Step Functions does not offer is left out, see below.

Each line is a service and its actions, which share their first word: `dynamodb get:Item put:Item`.
A word alone is an action by itself. After the service stand the other names by which people call
it, each after a slash: `sfn/stepfunctions`.
"""

import gzip
import json
import pathlib
import re
import sys

# Their calls go to an address of the caller's own, which a state cannot give.
OWN_ADDRESS = {"apigatewaymanagementapi", "cloudsearchdomain", "iotdataplane", "mediastoredata"}

# Version 2 of the SDK for Java never had them.
NOT_IN_JAVA_2 = {"importexport", "simpledb"}

# What AWS's list of SDK integrations names as unsupported, streams aside.
UNSUPPORTED = {
    "applicationdiscovery": {"DescribeExportConfigurations", "ExportConfigurations"},
    "codedeploy": {
        "BatchGetDeploymentInstances",
        "GetDeploymentInstance",
        "ListDeploymentInstances",
        "SkipWaitTimeForInstanceTermination",
    },
    "comprehendmedical": {"DetectEntities"},
    "dataexchange": {"SendApiAsset"},
    "directconnect": {
        "AllocateConnectionOnInterconnect",
        "DescribeConnectionLoa",
        "DescribeConnectionsOnInterconnect",
        "DescribeInterconnectLoa",
    },
    "efs": {"CreateTags"},
    "elastictranscoder": {"TestRole"},
    "emr": {"DescribeJobFlows"},
    "iot": {
        "AttachPrincipalPolicy",
        "DetachPrincipalPolicy",
        "ListPolicyPrincipals",
        "ListPrincipalPolicies",
    },
    "iotdeviceadvisor": {"ListTestCases"},
    "lambda": {"InvokeAsync"},
    "mediapackage": {"RotateChannelCredentials"},
    "rdsdata": {"ExecuteSql"},
    "shield": {"DeleteSubscription"},
    "sts": {"AssumeRole", "AssumeRoleWithSAML", "AssumeRoleWithWebIdentity"},
}


def models(root):
    """The newest model of each service below an installed botocore."""
    for folder in sorted((root / "botocore" / "data").iterdir()):
        versions = sorted(folder.glob("*/service-2.json*")) if folder.is_dir() else []
        if versions:
            text = versions[-1].read_bytes()
            yield folder.name, json.loads(
                gzip.decompress(text) if versions[-1].suffix == ".gz" else text
            )


def service_name(folder, model):
    name = model["metadata"].get("serviceId", folder)
    return re.sub(r"service$", "", re.sub(r"[ -]", "", name).lower())


def streams(model, operation):
    """Whether the operation's request or answer is a stream of events."""
    for side in ("input", "output"):
        shape = model["shapes"].get(operation.get(side, {}).get("shape"), {})
        for member in shape.get("members", {}).values():
            if model["shapes"][member["shape"]].get("eventstream"):
                return True
    return False


def main():
    services = {}
    others = {}
    for root in sys.argv[1:]:
        for folder, model in models(pathlib.Path(root)):
            name = service_name(folder, model)
            if name in OWN_ADDRESS | NOT_IN_JAVA_2:
                continue
            others.setdefault(name, set()).add(folder.replace("-", ""))
            actions = services.setdefault(name, set())
            for action, operation in model["operations"].items():
                if action in UNSUPPORTED.get(name, ()) or streams(model, operation):
                    continue
                actions.add(action[0].lower() + action[1:])
    for name, actions in sorted(services.items()):
        words = {}
        for action in sorted(actions):
            word, rest = re.fullmatch(r"([a-z0-9]+)(.*)", action).groups()
            words.setdefault(word, []).append(rest)
        if words:
            groups = (
                word if rests == [""] else f"{word}:{','.join(rests)}"
                for word, rests in sorted(words.items())
            )
            print("/".join([name, *sorted(others[name] - {name})]), *groups)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main()
