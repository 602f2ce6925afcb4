/** A node that cannot start says why in one line and ends; so does one that is asked for what it does not know. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type TestContext, test } from "node:test";
import { MIGRATIONS } from "../../core/log/schema.ts";
import type { Given } from "../../core/settings.ts";
import { cleanUp } from "../helpers/cleanup.ts";
import { newNode, runNode, spawnNode, temporaryDirectory } from "../helpers/node.ts";

async function taken(t: TestContext): Promise<number> {
  const server = createServer().listen(0);
  cleanUp(t, () => server.close());
  await new Promise(resolve => server.once("listening", resolve));
  return (server.address() as { port: number }).port;
}

const cases: { what: string; code: string; says: RegExp; settings(t: TestContext): Given | Promise<Given> }[] = [
  {
    what: "a port in use",
    code: "port-in-use",
    says: /port \d+ is in use: set PORT/,
    settings: async t => ({ PORT: String(await taken(t)), ZMQ_PORT: "0" }),
  },
  {
    what: "a bus port in use",
    code: "port-in-use",
    says: /bus port \d+ is in use: set ZMQ_PORT/,
    settings: async t => {
      const port = await taken(t);
      return port <= 64_535 ? { ZMQ_PORT: String(port) } : { ZMQ_PORT: String((await newNode(t)).zmqPort) };
    },
  },
  {
    what: "a port that is none",
    code: "config-invalid",
    says: /PORT is “eighty”/,
    settings: () => ({ PORT: "eighty" }),
  },
  {
    what: "a bus port that is the page's own",
    code: "config-invalid",
    says: /ZMQ_PORT is “5065”/,
    settings: () => ({ PORT: "5065", ZMQ_PORT: "5065" }),
  },
  {
    what: "a node name with a line break",
    code: "config-invalid",
    says: /NODE_NAME/,
    settings: () => ({ NODE_NAME: "a\nb" }),
  },
  {
    what: "peers that are none",
    code: "config-invalid",
    says: /ZMQ_HOST is “a b c”/,
    settings: () => ({ ZMQ_HOST: "a b c" }),
  },
  {
    what: "a data directory that is a file",
    code: "data-dir",
    says: /set DATA_DIR/,
    settings: t => {
      const path = join(temporaryDirectory(t), "file");
      writeFileSync(path, "not a directory");
      return { DATA_DIR: path };
    },
  },
  {
    what: "a database that is damaged",
    code: "database-corrupt",
    says: /is damaged/,
    settings: t => {
      const directory = temporaryDirectory(t);
      writeFileSync(join(directory, "log.db"), Buffer.alloc(64 * 1024, "junk"));
      return { DATA_DIR: directory };
    },
  },
  {
    what: "a database of a newer version",
    code: "database-newer",
    says: /version 4711/,
    settings: t => {
      const directory = temporaryDirectory(t);
      const db = new DatabaseSync(join(directory, "log.db"));
      db.exec("PRAGMA user_version = 4711");
      db.close();
      return { DATA_DIR: directory };
    },
  },
  {
    what: "a data directory where another node runs",
    code: "data-dir-busy",
    says: /another node runs/,
    settings: async t => ({ DATA_DIR: (await newNode(t)).dataDir }),
  },
];

for (const { what, code, says, settings } of cases)
  test(`${what} is said in one line, and the exit code is 1`, async t => {
    const given = await settings(t);
    const node = runNode({ PORT: "0", HOST: "127.0.0.1", DATA_DIR: given.DATA_DIR ?? temporaryDirectory(t), ...given });
    cleanUp(t, () => node.kill("SIGKILL"));
    assert.equal(await node.ended, 1);
    const said = node.lines.filter(line => line.startsWith("web-chat: "));
    assert.equal(said.length, 1, node.lines.join("\n"));
    assert.match(said[0] as string, says);
    assert.ok(said[0]?.endsWith(`[${code}]`), said[0]);
    assert.ok(!node.lines.some(line => line.includes("    at ")), "no stack");
  });

test("a peer that does not resolve is named in the log, and the node serves all the same", async t => {
  const node = await spawnNode(t, { ZMQ_HOST: "no-such-host.invalid" });
  await node.logged("host-unknown");
  await node.ready();
  assert.ok(node.lines.some(line => line.includes("no-such-host.invalid")));
});

test("a directory without a database gets one, with its version, and keeps it", async t => {
  const directory = join(temporaryDirectory(t), "deep", "er");
  mkdirSync(join(directory, ".."), { recursive: true });
  const node = await newNode(t, { DATA_DIR: directory });
  await node.stop();
  const db = new DatabaseSync(join(directory, "log.db"), { readOnly: true });
  assert.equal(db.prepare("PRAGMA user_version").get()?.user_version, MIGRATIONS.length);
  db.close();
  const again = await newNode(t, { DATA_DIR: directory });
  assert.equal(again.id, node.id);
});
