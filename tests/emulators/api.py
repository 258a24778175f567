"""The deployed HTTP API, as a git host, a browser and a person with a token use it."""

import hashlib
import hmac
import http.client
import json
import time


class Api:
    def __init__(self, host, port, secrets):
        self.host, self.port = host, port
        self.secret, self.token = secrets["webhook-secret"], secrets["api-token"]

    def call(self, method, path, body=None, headers=None):
        """Returns the status and the body, from JSON where it is JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        # The host names the API; its name need not be known to a resolver.
        headers = {"Host": f"{self.host}:{self.port}"} | (headers or {})
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        try:
            return answer.status, json.loads(text)
        except ValueError:
            return answer.status, text

    def get(self, path):
        return self.with_token("GET", path)

    def with_token(self, method, path, body=None):
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        return self.call(method, path, body and json.dumps(body), headers)

    def signature(self, body, secret=None):
        digest = hmac.new((secret or self.secret).encode(), body, hashlib.sha256).hexdigest()
        return f"sha256={digest}"

    def register(self, push):
        """Binds the repository's name to its address, as its owner does before its host may push."""
        repository = push["repository"]
        entry = {"name": repository["full_name"], "url": repository["clone_url"]}
        return self.with_token("POST", "/v1/repositories", entry)

    def deliver(self, push, delivery, signature=None):
        """Delivers a push as GitHub does; signed with the secret unless told otherwise."""
        body = json.dumps(push).encode()
        headers = {
            "Content-Type": "application/json",
            "X-GitHub-Event": "push",
            "X-GitHub-Delivery": delivery,
            "X-Hub-Signature-256": signature or self.signature(body),
        }
        return self.call("POST", "/webhooks/github", body, headers)

    def runs(self):
        status, value = self.get("/api/runs")
        return value["runs"] if status == 200 else (status, value)

    def wait(self, what, path, condition, seconds, say=lambda _: None):
        """Asks the dashboard until the condition gives something."""
        until = time.monotonic() + seconds
        while True:
            status, value = self.get(path)
            if status == 200:
                say(value)
                if (found := condition(value)) is not None:
                    return found
            if time.monotonic() > until:
                raise TimeoutError(f"{what}: not after {seconds} s; the latest is {status} {value}")
            time.sleep(0.25)
