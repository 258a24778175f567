"""A small shop in a git repository: deployed to staging and production. Its tests are switched off,
as neither emulator carries out builds."""

import os
import subprocess

ENVIRONMENT = """
[environments.{name}]
target = "directory"
[environments.{name}.service]
command = ["python3", "serve.py"]
[[environments.{name}.health]]
path = "/health"
successes = 2
interval_ms = 50
deadline_seconds = 10
[environments.{name}.watch]
seconds = 1
interval_ms = 50
"""

SETTINGS = (
    '[checks]\nunit = "skip"\nintegration = "skip"\ne2e = "skip"\n'
    + ENVIRONMENT.format(name="staging")
    + ENVIRONMENT.format(name="production")
    + "[environments.production.approval]\ntimeout_minutes = 5\n"
)

SERVICE = '''"""Serves the version of the shop."""

import http.server
import os


class Shop(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with open("version", "rb") as file:
            body = file.read()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Shop).serve_forever()
'''

FILES = {
    "pact.toml": SETTINGS,
    "serve.py": SERVICE,
    "app.py": "def total(items):\n    return sum(items)\n",
    "version": "one",
    "README.md": "# Shop\n",
}


class Shop:
    """The working copy, and the bare repository that is served."""

    name = "acme/shop"

    def __init__(self, folder, served):
        self.folder, self.bare = folder, served / f"{self.name}.git"
        folder.mkdir()
        self.bare.mkdir(parents=True)
        self.git("init", "-q", "--bare", "-b", "main", str(self.bare))
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments):
        environment = os.environ | {
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "Ada",
            "GIT_AUTHOR_EMAIL": "ada@example.org",
            "GIT_COMMITTER_NAME": "Ada",
            "GIT_COMMITTER_EMAIL": "ada@example.org",
        }
        done = subprocess.run(
            ["git", *arguments], cwd=self.folder, env=environment, check=True, capture_output=True
        )
        return done.stdout.decode().strip()

    def commit(self, message, files):
        """Commits the files, publishes them, and returns the commit."""
        for path, content in files.items():
            (self.folder / path).write_text(content)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)
        self.git("push", "-q", str(self.bare), "main")
        return self.git("rev-parse", "HEAD")

    def push(self, url, before, after, message):
        """What GitHub says about it."""
        return {
            "ref": "refs/heads/main",
            "before": before,
            "after": after,
            "deleted": False,
            "repository": {
                "full_name": self.name,
                "clone_url": f"{url}/{self.name}.git",
                "default_branch": "main",
            },
            "pusher": {"name": "ada"},
            "head_commit": {"id": after, "message": message, "author": {"name": "Ada"}},
        }
