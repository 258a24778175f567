// Delivers every example of a GitHub webhook that npm's @octokit/webhooks-examples has, signed by
// @octokit/webhooks-methods, and prints what was answered. GATEWAY: where; SECRET: shared with it;
// EVENTS: which ones (all without it).

const fs = require("fs");
const path = require("path");
const { pathToFileURL } = require("url");
const examples = require("@octokit/webhooks-examples");

async function methods() {
  // A module alone, which is not looked for where the other one was found.
  const beside = path.dirname(require.resolve("@octokit/webhooks-examples/package.json"));
  const folder = path.join(beside, "..", "webhooks-methods");
  const { exports } = JSON.parse(fs.readFileSync(path.join(folder, "package.json")));
  return import(pathToFileURL(path.join(folder, exports["."].import)));
}

async function main() {
  const { sign } = await methods();
  const wanted = process.env.EVENTS && process.env.EVENTS.split(",");
  const answers = [];
  for (const { name, examples: all } of examples.default || examples) {
    if (wanted && !wanted.includes(name)) continue;
    for (const [number, example] of all.entries()) {
      const body = JSON.stringify(example);
      const response = await fetch(`${process.env.GATEWAY}/webhooks/github`, {
        method: "POST",
        headers: {
          "content-type": "application/json",
          "x-github-event": name,
          "x-github-delivery": `${name}-${number}`,
          "x-hub-signature-256": await sign(process.env.SECRET, body),
        },
        body,
      });
      const text = await response.text();
      let answer = null;
      try { answer = JSON.parse(text); } catch { answer = { text }; }
      const { action = null, ref = null, deleted = null } = example;
      answers.push({ name, action, ref, deleted, status: response.status, answer });
    }
  }
  console.log(JSON.stringify(answers));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
