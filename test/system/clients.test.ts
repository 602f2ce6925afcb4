/** The two clients printed in core/PROTOCOL.md, run as they stand there. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type TestContext, test } from "node:test";
import { cleanUp } from "../helpers/cleanup.ts";
import { connect } from "../helpers/client.ts";
import { newNode, temporaryDirectory } from "../helpers/node.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const PYTHON = "/usr/bin/python3";

/** The last code block of that language in the document that has this text. */
function printed(language: string, text = ""): string {
  const document = readFileSync(join(ROOT, "core/PROTOCOL.md"), "utf8");
  const blocks = [...document.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].filter(
    ([, name, code]) => name === language && code?.includes(text),
  );
  return blocks.at(-1)?.[2] as string;
}

async function talks(t: TestContext, command: string, file: string): Promise<void> {
  const node = await newNode(t);
  const ana = await connect(t, node, { name: "Ana" });
  await ana.join("lobby");
  await ana.say("anybody here?");
  const lines: string[] = [];
  const child = spawn(command, [file, node.url, "Bot"], { stdio: ["ignore", "pipe", "pipe"] });
  cleanUp(t, () => child.kill());
  for (const stream of [child.stdout, child.stderr])
    createInterface({ input: stream }).on("line", line => lines.push(line));
  const hello = await ana.until(() => ana.messages().find(({ author }) => author.name === "Bot"));
  assert.deepEqual(hello.body, { text: "Hello from Bot" });
  // The answer comes back over the same connection after the bot was told that its own message is kept.
  await ana.say("welcome");
  const said = () =>
    ["Ana: anybody here?", "kept", "Bot: Hello from Bot", "Ana: welcome"].every(line => lines.includes(line));
  while (!said()) {
    assert.equal(child.exitCode, null, lines.join("\n"));
    await new Promise(resolve => child.stdout.once("data", () => setImmediate(resolve)));
  }
}

test("the JavaScript client of the protocol's page works, in under 20 lines", async t => {
  const code = printed("js");
  assert.ok(code.split("\n").length <= 20);
  const directory = temporaryDirectory(t);
  symlinkSync(join(ROOT, "node_modules"), join(directory, "node_modules"));
  const file = join(directory, "client.mjs");
  writeFileSync(file, code);
  await talks(t, process.execPath, file);
});

test("the Python client of the protocol's page works, in under 20 lines", async t => {
  if (spawnSync(PYTHON, ["-c", "import socketio, requests"]).status !== 0)
    return t.skip("python3 with socketio is not on this machine");
  const code = printed("python");
  assert.ok(code.split("\n").length <= 20);
  const file = join(temporaryDirectory(t), "client.py");
  writeFileSync(file, code);
  await talks(t, PYTHON, file);
});

/** A node under a path, with an authority of its own, and a program that finds it by the lines that the document prints. */
async function finds(t: TestContext, command: string, program: string): Promise<void> {
  const node = await newNode(t, { BASE_PATH: "/chat", TLS: "self-signed" });
  const directory = temporaryDirectory(t);
  symlinkSync(join(ROOT, "node_modules"), join(directory, "node_modules"));
  writeFileSync(join(directory, "ca.crt"), node.authority?.certificate ?? "");
  writeFileSync(join(directory, "client.mjs"), program.replace("https://chat.example:5002", new URL(node.url).origin));
  const { REQUESTS_CA_BUNDLE: _, CURL_CA_BUNDLE: __, ...env } = process.env;
  const child = spawn(command, ["client.mjs"], { cwd: directory, env, stdio: ["ignore", "pipe", "pipe"] });
  cleanUp(t, () => child.kill());
  let said = "";
  for (const stream of [child.stdout, child.stderr]) for await (const chunk of stream) said += chunk;
  assert.match(said, /session-unknown|name-required/, "only the node refuses who says no name");
}

test("the JavaScript lines about TLS and paths find such a node", async t => {
  const lines = printed("js", "ca.crt");
  const rest = `chat.on("connect_error", ({ message, data }) => { console.log(data?.code ?? message); process.exit(); });`;
  const imports = `import { readFileSync } from "node:fs"; import { io } from "socket.io-client";`;
  await finds(t, process.execPath, `${imports}\n${lines}\n${rest}`);
});

test("the Python lines about TLS and paths find such a node", async t => {
  if (spawnSync(PYTHON, ["-c", "import socketio, requests"]).status !== 0)
    return t.skip("python3 with socketio is not on this machine");
  const lines = printed("python", "ca.crt").replace(
    "chat.connect",
    `chat.on("connect_error", lambda data: print(data, flush=True))\nchat.connect`,
  );
  await finds(t, PYTHON, `import requests, socketio\n${lines}`);
});
