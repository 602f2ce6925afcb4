/** Two servers that know each other: who writes is at the one, and who reads at the other. */
import { setTimeout as sleep } from "node:timers/promises";
import { startRedis } from "../servers/redis.ts";
import { type Server, startServer } from "../servers/server.ts";
import { type Contender, type Run, Skipped, WEB_CHAT } from "../workload.ts";
import { type Crowd, connectAll, gather } from "./crowd.ts";

export type Pair = { near: Server; far: Server; crowd: Crowd };

const LOOK_EVERY_MS = 20;

/** Starts both, and a Redis where they need one; resolves when all readers and the writer are in one room. */
export async function pair(contender: Contender, run: Run, readers: number): Promise<Pair> {
  if (run.short && contender !== WEB_CHAT) throw new Skipped("not in the short form");
  const [near, far] = await startBoth(contender, run);
  const crowd = await gather(far, contender, run, { rooms: 1, each: readers, writers: 1 });
  // Somebody who is not among the readers, and whose deliveries do not count: they cross nothing.
  const [client] = await connectAll(near, contender, run, { clients: 1 });
  const [writer] = crowd.writers;
  if (!client || !writer) throw new Error("nobody is there who writes");
  await client.ask("join", { room: writer.room });
  return { near, far, crowd: { ...crowd, writers: [{ ...writer, client }] } };
}

async function startBoth({ server }: Contender, run: Run): Promise<[Server, Server]> {
  if (server !== "web-chat") {
    const redis = await startRedis(run);
    const options = { redisUrl: redis.url };
    return [await startServer(server, run, options), await startServer(server, run, options)];
  }
  const near = await startServer(server, run);
  const far = await startServer(server, run, { settings: { ZMQ_HOST: `127.0.0.1:${near.zmqPort}` } });
  await meshed([near, far]);
  return [near, far];
}

/** Resolves when each node has all others as peers that are up. */
export async function meshed(nodes: readonly Server[]): Promise<void> {
  for (const node of nodes)
    while ((await node.metrics()).get("chat_peers_up") !== nodes.length - 1) await sleep(LOOK_EVERY_MS);
}
