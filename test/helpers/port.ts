import { once } from "node:events";
import { createServer, type Server } from "node:net";

/**
 * Ports below those that systems give to whoever asks for any: nobody takes one of these by chance, and what is started again finds
 * its own. Each process of the tests has some of its own, in even thousands: a node publishes 1,000 above its port.
 */
const [FIRST, BLOCKS, SIZE] = [10_000, 10, 1_000];
const OWN = 100;
const SHARES = (BLOCKS * SIZE) / OWN;
let first: Promise<number> | undefined;
let next = 0;

/** A port of this machine that is free, and so is the one 1,000 above. */
export async function freePort(): Promise<number> {
  first ??= claim();
  const start = await first;
  for (;;) {
    // The first of them is held.
    const port = start + 1 + (next++ % (OWN - 1));
    if ((await isFree(port)) && (await isFree(port + SIZE))) return port;
  }
}

/** The first port of a share that no other process has: this one listens at it as long as it lives. */
async function claim(): Promise<number> {
  for (let turn = 0; turn < SHARES; turn++) {
    const place = ((process.pid + turn) % SHARES) * OWN;
    const port = FIRST + Math.floor(place / SIZE) * 2 * SIZE + (place % SIZE);
    const guard = await listening(port);
    if (guard === undefined) continue;
    guard.unref();
    return port;
  }
  throw new Error("every share of the ports is taken");
}

async function isFree(port: number): Promise<boolean> {
  const probe = await listening(port);
  if (probe === undefined) return false;
  probe.close();
  await once(probe, "close");
  return true;
}

async function listening(port: number): Promise<Server | undefined> {
  const server = createServer().listen(port);
  try {
    await once(server, "listening");
    return server;
  } catch {
    return undefined;
  }
}
