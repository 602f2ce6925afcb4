/** Nodes whose names come to stand for other addresses while they run: real sockets, and a name server that tests write. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { BlobFiles } from "../../core/blobs/files.ts";
import { Bus } from "../../core/cluster/bus.ts";
import { Cluster } from "../../core/cluster/cluster.ts";
import type { Address } from "../../core/cluster/membership.ts";
import { Log } from "../../core/log/log.ts";
import { realTime, type Time } from "../../core/time.ts";
import { cleanUp } from "../helpers/cleanup.ts";
import { temporaryDirectory } from "../helpers/node.ts";

type Names = Map<string, Address[]>;

/** A node without a page: its log, and its place in the cluster. */
async function member(
  t: TestContext,
  names: Names,
  name: string,
  seeds: string[],
  boot = `${name}'s first run`,
  { hosts, time = realTime, warned }: { hosts?: () => string[]; time?: Time; warned?: (what: string) => void } = {},
) {
  const log = await Log.open(temporaryDirectory(t));
  cleanUp(t, () => log.close());
  const cluster = await Cluster.open({
    self: { id: name, boot, startedAt: 1, name, version: "test", hosts: ["127.0.0.1"] },
    port: 0,
    pubPort: 0,
    keys: [],
    seeds: seeds.map(host => ({ host })),
    async resolve({ host }) {
      const addresses = names.get(host);
      if (!addresses) throw new Error("ENOTFOUND");
      return addresses;
    },
    openBus: Bus.open,
    hosts,
    time,
    log,
    files: await BlobFiles.open(temporaryDirectory(t)),
    heads: await log.heads(),
    forgotten: new Set<string>(),
    logger: { info() {}, warn: (_, what) => warned?.(what) },
    events: {
      signal() {},
      stateChanged() {},
      held() {},
      blobsHeld() {},
      nodesChanged() {},
      early: { mayTell: () => false, tell() {}, takeBack() {} },
      giveUp: async () => {},
      refused() {},
    },
  });
  log.committed = commit => cluster.committed(commit);
  let closed: Promise<void> | undefined;
  const close = () => {
    closed ??= cluster.close();
    return closed;
  };
  cleanUp(t, close);
  return { cluster, close, address: { host: "127.0.0.1", port: cluster.self.port } };
}

const sees = (node: { cluster: Cluster }, name: string) => node.cluster.nodes().some(node => node.name === name);

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise(resolve => setTimeout(resolve, 20));
}

for (const [what, boot] of [
  ["restarted", "bo's second run"],
  ["kept running", "bo's first run"],
])
  test(`a peer that ${what} under another address is found again by its name, though it knows nobody`, async t => {
    const names: Names = new Map();
    const bo = await member(t, names, "bo", []);
    names.set("chat-bo", [bo.address]);
    const ana = await member(t, names, "ana", ["chat-bo"]);
    await until(() => sees(ana, "bo") && sees(bo, "ana"));
    await bo.close();
    await until(() => !sees(ana, "bo"));
    const again = await member(t, names, "bo", [], boot);
    names.set("chat-bo", [again.address]);
    await until(() => sees(ana, "bo") && sees(again, "ana"));
    assert.equal(ana.cluster.peers().length, 1);
  });

test("a name that comes to stand for one node more brings it in", async t => {
  const names: Names = new Map();
  const [bo, cy] = [await member(t, names, "bo", []), await member(t, names, "cy", [])];
  names.set("chat", [bo.address]);
  const ana = await member(t, names, "ana", ["chat", "nobody.invalid"]);
  await until(() => sees(ana, "bo"));
  names.set("chat", [bo.address, cy.address]);
  await until(() => sees(ana, "cy") && sees(cy, "bo"));
});

test("a node whose system does not tell its addresses any more keeps those that it had, and goes on", async t => {
  let lookAround = () => {};
  const every: Time["every"] = (ms, run) => {
    if (ms === 5_000) lookAround = run;
    return realTime.every(ms, run);
  };
  const names: Names = new Map();
  const said: string[] = [];
  const hosts = () => {
    throw Object.assign(new Error("uv_interface_addresses returned Unknown system error 24"), { code: "EMFILE" });
  };
  const options = { hosts, time: { ...realTime, every }, warned: (what: string) => said.push(what) };
  const ana = await member(t, names, "ana", ["chat-bo"], undefined, options);
  const bo = await member(t, names, "bo", []);
  names.set("chat-bo", [bo.address]);
  lookAround();
  await until(() => sees(ana, "bo"));
  assert.deepEqual(ana.cluster.self.hosts, ["127.0.0.1"]);
  assert.ok(said.includes("this machine's addresses cannot be asked for; those of before stay"));
});
