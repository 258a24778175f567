// Runs a handler in JavaScript: asks the Lambda Runtime API for events and answers them.

import { existsSync } from "node:fs";
import http from "node:http";
import path from "node:path";
import { pathToFileURL } from "node:url";

const base = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime`;
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

function ask(method, where, body) {
  return new Promise((resolve, reject) => {
    const request = http.request(base + where, { method, agent }, (response) => {
      const parts = [];
      response.on("data", (part) => parts.push(part));
      response.on("error", reject);
      response.on("end", () => resolve([response.headers, Buffer.concat(parts)]));
    });
    request.on("error", reject);
    request.end(body);
  });
}

function described(error) {
  console.error(error);
  const known = error instanceof Error;
  return JSON.stringify({
    errorType: known ? error.name : typeof error,
    errorMessage: known ? error.message : String(error),
    trace: known && error.stack ? error.stack.split("\n").slice(0, 20) : [],
  });
}

async function load() {
  const name = process.env._HANDLER;
  const dot = name.lastIndexOf(".");
  if (dot < 1) throw new Error(`Bad handler ${name}`);
  const file = path.join(process.env.LAMBDA_TASK_ROOT, name.slice(0, dot));
  const found = [".js", ".mjs", ".cjs"].map((end) => file + end).find((each) => existsSync(each));
  if (!found) throw new Error(`Cannot find module '${path.basename(file)}'`);
  const module = await import(pathToFileURL(found));
  const handler = module[name.slice(dot + 1)] ?? module.default?.[name.slice(dot + 1)];
  if (typeof handler !== "function") throw new Error(`${name} is undefined or not exported`);
  return handler;
}

function called(handler, event, context) {
  return new Promise((resolve, reject) => {
    const callback = (error, value) => (error ? reject(error) : resolve(value));
    const answer = handler(event, { ...context, done: callback }, callback);
    if (answer && typeof answer.then === "function") answer.then(resolve, reject);
    else if (handler.length < 3) resolve(answer);
  });
}

let handler;
try {
  handler = await load();
} catch (error) {
  await ask("POST", "/init/error", described(error));
  process.exit(1);
}

for (;;) {
  const [headers, body] = await ask("GET", "/invocation/next");
  const id = headers["lambda-runtime-aws-request-id"];
  const deadline = Number(headers["lambda-runtime-deadline-ms"]);
  process.env._X_AMZN_TRACE_ID = headers["lambda-runtime-trace-id"] ?? "";
  const context = {
    awsRequestId: id,
    invokedFunctionArn: headers["lambda-runtime-invoked-function-arn"],
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    callbackWaitsForEmptyEventLoop: true,
    getRemainingTimeInMillis: () => Math.max(0, deadline - Date.now()),
  };
  let where = "response";
  let answer;
  try {
    const value = await called(handler, JSON.parse(body), context);
    answer = JSON.stringify(value === undefined ? null : value);
  } catch (error) {
    where = "error";
    answer = described(error);
  }
  await ask("POST", `/invocation/${id}/${where}`, answer);
}
