/** What the server does with them. Without `receive` nobody could send one. */
import { defineServer, Reject } from "web-chat/plugin";
import { answer, question } from "./message.ts";

export default [
  defineServer(question, { receive: body => body }),
  defineServer(answer, {
    async receive(body, { ref, find }) {
      if (ref === undefined) throw new Reject("invalid", "an answer needs the question that it belongs to");
      const asked = await find(ref);
      // A question that this node does not hold yet may be on its way from another one.
      if (asked && asked.type !== question.type) throw new Reject("invalid", "that is no question");
      return body;
    },
  }),
];
