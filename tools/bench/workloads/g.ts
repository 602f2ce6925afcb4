/** Pages of history, and what is found by its words, out of a million messages, as a client gets them. */
import { statSync } from "node:fs";
import { join } from "node:path";
import type { Message } from "../../../core/plugin.ts";
import { Chance } from "../../chance.ts";
import { fillDirectory, isMark, MARKS, type Place } from "../load/filled.ts";
import { type Answer, Person } from "../load/person.ts";
import { isChinese, textOf } from "../load/texts.ts";
import { percentile } from "../load/writing.ts";
import { scratch, startServer } from "../servers/server.ts";
import { type Figures, type Run, WEB_CHAT, type Workload } from "../workload.ts";

/** As many as a client gets that does not say how many. */
const ROWS = 50;
const KINDS = {
  newest: "newest",
  middle: "before a random one",
  ref: "what refers to one",
  resume: "50 missing",
  words: "search, words",
  typed: "search, as typed",
  chinese: "search, Chinese",
};
type Kind = keyof typeof KINDS;

export const workload: Workload = {
  letter: "g",
  title: "A page of 50, and searches, out of 1,000,000 messages",
  contenders: [WEB_CHAT],
  rounds: 1,
  figures: [
    ...Object.entries(KINDS).flatMap(([key, title]) => [
      { key: `${key}P50`, title: `${title}, p50, ms`, digits: 2 },
      { key: `${key}P99`, title: `p99, ms`, digits: 2 },
    ]),
    { key: "firstMs", title: "the first search, ms" },
    { key: "bytesEach", title: "bytes on disk a message" },
    { key: "indexBytesEach", title: "of the index" },
    { key: "indexUs", title: "the index, a message, µs" },
  ],
  async measure(contender, run) {
    const [messages, pages] = run.short ? [10_000, 20] : [1_000_000, 500];
    const directory = join(scratch(run), "data");
    const { rows, marked, indexUs } = await fillDirectory(directory, messages);
    const server = await startServer(contender.server, run, { settings: { DATA_DIR: directory } });
    const reader = await Person.enter(server.port, { name: "Ana" });
    run.defer(() => reader.cut());
    const random = (places: readonly Place[]) => places[Math.floor(Math.random() * places.length)] as Place;
    // The first ones have fewer before them.
    const middle = rows.slice(rows.length >> 2);
    const asked: Record<Kind, () => Promise<unknown>> = {
      newest: () => page(reader, {}, run),
      middle: () => page(reader, { before: random(middle).key }, run),
      ref: () => page(reader, { ref: random(marked).id }, run),
      resume: () => resume(reader, before, run),
      words: () => search(reader, wordsOf(message(false)), run),
      // Each key stroke of a search that is shown while it is typed.
      typed: () => search(reader, beginningOf(message(false)), run),
      chinese: () => search(reader, partOf(message(true)), run),
    };
    const chance = new Chance(1);
    const message = (inChinese: boolean): string => {
      for (;;) {
        const index = Math.floor(chance.between(0, messages));
        if (isChinese(index) === inChinese && !isMark(index)) return textOf(index);
      }
    };
    const wordsOf = (text: string) => {
      const words = text.split(/\W+/).filter(word => word !== "");
      return chance
        .shuffled(words)
        .slice(0, Math.floor(chance.between(1, 4)))
        .join(" ");
    };
    const beginningOf = (text: string) => {
      const word = chance.one(text.split(/\W+/).filter(word => word.length > 2));
      return word.slice(0, Math.floor(chance.between(3, word.length + 1)));
    };
    const partOf = (text: string) => {
      const length = Math.floor(chance.between(1, 5));
      const from = Math.floor(chance.between(0, text.length - length));
      return text.slice(from, from + length);
    };
    const { cursor } = await reader.ask("join", { room: "lobby" });
    const before = Object.fromEntries(Object.entries(cursor as object).map(([origin, n]) => [origin, n - ROWS]));
    const bytesOf = (file: string) => statSync(join(directory, file)).size / messages;
    const figures: Figures = { bytesEach: bytesOf("log.db"), indexBytesEach: bytesOf("search.db"), indexUs };
    // The thread for it is started when it is needed.
    const from = performance.now();
    await asked.words();
    figures.firstMs = performance.now() - from;
    for (const kind of Object.keys(KINDS) as Kind[]) {
      const times: number[] = [];
      for (let index = 0; index < pages; index++) {
        const from = performance.now();
        await asked[kind]();
        times.push(performance.now() - from);
      }
      figures[`${kind}P50`] = percentile(times, 0.5);
      figures[`${kind}P99`] = percentile(times, 0.99);
    }
    return figures;
  },
};

async function page(reader: Person, request: { ref?: string; before?: string }, run: Run): Promise<void> {
  const {
    ok,
    code,
    messages = [],
  } = (await reader.ask("history", { room: "lobby", ...request })) as Answer & {
    messages?: Message[];
  };
  if (!ok) return run.fault(`a page was refused: ${code}`);
  const isWanted = ({ role }: Message) => (role === "mark") === (request.ref !== undefined);
  const [found, wanted] = [messages.filter(isWanted).length, request.ref === undefined ? ROWS : MARKS];
  if (found !== wanted) run.fault(`a page has ${found} messages in place of ${wanted}`);
}

/** Comes back with a cursor that so many messages came after. */
async function resume(reader: Person, cursor: Record<string, number>, run: Run): Promise<void> {
  const { ok, code, messages } = await reader.ask("join", { room: "lobby", cursor });
  const found = ok ? (messages as Message[]).length : 0;
  if (found !== ROWS) run.fault(`${found} messages were missing in place of ${ROWS}: ${code ?? "ok"}`);
}

/** In all rooms; each finds at least the message that its words are of. */
async function search(reader: Person, query: string, run: Run): Promise<void> {
  const { ok, code, messages, behind } = await reader.ask("search", { query });
  if (!ok) return run.fault(`a search for “${query}” was refused: ${code}`);
  if ((messages as Message[]).length === 0) run.fault(`“${query}” was not found`);
  if (behind !== 0) run.fault(`${behind} messages were not searched`);
}
