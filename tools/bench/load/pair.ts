/** Two servers that know each other: who writes is at the one, and who reads at the other. */
import { setTimeout as sleep } from "node:timers/promises";
import { startRedis } from "../servers/redis.ts";
import { cpuMs, type Server, startServer } from "../servers/server.ts";
import type { Contender, Run } from "../workload.ts";
import { type Crowd, connectAll, gather } from "./crowd.ts";

/** `far` is where they read; `cpuMs` says the CPU time of both so far, and of the Redis between them. */
export type Pair = { far: Server; cpuMs: () => number; crowd: Crowd };

const LOOK_EVERY_MS = 20;

/** Starts both, and a Redis where they need one; resolves when all readers and the writer are in one room. */
export async function pair(contender: Contender, run: Run, readers: number): Promise<Pair> {
  const { near, far, cpuMs } = await startBoth(contender, run);
  const crowd = await gather(far, contender, run, { rooms: 1, each: readers, writers: 1 });
  // Somebody who is not among the readers, and whose deliveries do not count: they cross nothing.
  const [client] = await connectAll(near, contender, run, { clients: 1 });
  const [writer] = crowd.writers;
  if (!client || !writer) throw new Error("nobody is there who writes");
  await client.ask("join", { room: writer.room });
  return { far, cpuMs, crowd: { ...crowd, writers: [{ ...writer, client }] } };
}

async function startBoth({ server }: Contender, run: Run): Promise<{ near: Server; far: Server; cpuMs: () => number }> {
  if (server !== "web-chat") {
    const redis = await startRedis(run);
    const options = { redisUrl: redis.url };
    const [near, far] = [await startServer(server, run, options), await startServer(server, run, options)];
    return { near, far, cpuMs: () => near.cpuMs() + far.cpuMs() + cpuMs(redis.pid) };
  }
  const near = await startServer(server, run);
  const far = await startServer(server, run, { settings: { ZMQ_HOST: `127.0.0.1:${near.zmqPort}` } });
  await meshed([near, far]);
  return { near, far, cpuMs: () => near.cpuMs() + far.cpuMs() };
}

/** Resolves when each node has all others as peers that are up. */
export async function meshed(nodes: readonly Server[]): Promise<void> {
  for (const node of nodes)
    while ((await node.metrics()).get("chat_peers_up") !== nodes.length - 1) await sleep(LOOK_EVERY_MS);
}
