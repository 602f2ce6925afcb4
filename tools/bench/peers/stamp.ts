/** What every peer has in common. */
import { randomUUID } from "node:crypto";
import type { Server } from "node:http";

let count = 0;

/** A message as receivers get it, about as long as one of web-chat. */
export function stamped(room: string, body: object) {
  const n = ++count;
  const author = { id: "0199a1b2-0000-7000-8000-000000000000", name: "Ana" };
  return { type: "text", role: "row", id: randomUUID(), room, author, at: Date.now(), n, body };
}

/** Serves on a free port and says where; ends at SIGTERM. */
export function listen(http: Server): void {
  http.listen(0, "127.0.0.1", () => {
    const { port } = http.address() as { port: number };
    console.log(JSON.stringify({ url: `http://127.0.0.1:${port}` }));
  });
  process.once("SIGTERM", () => process.exit());
}
