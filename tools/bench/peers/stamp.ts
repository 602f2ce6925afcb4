/** What every peer has in common. */
import { randomBytes, randomUUID } from "node:crypto";
import type { Server } from "node:http";

/** Of this run of the server, as long as the name of a stream. */
const ORIGIN = randomBytes(10).toString("base64url").slice(0, 16);
let count = 0;

/** A message as receivers get it, with as many bytes as one of web-chat. */
export function stamped(room: string, body: object) {
  const n = ++count;
  const author = { id: "0199a1b2-0000-7000-8000-000000000000", name: "Ana" };
  const at = Date.now();
  const key = `${at.toString(36).padStart(11, "0")}${ORIGIN}${n.toString(36)}`;
  return { type: "text", id: randomUUID(), room, author, at, key, origin: ORIGIN, n, body };
}

/** Serves on a free port and says where; ends at SIGTERM. */
export function listen(http: Server): void {
  http.listen(0, "127.0.0.1", () => {
    const { port } = http.address() as { port: number };
    console.log(JSON.stringify({ url: `http://127.0.0.1:${port}` }));
  });
  process.once("SIGTERM", () => process.exit());
}
