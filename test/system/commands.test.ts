/** What the command line says and how it ends, run as people run it. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createTcpServer, type Server } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import about from "../../package.json" with { type: "json" };
import { cleanUp } from "../helpers/cleanup.ts";
import { connect } from "../helpers/client.ts";
import { command, newNode, runCommand, runNode, spawnNode, temporaryDirectory } from "../helpers/node.ts";

async function listening(t: TestContext, server: Server): Promise<string> {
  server.listen(0, "127.0.0.1");
  cleanUp(t, () => server.close());
  await new Promise(resolve => server.once("listening", resolve));
  return `http://127.0.0.1:${(server.address() as { port: number }).port}`;
}

test("the help fits a terminal of 80 columns, and lists every command", async () => {
  const { code, output } = await runCommand(["help"]);
  assert.equal(code, 0);
  for (const line of output.split("\n")) assert.ok(line.length <= 80, line);
  for (const command of [
    "serve",
    "health",
    "version",
    "licenses",
    "export",
    "import",
    "backup",
    "erase",
    "forget",
    "digest",
    "help",
  ])
    assert.match(output, new RegExp(`^  ${command}\\b`, "m"));
});

test("the version is that of package.json, for people and for programs", async () => {
  assert.equal((await runCommand(["version"])).output, `web-chat ${about.version}`);
  assert.equal((await runCommand(["--version"])).output, `web-chat ${about.version}`);
  const { version, types, node } = JSON.parse((await runCommand(["version", "--json"])).output);
  assert.deepEqual([version, node, types.text], [about.version, process.version, 1]);
});

test("from source it prints its own licence, and says where those of the packages are", async () => {
  const { code, output } = await runCommand(["licenses"]);
  assert.equal(code, 0);
  assert.ok(output.startsWith(readFileSync(join(import.meta.dirname, "../../LICENSE"), "utf8").trimEnd()), output);
  assert.match(output, /runs from source: each package in .*node_modules has its own licence/);
});

for (const [what, words, says] of [
  ["a command", ["helth"], /no command “helth”; the nearest is “health”/],
  ["a flag", ["--zmq-hots", "x"], /unknown option '--zmq-hots'\n\(Did you mean --zmq-host\?\)/],
  ["a flag of a command", ["version", "--jsno"], /Did you mean --json\?/],
] as const)
  test(`${what} that there is not is refused, with the nearest one`, async () => {
    const { code, output } = await runCommand(words);
    assert.equal(code, 1);
    assert.match(output, says);
    assert.ok(output.startsWith("web-chat: "), output);
  });

test("a word more than a command takes is refused", async () => {
  for (const words of [
    ["version", "x"],
    ["health", "http://127.0.0.1:1", "x"],
    ["export", "-", "x"],
  ]) {
    const { code, output } = await runCommand(words);
    assert.equal(code, 1, words[0]);
    assert.match(output, /^web-chat: too many arguments for '\w+'/);
  }
});

test("a setting of the config file that there is not is refused, with the nearest one", async t => {
  const path = join(temporaryDirectory(t), "config.json");
  writeFileSync(path, '{ "zmq-hots": "chat-b" }');
  const { code, output } = await runCommand(["--config", path]);
  assert.equal(code, 1);
  assert.match(output, /no setting “zmq-hots”; the nearest is “zmq-host” \[config-invalid\]$/);
});

test("a node takes its settings from flags, environment and config file, in this order", async t => {
  const path = join(temporaryDirectory(t), "config.json");
  writeFileSync(path, '{ "node-name": "file", "rate-limit": 3 }');
  const node = await spawnNode(
    t,
    { NODE_NAME: "environment", RATE_LIMIT: "" },
    [],
    ["serve", "--config", path, "--node-name", "flag"],
  );
  const { welcome } = await connect(t, node, { name: "Ana" });
  assert.equal(welcome.node.name, "flag");
  assert.equal(welcome.limits.messagesPerSecond, 3);
});

test("a variable that is nearly a setting is warned of", async t => {
  const node = await spawnNode(t, { ZMQ_HOSTS: "chat-b" } as object);
  await node.logged("ZMQ_HOSTS is no setting: ZMQ_HOST may be meant");
});

test("health ends with 0 where a node is ready: one by its address, or the one on this machine", async t => {
  const { url, port } = await newNode(t, { HOST: "" });
  assert.deepEqual(await runCommand(["health", url]), { code: 0, output: `${url} is ready` });
  assert.deepEqual(await runCommand(["health", `${url}/`]), { code: 0, output: `${url} is ready` });
  assert.equal((await runCommand(["health", "--port", String(port)])).code, 0);
  assert.equal((await runCommand(["health"], { PORT: String(port) })).code, 0);
});

test("health ends with 1 and says why where nobody listens, where somebody else does, and where nobody answers", async t => {
  const other = await listening(
    t,
    createServer((_, response) => response.writeHead(404).end()),
  );
  const silent = await listening(
    t,
    createTcpServer(socket => cleanUp(t, () => socket.destroy())),
  );
  const gone = await newNode(t);
  await gone.stop();
  for (const [url, says] of [
    [gone.url, /does not answer.*\[unreachable\]/],
    [other, /answers 404 \[not-ready\]/],
    [silent, /nothing came within 5 s \[unreachable\]/],
    ["ftp://host", /no http or https URL \[config-invalid\]/],
    ["localhost", /no http or https URL \[config-invalid\]/],
  ] as const) {
    const { code, output } = await runCommand(["health", url]);
    assert.equal(code, 1, url);
    assert.match(output, says);
    assert.ok(!output.includes("\n"), output);
  }
});

test("a terminal is greeted and told in words what happens; a file gets lines of JSON", async t => {
  if (spawnSync("script", ["--version"]).error) return t.skip("there is no `script` here to make a terminal");
  const dataDir = temporaryDirectory(t);
  // A shell that stayed between them would die of Ctrl+C itself, and tell that as the end of the node.
  const command = `exec ${process.execPath} ${join(import.meta.dirname, "../../core/main.ts")}`;
  const terminal = spawn("script", ["--quiet", "--return", "--flush", "--command", command, "/dev/null"], {
    env: {
      PATH: process.env.PATH,
      PORT: "0",
      HOST: "127.0.0.1",
      DATA_DIR: dataDir,
      TERM: "xterm",
      NODE_NAME: "kitchen",
    },
  });
  cleanUp(t, () => terminal.kill("SIGKILL"));
  let shown = "";
  let isStopped = false;
  terminal.stdout.on("data", (data: Buffer) => {
    shown += data;
    if (isStopped || !/ready/.test(shown)) return;
    isStopped = true;
    // Ctrl+C, as it comes from a keyboard.
    terminal.stdin.write("\x03");
  });
  const [code] = await once(terminal, "close");
  assert.equal(code, 0, shown);
  assert.match(shown, new RegExp(`web-chat ${about.version}`));
  assert.match(shown, /Open {5}http:\/\/localhost:\d+/);
  assert.match(shown, /Cluster {2}kitchen alone/);
  assert.ok(shown.includes(dataDir));
  assert.match(shown, /the bus is open/);
  assert.match(shown, /stopped/);
  assert.ok(!shown.includes('{"level"'), shown);

  const node = await spawnNode(t, { NODE_NAME: "kitchen" });
  await node.ready();
  for (const line of node.lines) assert.equal(typeof JSON.parse(line), "object");
});

test("a command whose answer cannot be written ends with 1, and says so in one line", async t => {
  if (process.platform !== "linux") return t.skip("/dev/full is on Linux");
  const { dataDir } = await newNode(t);
  const toFull = ["sh", "-c", 'exec "$@" > /dev/full', "sh"];
  for (const words of [["version"], ["digest"], ["export", "-"]]) {
    const { ended, lines } = runNode({ DATA_DIR: dataDir }, toFull, words);
    assert.equal(await ended, 1, words.join(" "));
    assert.deepEqual(lines, ["web-chat: the standard output: the disk is full [no-space]"], words.join(" "));
  }
});

test("a node whose log cannot be written serves all the same, and ends when it is told to", async t => {
  if (process.platform !== "linux") return t.skip("/dev/full is on Linux");
  const dataDir = temporaryDirectory(t);
  const full = openSync("/dev/full", "w");
  const node = spawn(process.execPath, [join(import.meta.dirname, "../../core/main.ts")], {
    env: { PATH: process.env.PATH, PORT: "0", HOST: "127.0.0.1", DATA_DIR: dataDir },
    stdio: ["ignore", full, "inherit"],
  });
  closeSync(full);
  cleanUp(t, () => node.kill("SIGKILL"));
  const ended = once(node, "exit");
  while (node.exitCode === null && !existsSync(join(dataDir, "control.sock")))
    await new Promise(resolve => setTimeout(resolve, 20));
  assert.equal((await command(dataDir, "digest")).code, 0);
  node.kill("SIGTERM");
  assert.deepEqual(await ended, [0, null]);
});

test("SIGUSR1 opens no debugger", async t => {
  if (process.platform === "win32") return t.skip("there is no such signal on Windows");
  const node = await spawnNode(t);
  await node.ready();
  node.process.kill("SIGUSR1");
  await new Promise(resolve => setTimeout(resolve, 300));
  assert.equal(await node.kill("SIGTERM"), 0);
  assert.ok(!node.lines.some(line => line.includes("Debugger")), node.lines.join("\n"));
});
