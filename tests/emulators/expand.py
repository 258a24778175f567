"""The SAM template as CloudFormation, expanded without a network and without an account."""

import pathlib

import boto3
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "infra" / "template.yaml"
REGION = "us-east-1"


def read():
    """The template as it is in the repository."""
    return yaml_parse(TEMPLATE.read_text())


def functions(template):
    """Logical id of each function, with the name of its program."""
    return {
        name: resource["Metadata"]["BuildProperties"]["Binary"]
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function"
    }


def machines(template):
    """Logical id of each state machine, with the file of its definition."""
    return {
        name: (TEMPLATE.parent / resource["Properties"]["DefinitionUri"]).resolve()
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::Serverless::StateMachine"
    }


def expanded(template, bucket, parameters):
    """What `sam deploy` would hand to CloudFormation: code and definitions are in `bucket`."""
    for name, binary in functions(template).items():
        properties = template["Resources"][name]["Properties"]
        properties["CodeUri"] = f"s3://{bucket}/{binary}.zip"
    for name, path in machines(template).items():
        properties = template["Resources"][name]["Properties"]
        properties["DefinitionUri"] = f"s3://{bucket}/{path.name}"
    session = boto3.Session(region_name=REGION)
    # No function names a managed policy, so that the map, which SAM asks IAM for, may be empty.
    translator = Translator({}, Parser(), boto_session=session)
    result = translator.translate(template, parameter_values=parameters)
    for resource in result["Resources"].values():
        if resource["Type"] == "AWS::Lambda::Function":
            # The zips are built for the machine that runs this.
            resource["Properties"]["Architectures"] = ["x86_64"]
    return result
