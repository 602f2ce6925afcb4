/** One fault run: three nodes, people who write and read, faults, and what is there when all is well again. */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Chance } from "../chance.ts";
import { Author } from "./author.ts";
import { ChaosCluster } from "./cluster.ts";
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
const FINISH_WITHIN_MS = 15_000;
const KNOWN_WITHIN_MS = 20_000;
const POLL_MS = 50;

/** Resolves with what came out; `open` is told how to undo whatever was made on the machine. */
export async function run(options: RunOptions, open: AsyncDisposableStack): Promise<Result> {
  const { seconds, seed, say } = options;
  const { cluster, disk } = await openNodes(options, open);
  if (!disk) say("disk full: skipped, since mounting a small file system needs root");
  const small = disk ? cluster.nodes.length - 1 : undefined;
  const planned = plan({ seconds, seed, nodes: cluster.nodes.length, small });
  const ledger = new Ledger(join(options.folder, "writes.jsonl"));
  open.defer(() => ledger.close());
  const people = await gather(cluster.nodes, ledger, new Chance(seed));
  const { writers, readers } = people;
  for (const part of [...readers, ...writers]) part.start();
  const faults = new Faults({ cluster, disk, ...people }, happened => say(line(happened)));
  await Promise.all([faults.perform(planned), sleep(seconds * 1_000)]);

  await Promise.all(writers.map(writer => writer.stop(FINISH_WITHIN_MS)));
  const convergedMs = await cluster.converged();
  await Promise.all(readers.map(reader => insist(() => reader.finish())));
  const breaches: Breach[] = [
    ...faults.unrepaired.map(where => ({ where, what: "nothing stood in the way, and its last message did not come" })),
    ...(convergedMs === undefined
      ? [{ where: "the cluster", what: "all was well, and the digests stayed different" }]
      : []),
    ...peopleSay(people, ledger),
  ];
  const holdings: Holding[] = [];
  for (const node of cluster.nodes) {
    const found = await inspect(node, { audience: people.audience, ledger, folder: options.folder });
    holdings.push(found.holding);
    breaches.push(...found.breaches);
  }
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

type People = {
  writers: Writer[];
  readers: Reader[];
  /** For each node, who writes there what a fault is about. */
  publishers: Author[];
  /** Whom the readers sign in as. */
  audience: Author;
};

/** Resolves when every node knows all of them. */
async function gather(nodes: readonly ChaosNode[], ledger: Ledger, chance: Chance): Promise<People> {
  const authors = Array.from({ length: nodes.length * WRITERS_A_NODE }, (_, at) => new Author(`Author ${at}`, ledger));
  const publishers = nodes.map(({ name }) => new Author(`Publisher of ${name}`, ledger));
  const audience = new Author("Reader", ledger);
  for (const author of [...authors, ...publishers, audience]) await introduce(author, nodes);
  const ownChance = () => new Chance(chance.next() * 2 ** 32);
  const { token } = audience;
  return {
    writers: authors.map((author, at) => new Writer(author, nodes, nodes[at % nodes.length] as ChaosNode, ownChance())),
    readers: nodes.map(home => new Reader(home, { nodes, token, chance: ownChance() })),
    publishers,
    audience,
  };
}

async function introduce(author: Author, nodes: readonly ChaosNode[]): Promise<void> {
  const until = performance.now() + KNOWN_WITHIN_MS;
  await insist(() => author.claim(nodes[0] as ChaosNode));
  for (const node of nodes)
    while (!(await author.isKnownAt(node))) {
      if (performance.now() > until) throw new Error(`${node.name} does not come to know who has signed in elsewhere`);
      await sleep(POLL_MS);
    }
}

/** What readers lack or saw twice, and whatever was odd. */
function peopleSay({ writers, readers, publishers, audience }: People, ledger: Ledger): Breach[] {
  const everybody = [...writers.map(({ author }) => author), ...publishers, audience, ...readers];
  return [
    ...readers.flatMap(({ name, copies }) => [
      ...checkCopies(name, copies, ledger),
      ...checkShown(name, show(copies), ledger),
    ]),
    ...everybody.flatMap(({ name, oddities }) => oddities.map(what => ({ where: name, what }))),
  ];
}

async function openNodes(
  { seconds, folder, program, wires: kind, ack, keeps, say }: RunOptions,
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
  say(`${nodes.length} nodes, each with a wire to the others through ${wires.what}`);
  return { cluster: new ChaosCluster(nodes, wires), disk };
}

function line({ what, node, fromMs, toMs, healedMs }: Happened): string {
  const seconds = (ms: number) => (ms / 1_000).toFixed(1);
  const healed = healedMs === undefined ? "did not catch up" : `caught up ${seconds(healedMs)} s later`;
  return `${seconds(fromMs).padStart(6)} – ${seconds(toMs).padStart(5)} s  ${node}: ${what}; ${healed}`;
}
