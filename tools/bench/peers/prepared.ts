/** No chat at all: frames that were made before, written to everybody when they are asked for. */
import { createServer } from "node:http";
import type { Socket } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import { listen, stamped } from "./stamp.ts";

type Asked = { ack: number; prepare?: { messages: number; perFrame: number; perWrite: number }; go?: true };

const http = createServer();
const sockets = new Set<Socket>();
let writes: Buffer[] = [];

new WebSocketServer({ server: http }).on("connection", (client, { socket }) => {
  sockets.add(socket);
  socket.once("close", () => sockets.delete(socket));
  client.on("message", (data: Buffer) => asked(client, JSON.parse(data.toString()) as Asked));
});
listen(http);

function asked(client: WebSocket, { ack, prepare, go }: Asked): void {
  if (prepare) {
    const texts = Array.from({ length: prepare.messages }, (_, index) =>
      JSON.stringify(stamped("lobby", { text: `~0.${index + 1}~ shall we ship it today? 可以。` })),
    );
    const frames = grouped(texts, prepare.perFrame).map(frame);
    writes = grouped(frames, prepare.perWrite / prepare.perFrame).map(group => Buffer.concat(group));
  }
  client.send(`{"ack":${ack},"ok":true}`);
  if (!go) return;
  const data = writes.shift() ?? "";
  for (const socket of sockets) socket.write(data);
}

function grouped<Item>(items: readonly Item[], size: number): Item[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  );
}

/** A server's text frame, unmasked (RFC 6455, 5.2). */
function frame(texts: readonly string[]): Buffer {
  const payload = Buffer.from(`[${texts.join(",")}]`);
  const header = Buffer.alloc(10);
  header[0] = 0x81;
  header[1] = 127;
  header.writeUIntBE(payload.length, 4, 6);
  return Buffer.concat([header, payload]);
}
