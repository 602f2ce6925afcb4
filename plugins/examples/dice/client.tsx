import { defineClient, type Message, Reject, type Shell } from "web-chat/plugin";
import { dice, diceOf, sum, type Throw, type Thrown } from "./message.ts";
import "./client.css";

/** Where the pips of a die lie, on a grid of three by three. */
const PIPS = ["e", "ai", "aei", "acgi", "acegi", "acdfgi"];

function Die({ roll, sides }: { roll: number; sides: number }) {
  if (sides !== 6) return <b class="die">{roll}</b>;
  return (
    <svg class="die" viewBox="0 0 32 32" aria-hidden="true">
      {[...(PIPS[roll - 1] ?? "")].map(place => {
        const at = "abcdefghi".indexOf(place);
        return <circle key={place} cx={8 + 8 * (at % 3)} cy={8 + 8 * Math.floor(at / 3)} r="2.8" />;
      })}
    </svg>
  );
}

type RowProps = { shell: Shell<Throw, Thrown>; message: Message<Thrown> & { body: Thrown } };

function Row({ shell, message: { body } }: RowProps) {
  const { sides } = diceOf(body.dice);
  return (
    <p class="throw" role="img" aria-label={shell.t("thrown", { dice: body.dice, sum: sum(body) })}>
      {body.rolls.map((roll, at) => (
        <Die key={at} roll={roll} sides={sides} />
      ))}
      <span class="quiet">{body.dice}</span>
      <strong>{sum(body)}</strong>
    </p>
  );
}

export default defineClient(dice, {
  Row,
  command: {
    takes: "takes",
    label: "throw",
    run(text, room, shell) {
      try {
        diceOf(text || "1d6");
      } catch {
        throw new Reject("invalid", shell.t("rule"));
      }
      shell.send({ dice: text || "1d6" }, { room });
    },
  },
  strings: {
    en: {
      throw: "Throw dice",
      takes: "2d6",
      thrown: "{dice} thrown: {sum}",
      rule: "Dice are written 2d6: at most 20 of them, with 2 to 100 sides.",
    },
    zh: {
      throw: "掷骰子",
      takes: "2d6",
      thrown: "掷 {dice}：{sum}",
      rule: "骰子写作 2d6：最多 20 颗，每颗 2 到 100 面。",
    },
  },
});
