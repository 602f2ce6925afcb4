import { once } from "node:events";
import { createServer } from "node:net";

/**
 * Ports below those that systems give to whoever asks for any: nobody takes one of these by chance, and what is started again finds
 * its own. Each process of the tests has some of its own, in even thousands: a node publishes 1,000 above its port.
 */
const [FIRST, BLOCKS, SIZE] = [10_000, 10, 1_000];
const OWN = 50;
const first = (process.pid % ((BLOCKS * SIZE) / OWN)) * OWN;
let next = 0;

/** A port of this machine that is free, and so is the one 1,000 above. */
export async function freePort(): Promise<number> {
  for (;;) {
    const place = first + (next++ % OWN);
    const port = FIRST + Math.floor(place / SIZE) * 2 * SIZE + (place % SIZE);
    if ((await isFree(port)) && (await isFree(port + SIZE))) return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const probe = createServer().listen(port);
  try {
    await once(probe, "listening");
  } catch {
    return false;
  }
  probe.close();
  await once(probe, "close");
  return true;
}
