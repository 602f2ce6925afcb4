/** Bare WebSockets: one frame a message and receiver, encoded once. */
import { serveWs } from "./ws-server.ts";

serveWs((audience, message) => {
  const data = Buffer.from(message);
  for (const socket of audience) socket.send(data, { binary: false });
});
