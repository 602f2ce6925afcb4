/** What a mesh takes while nothing happens, and what it delivers with all the load on one of its nodes. */
import { setTimeout as sleep } from "node:timers/promises";
import { gather } from "../load/crowd.ts";
import { meshed } from "../load/pair.ts";
import { check, saturate } from "../load/writing.ts";
import { type Server, startServer } from "../servers/server.ts";
import { type Contender, type Run, Skipped, WEB_CHAT, type Workload } from "../workload.ts";

const SIZES = [1, 2, 4, 8, 16];
const SHORT_SIZE = 2;
const READERS = 50;
/** What starting leaves to be done, above all for the compiler, is over by then. */
const SETTLE_MS = 40_000;
const IDLE_MS = 10_000;

const ofSize = (size: number): Contender => ({ ...WEB_CHAT, name: `${size} ${size === 1 ? "node" : "nodes"}` });
const sizes = new Map(SIZES.map(size => [ofSize(size).name, size]));

export const workload: Workload = {
  letter: "i1",
  title: "1 to 16 nodes on one core",
  contenders: SIZES.map(ofSize),
  rounds: 1,
  figures: [
    { key: "idlePercent", title: "idle CPU of all, % of a core", digits: 2 },
    { key: "idlePercentEach", title: "of a node, %", digits: 2 },
    { key: "idleMb", title: "idle RSS of all, MB" },
    { key: "idleMbEach", title: "of a node, MB" },
    { key: "perSecond", title: "deliveries/s with 50 clients on one" },
  ],
  async measure({ name }, run) {
    const size = sizes.get(name) ?? 1;
    if (run.short && size !== SHORT_SIZE) throw new Skipped("not in the short form");
    const nodes = await startMesh(size, run);
    const [settleMs, idleMs] = run.short ? [0, 200] : [SETTLE_MS, IDLE_MS];
    const [first] = nodes as [Server];
    const crowd = await gather(first, WEB_CHAT, run, { rooms: 1, each: READERS, writers: 8 });
    // So that there is a stream whose end is told.
    await saturate(crowd, { messages: run.short ? 200 : Infinity, inFlight: 256, maxMs: 4_000 });
    await sleep(settleMs);
    const [cpuMs, from] = [sum(nodes, node => node.cpuMs()), performance.now()];
    await sleep(idleMs);
    const idlePercent = ((sum(nodes, node => node.cpuMs()) - cpuMs) / (performance.now() - from)) * 100;
    const idleMb = sum(nodes, node => node.rssBytes() / 1e6);
    const [messages, maxMs] = run.short ? [400, 1_000] : [Infinity, 4_000];
    const { deliveries, ms } = await saturate(crowd, { messages, inFlight: 256, maxMs });
    await check(crowd, run);
    return {
      idlePercent,
      idlePercentEach: idlePercent / nodes.length,
      idleMb,
      idleMbEach: idleMb / nodes.length,
      perSecond: deliveries / (ms / 1_000),
    };
  },
};

/** All name the first. */
async function startMesh(size: number, run: Run): Promise<Server[]> {
  const first = await startServer("web-chat", run);
  const settings = { ZMQ_HOST: `127.0.0.1:${first.zmqPort}` };
  const others = Array.from({ length: size - 1 }, () => startServer("web-chat", run, { settings }));
  const nodes = [first, ...(await Promise.all(others))];
  await meshed(nodes);
  return nodes;
}

function sum(nodes: readonly Server[], of: (node: Server) => number): number {
  return nodes.reduce((sum, node) => sum + of(node), 0);
}
