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
    for name, resource in list(result["Resources"].items()):
        if resource["Type"] == "AWS::ApiGatewayV2::Api":
            result["Resources"] |= routes(name, resource["Properties"])
        if "Statement" in (policy := resource["Properties"].get("PolicyDocument", {})):
            # All traffic is plain HTTP here, which the template's resources refuse.
            policy["Statement"] = [s for s in policy["Statement"] if s.get("Sid") != "TlsOnly"]
            if not policy["Statement"]:
                del result["Resources"][name]
        adapt(resource)
    return result


def routes(api, properties):
    """ministack leaves an API's OpenAPI body aside: its routes as resources of their own."""
    made = {}
    body = properties.pop("Body")
    properties |= {"Name": body["info"]["title"], "ProtocolType": "HTTP"}
    for path, methods in body["paths"].items():
        for method, route in methods.items():
            verb = "ANY" if method == "x-amazon-apigateway-any-method" else method.upper()
            given = route["x-amazon-apigateway-integration"]
            name = f"{api}Route{len(made) // 2}"
            made[f"{name}Integration"] = {
                "Type": "AWS::ApiGatewayV2::Integration",
                "Properties": {
                    "ApiId": {"Ref": api},
                    "IntegrationType": given["type"].upper(),
                    "IntegrationMethod": given["httpMethod"],
                    "IntegrationUri": given["uri"],
                    "PayloadFormatVersion": given["payloadFormatVersion"],
                },
            }
            made[name] = {
                "Type": "AWS::ApiGatewayV2::Route",
                "Properties": {
                    "ApiId": {"Ref": api},
                    "RouteKey": f"{verb} {path}",
                    "Target": {"Fn::Sub": f"integrations/${{{name}Integration}}"},
                },
            }
    return made


def adapt(resource):
    """Changes what the emulators cannot take, in the expanded copy only."""
    properties = resource["Properties"]
    if resource["Type"] == "AWS::Lambda::Function":
        # The zips are built for the machine that runs this.
        properties["Architectures"] = ["x86_64"]
    if resource["Type"] == "AWS::IAM::Role":
        for policy in properties.get("Policies", []):
            for statement in policy["PolicyDocument"]["Statement"]:
                if statement.get("Action") == "ssm:GetParameters":
                    # ministack judges this call as one on everything, whatever it names.
                    statement["Resource"] = "*"
        trust = properties["AssumeRolePolicyDocument"]["Statement"]
        if trust[0]["Principal"] == {"Service": "states.amazonaws.com"}:
            # moto is no service of ministack's: it takes the role as the account does.
            owner = {"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}}
            trust.append({"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": owner})
    if resource["Type"] == "AWS::CloudWatch::Alarm" and "Metrics" in properties:
        # ministack refuses arithmetic of metrics: the alarm watches the first of them alone.
        first = next(m["MetricStat"] for m in properties.pop("Metrics") if "MetricStat" in m)
        properties |= first["Metric"] | {"Period": first["Period"], "Statistic": first["Stat"]}
