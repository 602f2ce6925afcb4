/** What has to hold once all nodes can talk to each other again; each check says in words what does not. */
import type { Store } from "../../core/log/store.ts";
import type { Client } from "./client.ts";
import type { Disk } from "./disk.ts";
import type { Ledger, Sent } from "./ledger.ts";

/** What a node holds. */
export type Holding = { host: string; disk: Disk; digest: string; rooms: Map<string, Shown[]> };
type Shown = { id: string; author: string };

export function holdingOf(host: string, disk: Disk, rooms: readonly string[]): Holding {
  const shown = rooms.map(room => [room, messagesIn(disk.store, room)] as const);
  return { host, disk, digest: disk.store.digest(), rooms: new Map(shown) };
}

/** All messages of a room that count, as people page through them, oldest first. */
function messagesIn(store: Store, room: string): Shown[] {
  const upTo = store.lastPos();
  const found: Shown[] = [];
  for (let before: string | undefined, older = true; older; ) {
    const page = store.page(room, before === undefined ? {} : { before }, PAGE, upTo);
    const rows = page.envelopes.filter(({ role }) => role === "row").map(({ id, author }) => ({ id, author }));
    found.unshift(...rows);
    before = rows[0]?.id;
    older = page.older && rows.length > 0;
  }
  return found;
}

/** Promises 1 and 2: every acked message is there exactly once, on every node alike. */
export function checkKept(holdings: readonly Holding[], ledger: Ledger): string[] {
  const problems: string[] = [];
  if (new Set(holdings.map(({ digest }) => digest)).size > 1) problems.push("the nodes hold different logs");
  for (const { host, rooms } of holdings) {
    const counts = new Map<string, number>();
    for (const { id, author } of [...rooms.values()].flat()) {
      counts.set(id, (counts.get(id) ?? 0) + 1);
      if (ledger.sent.get(id)?.author !== author) problems.push(`${host} shows ${id}, which ${author} never sent`);
    }
    for (const { id, author } of ledger.owed())
      if (!counts.has(id)) problems.push(`${host} lacks what ${author} was acked: ${id}`);
    for (const [id, count] of counts) if (count > 1) problems.push(`${host} shows ${id} ${count} times`);
  }
  return problems;
}

/** Promise 1 for files: whatever a log refers to is on that node's disk. */
export function checkFiles(host: string, disk: Disk, ledger: Ledger): string[] {
  const lacking = [...disk.wanted()].filter(hash => !disk.files.has(hash) && !ledger.lostFiles.has(hash));
  return lacking.map(hash => `${host} lacks the file ${hash}`);
}

/** No stream holds a message twice, however often it was sent. */
export function checkDoubles({ host, disk }: Holding): string[] {
  return disk.doubles().map(({ id, origin }) => `${host}: the stream ${origin} holds ${id} twice`);
}

/** Promise 3: an author's messages stand in the order of sending. */
export function checkOrder({ host, rooms }: Holding, ledger: Ledger): string[] {
  const numbers = new Map([...ledger.sent.keys()].map((id, index) => [id, index]));
  const problems: string[] = [];
  for (const shown of rooms.values()) {
    const last = new Map<string, Sent["id"]>();
    for (const { id, author } of shown) {
      if (ledger.displaced.has(id) || ledger.forgiven.has(id)) continue;
      const before = last.get(author);
      if (before && (numbers.get(before) ?? 0) > (numbers.get(id) ?? 0))
        problems.push(`${host}: ${author} sent ${id} before ${before}`);
      last.set(author, id);
    }
  }
  return problems;
}

/** Promise 4: a page that kept its cursor through all of it shows what the log holds, and nothing else. */
export function checkShown({ rooms }: Holding, clients: readonly Client[], ledger: Ledger): string[] {
  return clients.flatMap(({ person, shown, room }) => {
    const there = new Set(rooms.get(room)?.map(({ id }) => id));
    return [
      ...[...there].filter(id => !shown.has(id)).map(id => `${person.name} does not see ${id}`),
      // What was lost with the only disk that held it may stand on a page for as long as nobody says otherwise.
      ...[...shown.keys()]
        .filter(id => !there.has(id) && !ledger.forgiven.has(id))
        .map(id => `${person.name} sees ${id}, which is not in the log`),
    ];
  });
}

/** What comes live comes once, and in the order of its stream. */
export function checkTimely(clients: readonly Client[]): string[] {
  return clients.flatMap(({ person, untimely }) => untimely.map(what => `${person.name} was told ${what}`));
}

/** Every node sees exactly those people who are connected, where they are: no ghosts, nobody missing. */
export function checkPresence(host: string, seen: readonly string[], there: readonly string[]): string[] {
  return [
    ...seen.filter(person => !there.includes(person)).map(person => `${host} sees a ghost: ${person}`),
    ...there.filter(person => !seen.includes(person)).map(person => `${host} does not see ${person}`),
  ];
}

const PAGE = 200;
