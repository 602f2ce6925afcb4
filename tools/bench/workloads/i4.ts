/** A node that comes to a cluster with nothing, and gets all that there is while people write on both. */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fillDirectory } from "../load/filled.ts";
import { Member } from "../load/member.ts";
import { Writer } from "../load/writer.ts";
import { percentile } from "../load/writing.ts";
import { freePort } from "../servers/redis.ts";
import { type Server, scratch, startServer } from "../servers/server.ts";
import { type Run, WEB_CHAT, type Workload } from "../workload.ts";

const LIVE_PER_SECOND = 25;
/** Being asked costs the nodes time, too. */
const LOOK_EVERY_MS = 250;
/** Catching up has begun by then, which connecting takes long for. */
const BEGUN = 500;
const SAME_WITHIN_MS = 10_000;

export const workload: Workload = {
  letter: "i4",
  title: "A fresh node catches up with 1,000,000 envelopes, 50 live messages a second meanwhile",
  contenders: [WEB_CHAT],
  rounds: 1,
  figures: [
    { key: "perSecond", title: "envelopes/s" },
    { key: "cpuUs", title: "CPU of the fresh node an envelope, µs", digits: 1 },
    { key: "giverCpuUs", title: "of the other, µs", digits: 1 },
    { key: "idleMb", title: "RSS of the fresh node before, MB" },
    { key: "peakMb", title: "peak RSS, MB" },
    { key: "ackP99", title: "p99 of its acks meanwhile, ms", digits: 1 },
  ],
  async measure({ server }, run) {
    const envelopes = run.short ? 10_000 : 1_000_000;
    const directory = join(await scratch(run), "data");
    await fillDirectory(directory, envelopes);
    const zmqPort = String(await freePort());
    // It is there first, and finds nobody: what it takes by itself is known then.
    const fresh = await startServer(server, run, { settings: { ZMQ_HOST: `127.0.0.1:${zmqPort}` } });
    const cy = await Writer.start(fresh.port, { name: "Cy" }, ["lobby"], LIVE_PER_SECOND);
    if (!run.short) await sleep(4_000);
    const idleMb = fresh.rssBytes() / 1e6;
    const full = await startServer(server, run, { settings: { DATA_DIR: directory, ZMQ_PORT: zmqPort } });
    const ana = await Writer.start(full.port, { name: "Ana" }, ["lobby"], LIVE_PER_SECOND);
    const [began, begunAt] = await held(fresh, BEGUN);
    const cpuMs = [fresh.cpuMs(), full.cpuMs()] as const;
    cy.acks.length = 0;
    const [has, hasAt] = await held(fresh, envelopes);
    const caught = has - began;
    const cpuUs = ([fresh, full] as const).map(
      (node, index) => ((node.cpuMs() - (cpuMs[index] ?? 0)) * 1_000) / caught,
    );
    await Promise.all([cy.stop(), ana.stop()]);
    await compare(fresh, full, run);
    return {
      perSecond: caught / ((hasAt - begunAt) / 1_000),
      cpuUs: cpuUs[0] ?? 0,
      giverCpuUs: cpuUs[1] ?? 0,
      idleMb,
      peakMb: fresh.peakRssBytes() / 1e6,
      ackP99: percentile(cy.acks, 0.99),
    };
  },
};

/** Both have to show the same room, without gaps. */
async function compare(fresh: Server, full: Server, run: Run): Promise<void> {
  const [here, there] = [new Member({ name: "Di" }, "lobby", "all"), new Member({ name: "Ed" }, "lobby", "all")];
  await there.come(full.port);
  await here.come(fresh.port);
  for (const until = performance.now() + SAME_WITHIN_MS; here.count < there.count && performance.now() < until; )
    await sleep(LOOK_EVERY_MS);
  if (here.count !== there.count)
    run.fault(`the fresh node shows ${here.count} messages, and the other ${there.count}`);
  for (const { lost, doubled } of [here.faults, there.faults])
    if (lost + doubled > 0) run.fault(`${lost} messages were passed over, ${doubled} came twice`);
  here.cut();
  there.cut();
}

/** Resolves when the node holds at least that many envelopes: with how many it holds, and when that was. */
async function held(node: Server, wanted: number): Promise<[number, number]> {
  for (;;) {
    const count = (await node.metrics()).get("chat_envelopes_committed_total") ?? 0;
    if (count >= wanted) return [count, performance.now()];
    await sleep(LOOK_EVERY_MS);
  }
}
