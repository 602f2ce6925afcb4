import { defineServer, Reject } from "../../core/plugin.ts";
import redact from "./message.ts";

export default defineServer(redact, {
  async receive(body, { ref, room, from, find }) {
    const message = ref === undefined ? undefined : await find(ref, from.person.id);
    // One that this node does not hold yet may be on its way; the log empties it for its author alone when it arrives.
    if (!message) return body;
    if (message.room !== room) throw new Reject("not-found");
    if (message.author.id !== from.person.id) throw new Reject("not-allowed", "only its author may remove a message");
    return body;
  },
});
