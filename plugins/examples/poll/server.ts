import { defineServer, Reject } from "web-chat/plugin";
import { type Poll, poll, vote } from "./message.ts";

export default [
  defineServer(poll, { receive: poll => poll }),
  defineServer(vote, {
    async receive(vote, { ref = "", room, find }) {
      const asked = await find(ref);
      // One that this node does not hold may still be on its way from another.
      if (!asked) return vote;
      if (asked.type !== "poll" || asked.room !== room || asked.erased) throw new Reject("not-found");
      // What a newer version of this plugin made it cannot read.
      const { answers } = (asked.body ?? {}) as Partial<Poll>;
      if (answers && (vote.choice ?? 0) >= answers.length) throw new Reject("invalid", "the poll has no such answer");
      return vote;
    },
  }),
];
