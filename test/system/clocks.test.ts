/** Nodes whose machines' clocks differ. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { MAX_DRIFT_MS, millisecondsOf } from "../../core/clock.ts";
import { realTime, type Time } from "../../core/time.ts";
import { connect } from "../helpers/client.ts";
import { converged, newNode, peer } from "../helpers/node.ts";

const HOUR_MS = 3_600_000;

const shifted = (ms: number): Time => ({ ...realTime, wall: () => Date.now() + ms });

/** Two nodes, the second on a machine whose clock is that far ahead; what the first has warned of. */
async function apart(t: TestContext, ms: number) {
  const warnings: [object, string][] = [];
  const logger = {
    info() {},
    error() {},
    warn: (details: object, message: string) => void warnings.push([details, message]),
  };
  const here = await newNode(t, { NODE_NAME: "here" }, undefined, logger);
  const there = await newNode(t, { NODE_NAME: "there", ...peer(here) }, undefined, undefined, shifted(ms));
  await there.ready;
  return { here, there, clocks: () => warnings.filter(([, message]) => message.includes("clock")) };
}

type Peer = { name: string; clockMs: number | null };

async function peersOf(node: { url: string }): Promise<Peer[]> {
  const { peers } = (await (await fetch(`${node.url}/healthz`)).json()) as { peers: Peer[] };
  return peers;
}

/** How far a peer's clock is ahead, as soon as that is known. */
async function aheadOf(node: { url: string }): Promise<number> {
  for (;;) {
    const [found] = await peersOf(node);
    if (typeof found?.clockMs === "number") return found.clockMs;
    await new Promise(resolve => setTimeout(resolve, 20));
  }
}

const isAbout = (ms: number, expected: number) =>
  assert.ok(Math.abs(ms - expected) < 5_000, `${ms} is not about ${expected}`);

test("what a peer writes whose clock is an hour ahead is taken as it is, and drags no clock further than a minute", async t => {
  const { here, there } = await apart(t, HOUR_MS);
  const ana = await connect(t, here, { name: "Ana" });
  await ana.join("lobby");
  const early = await ana.say("before anything came from there");
  isAbout(early.at, Date.now());
  const bo = await connect(t, there, { name: "Bo" });
  await bo.join("lobby");
  const far = await bo.say("from an hour ahead");
  isAbout(far.at, Date.now() + HOUR_MS);
  await ana.until(() => ana.messages().find(({ id }) => id === far.id));
  await converged(here, there);
  const stored = await here.log.find(far.id);
  assert.equal(millisecondsOf(stored?.hlc ?? 0), far.at, "as it was written");
  const next = await ana.say("here");
  assert.ok(next.at <= Date.now() + MAX_DRIFT_MS, `${next.at - Date.now()} ms ahead`);
  assert.ok(next.at > early.at);
  // Nor does a restart: a clock goes on from what its own node wrote.
  await here.stop();
  const again = await newNode(t, { NODE_NAME: "here", DATA_DIR: here.dataDir });
  await again.ready;
  const back = await connect(t, again, { token: ana.welcome.token, after: far.key });
  await back.join("lobby");
  const last = await back.say("here again");
  assert.ok(last.at >= next.at && last.at <= Date.now() + MAX_DRIFT_MS, `${last.at - Date.now()} ms ahead`);
  await converged(again, there);
});

test("nodes say of each other how far their clocks are apart, and warn of it once", async t => {
  const { here, there, clocks } = await apart(t, HOUR_MS);
  isAbout(await aheadOf(here), HOUR_MS);
  isAbout(await aheadOf(there), -HOUR_MS);
  const ana = await connect(t, here, { name: "Ana" });
  await ana.until(() => {
    const status = [...ana.state.values()].find(({ type, body }) => type === "status" && body?.name === "here");
    return (status?.body?.peers as Peer[] | undefined)?.find(({ name, clockMs }) => name === "there" && clockMs);
  });
  const warned = clocks();
  assert.equal(warned.length, 1);
  const [details, message] = warned[0] as [{ peer: string; clockMs: number }, string];
  assert.equal(message, "the clock of a peer and this node's are more than 60 s apart: set the one that is wrong");
  assert.equal(details.peer, "there");
  isAbout(details.clockMs, HOUR_MS);
});

test("clocks a few seconds apart are nothing to warn of", async t => {
  const { here, clocks } = await apart(t, 20_000);
  isAbout(await aheadOf(here), 20_000);
  assert.deepEqual(clocks(), []);
});
