/** What a chat on Socket.IO does at the least: join a room, say something in it, hear what is said. Keeps nothing. */
import { createServer } from "node:http";
import { Server, type ServerOptions, type Socket } from "socket.io";
import { listen, stamped } from "./stamp.ts";

type Ack = (answer: object) => void;

export function serveSocketIo(options: Partial<ServerOptions> = {}): void {
  const http = createServer();
  const io = new Server(http, { ...options, serveClient: false, transports: ["websocket", "polling"] });
  io.on("connection", (socket: Socket) => {
    socket.on("join", async ({ room }: { room: string }, ack: Ack) => {
      await socket.join(room);
      ack({ ok: true });
    });
    socket.on("text", ({ room, body }: { room: string; body: object }, ack: Ack) => {
      const message = stamped(room, body);
      io.to(room).emit("text", message);
      ack({ ok: true, id: message.id, at: message.at });
    });
  });
  listen(http);
}
