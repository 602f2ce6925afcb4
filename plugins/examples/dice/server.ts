import { randomInt } from "node:crypto";
import { defineServer } from "web-chat/plugin";
import { dice, diceOf } from "./message.ts";

export default defineServer(dice, {
  receive({ dice }) {
    const { count, sides } = diceOf(dice);
    return { dice, rolls: Array.from({ length: count }, () => randomInt(1, sides + 1)) };
  },
});
