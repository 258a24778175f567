"""Deploys the template into emulators that nobody here wrote, and pushes commits through it.

    tests/emulators/run [--zips FOLDER] [--keep]

See README.md beside this file.
"""

import argparse
import contextlib
import json
import os
import pathlib
import shutil
import sys
import tempfile
import time
import traceback
import urllib.request

from botocore.exceptions import ClientError

import git_server
import processes
from api import Api
from checks import Checks, Scenario
from shop import FILES, Shop
from stack import Stack, client

# The releases are in a folder of this machine, where AWS mounts a file system by its access point.
ACCESS_POINT = (
    "arn:aws:elasticfilesystem:us-east-1:000000000000:access-point/fsap-00000000000000000"
)
HERE = pathlib.Path(__file__).resolve().parent
PYTHON = sys.executable


class World:
    """Everything that the checks look at."""

    def __init__(self, stack, port):
        self.stack = stack
        self.machines = stack.copy_machines()
        self.sfn = client("stepfunctions", stack.sfn)
        self.api = Api(stack.host, port, stack.secrets)

    def items(self, key):
        """Every item of a partition of the run table."""
        pages = client("dynamodb", self.stack.aws).get_paginator("query").paginate(
            TableName=self.stack.outputs["TableName"],
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": key}},
        )
        return [item for page in pages for item in page["Items"]]

    def wait_items(self, key, kind, seconds=30):
        """Items of a partition, of one kind, once there are any; none after a while."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if found := [item for item in self.items(key) if item["sk"]["S"].startswith(kind)]:
                return found
            time.sleep(0.2)
        return []

    def artifacts(self):
        bucket = self.stack.outputs["ArtifactBucketName"]
        listed = client("s3", self.stack.aws).list_objects_v2(Bucket=bucket)
        return [item["Key"] for item in listed.get("Contents", [])]

    def invoked(self, function):
        """Whether the function was invoked: it has a log in the group that the template names."""
        group = self.stack.resources[function.replace("Function", "Logs")]["PhysicalResourceId"]
        logs = client("logs", self.stack.aws)
        return logs.describe_log_streams(logGroupName=group)["logStreams"]

    def served(self, url):
        """What a deployed service answers."""
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return answer.read().decode()
        except (OSError, ValueError, AttributeError) as error:
            return repr(error)

    def denied(self, role):
        """What becomes of a call that the role of a state machine does not have."""
        arn = self.stack.declared_role(role)
        given = client("sts", self.stack.aws).assume_role(RoleArn=arn, RoleSessionName="denied")
        table = client("dynamodb", self.stack.aws, given["Credentials"])
        try:
            return table.scan(TableName=self.stack.outputs["TableName"])["Count"]
        except ClientError as error:
            return error.response["Error"]["Code"]

    def rehearse(self, rule, detail_type, resources, detail):
        """Sends an event to the targets of a rule, and returns its id.

        AWS's own events come from AWS alone: a copy of the rule takes them from here.
        """
        events = client("events", self.stack.aws)
        name, copy = self.stack.resources[rule]["PhysicalResourceId"], f"{rule}-rehearsal"
        pattern = json.loads(events.describe_rule(Name=name)["EventPattern"])
        events.put_rule(Name=copy, EventPattern=json.dumps(pattern | {"source": ["rehearsal"]}))
        targets = events.list_targets_by_rule(Rule=name)["Targets"]
        events.put_targets(Rule=copy, Targets=targets)
        entry = {
            "Source": "rehearsal",
            "DetailType": detail_type,
            "Resources": resources,
            "Detail": json.dumps(detail),
        }
        return events.put_events(Entries=[entry])["Entries"][0]["EventId"]

    def scheduled(self):
        """What the schedule of the watch starts."""
        name = self.stack.resources["MonitorStateMachineWatch"]["PhysicalResourceId"]
        return client("scheduler", self.stack.aws).get_schedule(Name=name)["Target"]["Arn"]

    def wait_execution(self, arn, seconds=60):
        until = time.monotonic() + seconds
        while self.sfn.describe_execution(executionArn=arn)["status"] == "RUNNING":
            if time.monotonic() > until:
                raise TimeoutError(f"{arn} still runs after {seconds} s")
            time.sleep(0.2)


def servers(folder, pactctl):
    """Starts ministack, moto and a reverse proxy; returns the addresses of the first two."""
    aws_port, sfn_port = processes.free_port(), processes.free_port()
    aws, sfn = f"http://127.0.0.1:{aws_port}", f"http://127.0.0.1:{sfn_port}"
    temporary = folder / "tmp"
    temporary.mkdir()
    environment = {
        # The interpreter of the services that get deployed comes first.
        "PATH": f"{pathlib.Path(PYTHON).parent}:{os.environ['PATH']}",
        "HOME": str(folder),
        "TMPDIR": str(temporary),
        "LANG": "C.UTF-8",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    # ministack's functions inherit what is set here, the template's own variables on top.
    ministack = environment | {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(aws_port),
        "S3_DATA_DIR": str(temporary / "s3"),
        "STATE_DIR": str(temporary / "state"),
        # Every call is checked against the policies of the caller's role.
        "AUTH": "true",
        # Servers of its own that nothing here uses.
        "SFTP_ENABLED": "0",
        "IOT_MTLS_ENABLED": "0",
        # AWS has none: there a service is refused.
        "PACT_SERVICE_PROXY": str(
            processes.start_proxy(pactctl, folder / "proxy", environment)
        ),
        "AWS_ENDPOINT_URL": aws,
        "AWS_ENDPOINT_URL_SFN": sfn,
        "AWS_ALLOW_HTTP": "true",
    }
    moto = environment | {"MOTO_ACCOUNT_ID": "000000000000"}
    command = [str(pathlib.Path(PYTHON).parent / "ministack")]
    processes.start(command, folder / "ministack.log", aws_port, ministack)
    command = [PYTHON, str(HERE / "step_functions.py"), str(sfn_port), aws]
    processes.start(command, folder / "moto.log", sfn_port, moto)
    return aws, sfn, aws_port


def checked(folder, zips, pactctl, check):
    """Runs everything."""
    begun = time.monotonic()
    aws, sfn, port = servers(folder, pactctl)
    served = folder / "git"
    served.mkdir()
    shop, git = Shop(folder / "shop", served), git_server.serve(served)
    settings = {
        "AllowedSources": f"{git}/",
        "DeployRoot": str(folder / "releases"),
        "ReleasesAccessPoint": ACCESS_POINT,
    }
    print(f"ministack on {aws}, moto on {sfn}, git on {git}", flush=True)
    stack = Stack(aws, sfn, zips, settings)
    world = World(stack, port)
    print(f"deployed after {time.monotonic() - begun:.1f} s; the API is http://{stack.host}:{port}")
    scenario = Scenario(world, check)

    first = shop.commit("Open the shop", FILES)
    second = shop.commit("Two", {"version": "two", "app.py": FILES["app.py"] + "\n\nVAT = 19\n"})
    push = shop.push(git, first, second, "Two")
    scenario.deployed()
    scenario.refusals(push)
    view = scenario.good(push)
    scenario.again(push, view["run"]["request"]["run_id"])
    third = shop.commit("Break it", {"app.py": "def total(items:\n    return sum(items)\n"})
    scenario.bad(shop.push(git, second, third, "Break it"))
    fourth = shop.commit("Repair it", {"app.py": FILES["app.py"], "version": "four"})
    scenario.aborted(shop.push(git, third, fourth, "Repair it"))
    scenario.watch()
    scenario.alarm()
    scenario.all_ran()


def limits():
    print("\nWhat these emulators cannot do:")
    for limit in json.loads((HERE / "limits.json").read_text()):
        print(f"  - {limit['what']}: {limit['why']}")


def calls():
    """The calls of the target `lambda`: the tests of the deploy agent hold them against the emulators."""
    print("\nCalls of the target lambda, and what each was proven against:")
    for call in json.loads((HERE / "calls.json").read_text()):
        proven = [name for name in ("moto", "ministack", "local") if call[name]]
        named = ", ".join("the local host" if name == "local" else name for name in proven)
        unproven = f"; not proven: {call['unproven']}" if "unproven" in call else ""
        print(f"  - {call['call']} ({call['for']}): {named}{unproven}")
    print("  - the share of the requests that a weight gives: the local host alone, 10,000 of them")


def main():
    parser = argparse.ArgumentParser(prog="tests/emulators/run")
    parser.add_argument("--zips", type=pathlib.Path, default=HERE.parents[1] / "target" / "packages")
    parser.add_argument("--pactctl", type=pathlib.Path, help="the program that has the reverse proxy")
    parser.add_argument("--keep", action="store_true", help="keep the folder with logs and data")
    arguments = parser.parse_args()
    zips = arguments.zips.resolve()
    if not zips.is_dir():
        parser.error(f"there is no folder {zips} with <program>.zip in it")
    pactctl = arguments.pactctl or zips.parent / "debug" / "pactctl"
    if not pactctl.is_file():
        parser.error(f"there is no {pactctl}: build the workspace, or name it with --pactctl")
    processes.adopt()
    processes.loopback()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="pact-emulators-"))
    check = Checks()
    try:
        checked(folder, zips, pactctl.resolve(), check)
    except Exception:
        traceback.print_exc(file=sys.stdout)
        check.failed += 1
    except SystemExit:
        processes.end_all()
        shutil.rmtree(folder, ignore_errors=True)
        raise
    processes.end_all()
    if check.failed:
        tails(folder)
    if check.failed or arguments.keep:
        print(f"\nlogs and data are in {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    limits()
    calls()
    print(f"\n{check.passed} passed, {check.failed} failed")
    return 1 if check.failed else 0


def tails(folder):
    for log in sorted(folder.glob("*.log")):
        with contextlib.suppress(OSError):
            lines = log.read_text(errors="replace").splitlines()[-30:]
            print(f"\n-- end of {log.name}", *(line[:300] for line in lines), sep="\n")


if __name__ == "__main__":
    sys.exit(main())
