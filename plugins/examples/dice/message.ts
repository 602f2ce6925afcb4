/** A throw of dice: a person says which, and the server throws them. */
import { defineMessage, Reject } from "web-chat/plugin";

export type Throw = { dice: string };
export type Thrown = { dice: string; rolls: number[] };

const MAX_DICE = 20;
const MAX_SIDES = 100;

export const dice = defineMessage<Throw, Thrown>({
  type: "dice",
  version: 1,
  kind: "log",
  // What a browser sends has no rolls: should there be any, they are left out.
  parse(input) {
    const { count, sides } = diceOf(Object(input).dice);
    return { dice: `${count}d${sides}` };
  },
  // What a server sends, and what the disk holds, has them.
  check(body) {
    const { dice, rolls } = Object(body);
    const { count, sides } = diceOf(dice);
    const isRoll = (roll: unknown) => Number.isInteger(roll) && Number(roll) >= 1 && Number(roll) <= sides;
    if (!Array.isArray(rolls) || rolls.length !== count || !Array.from(rolls).every(isRoll))
      throw new Reject("invalid", "those dice cannot fall like that");
    return { dice: `${count}d${sides}`, rolls };
  },
  summary: thrown => `${thrown.dice}: ${thrown.rolls.join(" + ")} = ${sum(thrown)}`,
});

/** What `2d6` says: two dice of six sides each. */
export function diceOf(text: unknown): { count: number; sides: number } {
  const [, count, sides] = /^(\d{1,2})?d(\d{1,3})$/i.exec(typeof text === "string" ? text.trim() : "") ?? [];
  const said = { count: Number(count ?? 1), sides: Number(sides) };
  if (!(said.count >= 1 && said.count <= MAX_DICE && said.sides >= 2 && said.sides <= MAX_SIDES))
    throw new Reject("invalid", `dice are written 2d6: at most ${MAX_DICE}, with 2 to ${MAX_SIDES} sides`);
  return said;
}

export function sum({ rolls }: Thrown): number {
  return rolls.reduce((sum, roll) => sum + roll, 0);
}
