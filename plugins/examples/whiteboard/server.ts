import { defineServer, Reject } from "web-chat/plugin";
import { board, live, stroke, undo } from "./message.ts";

export default [
  defineServer(board, { receive: board => board }),
  defineServer(stroke, {
    async receive(stroke, { ref = "", room, find }) {
      const board = await find(ref);
      // One that this node does not hold may still be on its way from another.
      if (board && (board.type !== "whiteboard" || board.room !== room || board.erased)) throw new Reject("not-found");
      return stroke;
    },
  }),
  defineServer(live, { receive: live => live }),
  defineServer(undo, {
    async receive(undo, { ref = "", room, from, find }) {
      const stroke = await find(ref, from.person.id);
      if (stroke && (stroke.type !== "whiteboard.stroke" || stroke.room !== room)) throw new Reject("not-found");
      if (stroke && stroke.author.id !== from.person.id)
        throw new Reject("not-allowed", "that is somebody else's line");
      return undo;
    },
  }),
];
