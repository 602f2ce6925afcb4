/** A chat on bare WebSockets: text in, the same JSON to everybody in the room. Keeps nothing. */
import { createServer } from "node:http";
import { type WebSocket, WebSocketServer } from "ws";
import { listen, stamped } from "./stamp.ts";

type Said = { ack: number; join?: string; room: string; body: object };
export type Audience = ReadonlySet<WebSocket>;

/** `tell` is handed each message, encoded, and those who are in its room. */
export function serveWs(tell: (audience: Audience, message: string) => void): void {
  const http = createServer();
  const rooms = new Map<string, Set<WebSocket>>();
  new WebSocketServer({ server: http }).on("connection", socket => {
    const joined = new Set<Set<WebSocket>>();
    socket.on("message", (data: Buffer) => {
      const { ack, join, room, body } = JSON.parse(data.toString()) as Said;
      if (join !== undefined) {
        const audience = rooms.get(join) ?? new Set();
        rooms.set(join, audience.add(socket));
        joined.add(audience);
      } else tell(rooms.get(room) ?? new Set(), JSON.stringify(stamped(room, body)));
      socket.send(`{"ack":${ack},"ok":true}`);
    });
    socket.on("close", () => {
      for (const audience of joined) audience.delete(socket);
    });
  });
  listen(http);
}
