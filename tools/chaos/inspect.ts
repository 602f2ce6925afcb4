/** What a node has at the end, by each way to see it. */
import { createReadStream } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { type Envelope, keyOf } from "../../core/envelope.ts";
import type { Message } from "../../core/plugin.ts";
import type { Author } from "./author.ts";
import type { Ledger } from "./ledger.ts";
import type { ChaosNode } from "./node.ts";
import { type Cursor, ROOM, type Session } from "./session.ts";
import { type Breach, type Copy, checkCopies, checkShown, type Shown, show } from "./shown.ts";

const HISTORY_PAGE = 200;
const TRIES = 10;
const AGAIN_MS = 500;

/** `hidden` are copies that are not shown, because another node took the message, too. */
export type Holding = { node: string; digest: string; envelopes: number; shown: number; hidden: number };

type Inspection = { audience: Author; ledger: Ledger; folder: string };

/** Checks a node's messages as it shows them page by page, as it gives them to a cursor, and as it holds them. */
export async function inspect(
  node: ChaosNode,
  { audience, ledger, folder }: Inspection,
): Promise<{ holding: Holding; breaches: Breach[] }> {
  const [pages, resumed] = await insist(async () => {
    const session = await audience.enter(node);
    try {
      return [await history(session), await everything(session)] as const;
    } finally {
      session.close();
    }
  });
  const file = join(folder, `${node.name}.export`);
  await node.exportTo(file);
  const { copies, envelopes } = await readExport(file);
  const breaches = [
    ...checkShown(`history of ${node.name}`, pages, ledger),
    ...checkCopies(`join of ${node.name}`, resumed, ledger),
    ...checkShown(`join of ${node.name}`, show(resumed), ledger),
    ...checkCopies(`export of ${node.name}`, copies, ledger),
    ...checkShown(`export of ${node.name}`, show(copies), ledger),
  ];
  const { digest } = await insist(async () => {
    const health = await node.health();
    if (!health) throw new Error(`${node.name} does not answer`);
    return health;
  });
  const hidden = copies.length - pages.length;
  return { holding: { node: node.name, digest, envelopes, shown: pages.length, hidden }, breaches };
}

/** Does it again where it fails: a machine with much to do is no broken promise. */
export async function insist<Value>(work: () => Promise<Value>): Promise<Value> {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (tries === TRIES) throw error;
      await sleep(AGAIN_MS);
    }
  }
}

async function history(session: Session): Promise<Shown[]> {
  const shown: Shown[] = [];
  for (let before: string | undefined, older = true; older; ) {
    const request = { room: ROOM, limit: HISTORY_PAGE, ...(before !== undefined && { before }) };
    const page = await session.grant<{ messages: Message[]; older: boolean }>("history", request);
    shown.unshift(...page.messages.map(({ id, author, key }) => ({ id, author: author.id, key })));
    older = page.older && page.messages.length > 0;
    before = page.messages[0]?.key;
  }
  return shown;
}

async function everything(session: Session): Promise<Copy[]> {
  const copies: Copy[] = [];
  for (let cursor: Cursor = {}, more = true; more; ) {
    const joined = await session.join(cursor);
    copies.push(
      ...joined.messages.map(({ author, id, origin, n, key }) => ({ author: author.id, id, origin, n, key })),
    );
    ({ cursor, more } = joined);
  }
  return copies;
}

async function readExport(file: string): Promise<{ copies: Copy[]; envelopes: number }> {
  const copies: Copy[] = [];
  let envelopes = 0;
  for await (const line of createInterface({ input: createReadStream(file) })) {
    const fields = JSON.parse(line) as { kind: string } & Envelope;
    if (fields.kind !== "envelope") continue;
    envelopes++;
    const { author, id, origin, n, room } = fields;
    if (room === ROOM) copies.push({ author, id, origin, n, key: keyOf(fields) });
  }
  return { copies, envelopes };
}
