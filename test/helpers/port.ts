import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";

/** Below what systems give to whoever asks for any port, as are those 1,000 above, where a node publishes: nobody takes one by chance. */
const [FIRST, LAST] = [10_000, 31_000];

/** A port of this machine that was free a moment ago. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(FIRST, LAST);
    const probe = createServer().listen(port);
    try {
      await once(probe, "listening");
    } catch {
      // Somebody has it.
      continue;
    }
    probe.close();
    await once(probe, "close");
    return port;
  }
}
