/** Bare WebSockets, and what one turn of the event loop brings a room goes out as one frame. */
import { type Audience, serveWs } from "./ws-server.ts";

const waiting = new Map<Audience, string[]>();

serveWs((audience, message) => {
  const messages = waiting.get(audience);
  if (messages) messages.push(message);
  else {
    if (waiting.size === 0) setImmediate(flush);
    waiting.set(audience, [message]);
  }
});

function flush(): void {
  for (const [audience, messages] of waiting) {
    const data = Buffer.from(`[${messages.join(",")}]`);
    for (const socket of audience) socket.send(data, { binary: false });
  }
  waiting.clear();
}
