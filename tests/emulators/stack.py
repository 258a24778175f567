"""The template deployed: CloudFormation in ministack, the state machines in moto."""

import json
import secrets

import boto3

import expand

NAME = "pact"
CODE = "pact-code"
OWNER = {"AccessKeyId": "test", "SecretAccessKey": "test"}


def client(service, endpoint, credentials=OWNER):
    """A client, with the rights of the account's owner unless told otherwise."""
    return boto3.client(
        service,
        region_name=expand.REGION,
        endpoint_url=endpoint,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials.get("SessionToken"),
    )


def provide_secrets(aws):
    """Puts the secrets into the Parameter Store, below the stack's name, and returns them."""
    made = {name: secrets.token_hex(24) for name in ("webhook-secret", "api-token", "log-key")}
    ssm = client("ssm", aws)
    for name, value in made.items():
        ssm.put_parameter(Name=f"/{NAME}/{name}", Value=value, Type="SecureString")
    return made


def upload(template, zips, aws):
    """Puts code and definitions where the expanded template says that they are."""
    s3 = client("s3", aws)
    s3.create_bucket(Bucket=CODE)
    for binary in expand.functions(template).values():
        s3.upload_file(str(zips / f"{binary}.zip"), CODE, f"{binary}.zip")
    for path in expand.machines(template).values():
        s3.upload_file(str(path), CODE, path.name)


class Stack:
    """What was deployed, and how to reach it."""

    def __init__(self, aws, sfn, zips, settings):
        self.aws, self.sfn = aws, sfn
        template = expand.read()
        self.functions = expand.functions(template)
        upload(template, zips, aws)
        self.secrets = provide_secrets(aws)
        declared = expand.expanded(template, CODE, dict(settings))
        self.declared = declared["Resources"]
        # Too large for the body of a request, on AWS as here.
        client("s3", aws).put_object(Bucket=CODE, Key="template", Body=json.dumps(declared))
        self.create(settings)
        self.outputs = {o["OutputKey"]: o["OutputValue"] for o in self.described["Outputs"]}
        self.host = f"{self.resources['Api']['PhysicalResourceId']}.execute-api.localhost"

    def create(self, parameters):
        formation = client("cloudformation", self.aws)
        formation.create_stack(
            StackName=NAME,
            TemplateURL=f"{self.aws}/{CODE}/template",
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"],
            Parameters=[
                {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
            ],
        )
        waiter = formation.get_waiter("stack_create_complete")
        try:
            waiter.wait(StackName=NAME, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
        except Exception as error:
            events = formation.describe_stack_events(StackName=NAME)["StackEvents"]
            reasons = [
                (event["LogicalResourceId"], event["ResourceStatusReason"])
                for event in events
                if event.get("ResourceStatusReason")
            ]
            raise RuntimeError(f"the stack was not created: {error}\n{reasons}") from error
        self.described = formation.describe_stacks(StackName=NAME)["Stacks"][0]
        pages = formation.get_paginator("list_stack_resources").paginate(StackName=NAME)
        self.resources = {
            resource["LogicalResourceId"]: resource
            for page in pages
            for resource in page["StackResourceSummaries"]
        }

    def declared_role(self, name):
        """ARN of a role."""
        role = self.resources[name]["PhysicalResourceId"]
        return client("iam", self.aws).get_role(RoleName=role)["Role"]["Arn"]

    def copy_machines(self):
        """Makes moto's state machines from those that CloudFormation made, and returns them."""
        theirs, ours = client("stepfunctions", self.aws), client("stepfunctions", self.sfn)
        made = {}
        for name, resource in self.declared.items():
            if resource["Type"] != "AWS::StepFunctions::StateMachine":
                continue
            arn = self.resources[name]["PhysicalResourceId"]
            machine = theirs.describe_state_machine(stateMachineArn=arn)
            copy = ours.create_state_machine(
                name=machine["name"],
                definition=without_heartbeats(machine["definition"]),
                roleArn=machine["roleArn"],
                type=machine["type"],
            )
            made[name] = machine | {"copy": copy["stateMachineArn"]}
        return made


def without_heartbeats(definition):
    """moto does not hear an answer that comes while the task is being handed over, where the state
    has a heartbeat; where it has none, it does."""

    def without(value):
        if isinstance(value, list):
            return [without(part) for part in value]
        if isinstance(value, dict):
            return {k: without(v) for k, v in value.items() if k != "HeartbeatSeconds"}
        return value

    return json.dumps(without(json.loads(definition)))
