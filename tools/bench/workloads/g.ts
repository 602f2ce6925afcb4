/** Pages of history out of a million messages, as a client gets them. */
import { statSync } from "node:fs";
import { join } from "node:path";
import type { Message } from "../../../core/plugin.ts";
import { fillDirectory, MARKS, type Place } from "../load/filled.ts";
import { type Answer, Person } from "../load/person.ts";
import { percentile } from "../load/writing.ts";
import { scratch, startServer } from "../servers/server.ts";
import { type Figures, type Run, WEB_CHAT, type Workload } from "../workload.ts";

/** As many as a client gets that does not say how many. */
const ROWS = 50;
const KINDS = { newest: "newest", middle: "before a random one", ref: "what refers to one", resume: "50 missing" };
type Kind = keyof typeof KINDS;

export const workload: Workload = {
  letter: "g",
  title: "A page of 50 out of 1,000,000 messages",
  contenders: [WEB_CHAT],
  rounds: 1,
  figures: [
    ...Object.entries(KINDS).flatMap(([key, title]) => [
      { key: `${key}P50`, title: `${title}, p50, ms`, digits: 2 },
      { key: `${key}P99`, title: `p99, ms`, digits: 2 },
    ]),
    { key: "bytesEach", title: "bytes on disk a message" },
  ],
  async measure(contender, run) {
    const [messages, pages] = run.short ? [10_000, 20] : [1_000_000, 500];
    const directory = join(scratch(run), "data");
    const { rows, marked } = await fillDirectory(directory, messages);
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
    };
    const { cursor } = await reader.ask("join", { room: "lobby" });
    const before = Object.fromEntries(Object.entries(cursor as object).map(([origin, n]) => [origin, n - ROWS]));
    const figures: Figures = { bytesEach: statSync(join(directory, "log.db")).size / messages };
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
