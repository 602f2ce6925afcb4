/** All clients of a node are cut off, and come back at once with their cursors, while somebody goes on writing. */

import { Crowd } from "../load/storm.ts";
import { percentile } from "../load/writing.ts";
import { startServer } from "../servers/server.ts";
import { WEB_CHAT, type Workload } from "../workload.ts";

const FULL = { people: 2_000, rooms: 20, perSecond: 200, awayMs: 3_000 };
const SHORT = { people: 100, rooms: 5, perSecond: 100, awayMs: 300 };
const SETTLE_WITHIN_MS = 30_000;

export const workload: Workload = {
  letter: "f",
  title: "Reconnect storm: 2,000 clients come back at once",
  contenders: [WEB_CHAT],
  figures: [
    { key: "allMs", title: "until all are current, ms" },
    { key: "p50", title: "p50, ms" },
    { key: "cpuMs", title: "server CPU, ms" },
    { key: "idleMb", title: "RSS before, MB" },
    { key: "peakMb", title: "peak RSS, MB" },
    { key: "refused", title: "writes put off" },
  ],
  async measure({ server: name }, run) {
    const server = await startServer(name, run);
    const crowd = await Crowd.gather({ port: server.port, ...(run.short ? SHORT : FULL) });
    const before = { cpuMs: 0, idleMb: 0 };
    const times = await crowd.storm(() => {
      Object.assign(before, { cpuMs: server.cpuMs(), idleMb: server.rssBytes() / 1e6 });
    });
    const [cpuMs, peakMb] = [server.cpuMs() - before.cpuMs, server.peakRssBytes() / 1e6];
    const { behind, lost, doubled, written, refused } = await crowd.settle(SETTLE_WITHIN_MS);
    if (behind > 0) run.fault(`${behind} clients never got all of the ${written} messages`);
    if (lost > 0) run.fault(`${lost} messages were passed over`);
    if (doubled > 0) run.fault(`${doubled} messages were delivered twice`);
    return {
      allMs: percentile(times, 1),
      p50: percentile(times, 0.5),
      cpuMs,
      idleMb: before.idleMb,
      peakMb,
      refused: [...refused.values()].reduce((sum, times) => sum + times, 0),
    };
  },
};
