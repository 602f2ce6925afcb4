/** One fault run: three nodes, people who write and read, faults, and what is there when all is well again. */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Author } from "./author.ts";
import { Chance } from "./chance.ts";
import { Disk } from "./disk.ts";
import { Faults, type Happened } from "./faults.ts";
import { type Holding, insist, inspect } from "./inspect.ts";
import { Ledger } from "./ledger.ts";
import { ChaosNode } from "./node.ts";
import { Reader } from "./reader.ts";
import { plan } from "./schedule.ts";
import { type Breach, checkCopies, checkShown, show } from "./shown.ts";
import { openWires } from "./wires.ts";
import { Writer } from "./writer.ts";

export type RunOptions = {
  seconds: number;
  seed: number;
  /** For the data, the nodes' lines and the log of what was written. */
  folder: string;
  program: string | undefined;
  wires: "relay" | undefined;
  ack: string | undefined;
  /** Whether the nodes' data is to stay in the folder; asked at the end. */
  keeps(): boolean;
  /** A line for whoever watches. */
  say(line: string): void;
};

export type Result = {
  acked: number;
  unknown: number;
  silences: number;
  refused: ReadonlyMap<string, number>;
  happened: readonly Happened[];
  holdings: Holding[];
  readers: { name: string; shown: number; joins: number; holes: number; resets: number; lags: number }[];
  /** From the end of the last fault, with nobody writing; undefined where the digests stayed different. */
  convergedMs: number | undefined;
  breaches: Breach[];
};

const NAMES = ["a", "b", "c"];
const WRITERS_A_NODE = 3;
const CONVERGE_WITHIN_MS = 60_000;
const FINISH_WITHIN_MS = 15_000;
const KNOWN_WITHIN_MS = 20_000;
const POLL_MS = 50;

/** Resolves with what came out; `open` is told how to undo whatever was made on the machine. */
export async function run(options: RunOptions, open: AsyncDisposableStack): Promise<Result> {
  const { seconds, seed, say } = options;
  const chance = new Chance(seed);
  const ledger = new Ledger(join(options.folder, "writes.jsonl"));
  const { nodes, wires, disk } = await openNodes(options, open);
  say(`${nodes.length} nodes, each with a wire to the others through ${wires.what}`);
  if (!disk) say("disk full: skipped, since mounting a small file system needs root");
  const planned = plan({ seconds, seed, nodes: nodes.length, small: disk ? nodes.length - 1 : undefined });
  const authors = Array.from({ length: nodes.length * WRITERS_A_NODE }, (_, at) => new Author(`Author ${at}`, ledger));
  const publishers = nodes.map(({ name }) => new Author(`Publisher of ${name}`, ledger));
  const audience = new Author("Reader", ledger);
  await introduce([...authors, ...publishers, audience], nodes);
  const { token } = audience;
  const writers = authors.map((author, at) => {
    const home = nodes[at % nodes.length] as ChaosNode;
    return new Writer(author, nodes, home, new Chance(chance.next() * 2 ** 32));
  });
  const readers = nodes.map(home => new Reader(home, { nodes, token, chance: new Chance(chance.next() * 2 ** 32) }));
  for (const part of [...readers, ...writers]) part.start();
  const faults = new Faults({ nodes, wires, disk, writers, publishers }, happened => say(line(happened)));
  await Promise.all([faults.perform(planned), sleep(seconds * 1_000)]);

  await Promise.all(writers.map(writer => writer.stop(FINISH_WITHIN_MS)));
  const convergedMs = await converged(nodes);
  await Promise.all(readers.map(reader => insist(() => reader.finish())));
  const breaches: Breach[] = faults.unrepaired.map(node => ({
    where: node,
    what: `its last message did not come to the others, although nothing stood in the way any more`,
  }));
  if (convergedMs === undefined)
    breaches.push({
      where: "the cluster",
      what: `the digests differ ${CONVERGE_WITHIN_MS / 1_000} s after all was well`,
    });
  const holdings: Holding[] = [];
  for (const node of nodes) {
    const { holding, breaches: found } = await inspect(node, { audience, ledger, folder: options.folder });
    holdings.push(holding);
    breaches.push(...found);
  }
  for (const { name, copies, oddities } of readers) {
    breaches.push(...checkCopies(name, copies, ledger), ...checkShown(name, show(copies), ledger));
    breaches.push(...oddities.map(what => ({ where: name, what })));
  }
  for (const { name, oddities } of [...authors, ...publishers, audience])
    breaches.push(...oddities.map(what => ({ where: name, what })));
  await ledger.close();
  return {
    acked: ledger.count("acked"),
    unknown: ledger.count("unknown"),
    silences: ledger.silences,
    refused: ledger.refused,
    happened: faults.happened,
    holdings,
    readers: readers.map(({ name, copies, counts }) => ({ name, shown: show(copies).length, ...counts })),
    convergedMs,
    breaches,
  };
}

async function openNodes(
  { seconds, folder, program, wires: kind, ack, keeps }: RunOptions,
  open: AsyncDisposableStack,
) {
  const wires = await openWires(NAMES.length, kind);
  open.defer(() => wires.close());
  if (program !== undefined && wires.places.some(({ flags }) => flags.length > 0))
    throw new Error("another program needs network namespaces: run this as root");
  // What is written in that time has to fit, and what SQLite needs besides.
  const disk = Disk.mount(join(folder, NAMES.at(-1) as string), 48 + Math.ceil(seconds / 2));
  if (disk) open.defer(() => disk.unmount(keeps()));
  const settings = {
    CLUSTER_SECRET: randomBytes(16).toString("hex"),
    RATE_LIMIT: "0",
    CLAIM_LIMIT: "0",
    ...(ack !== undefined && { ACK: ack }),
  };
  const nodes = wires.places.map((place, at) => {
    const name = NAMES[at] as string;
    const paths = { dataDir: join(folder, name, "data"), logFile: join(folder, `${name}.log`) };
    const node = new ChaosNode({ name, place, program, settings, ...paths });
    open.defer(() => node.close());
    return node;
  });
  await Promise.all(nodes.map(node => node.start()));
  return { nodes, wires, disk };
}

/** Resolves when every node knows all of them. */
async function introduce(authors: readonly Author[], nodes: readonly ChaosNode[]): Promise<void> {
  const until = performance.now() + KNOWN_WITHIN_MS;
  for (const author of authors) {
    await insist(() => author.claim(nodes[0] as ChaosNode));
    for (const node of nodes)
      while (!(await author.isKnownAt(node))) {
        if (performance.now() > until)
          throw new Error(`${node.name} does not come to know who has signed in elsewhere`);
        await sleep(POLL_MS);
      }
  }
}

/** How long until all nodes have the same digest, in ms; undefined where they do not come to it. */
async function converged(nodes: readonly ChaosNode[]): Promise<number | undefined> {
  const startedAt = performance.now();
  while (performance.now() - startedAt < CONVERGE_WITHIN_MS) {
    const digests = await Promise.all(nodes.map(async node => (await node.health())?.digest));
    if (digests[0] !== undefined && new Set(digests).size === 1) return performance.now() - startedAt;
    await sleep(POLL_MS);
  }
  return undefined;
}

function line({ what, node, fromMs, toMs, healedMs }: Happened): string {
  const seconds = (ms: number) => (ms / 1_000).toFixed(1);
  const healed = healedMs === undefined ? "did not catch up" : `caught up ${seconds(healedMs)} s later`;
  return `${seconds(fromMs).padStart(6)} – ${seconds(toMs).padStart(5)} s  ${node}: ${what}; ${healed}`;
}
