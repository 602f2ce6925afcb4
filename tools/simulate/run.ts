/** One world from its seed to its end: trouble for a while, then peace and judgement, and again. */

import { mkdtempSync, rmSync } from "node:fs";
import { createRequire, syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { BLOB_PART_BYTES } from "../../core/cluster/frames.ts";
import type { AckMode } from "../../core/config.ts";
import {
  checkDoubles,
  checkFiles,
  checkKept,
  checkOrder,
  checkPresence,
  checkShown,
  checkTimely,
  holdingOf,
} from "./checks.ts";
import { Client } from "./client.ts";
import { Disk } from "./disk.ts";
import { Ledger, type Sent } from "./ledger.ts";
import type { Mutant } from "./mutants.ts";
import { Network } from "./network.ts";
import { Node } from "./node.ts";
import type { Random } from "./random.ts";
import { World } from "./world.ts";

export type Outcome = { steps: number; problems: string[]; figures: Figures; trace: readonly string[] };
export type Figures = Record<
  "messages" | "files" | "acked" | "crashes" | "cuts" | "restores" | "losses" | "judgements",
  number
>;

/** A slot for a node: its disk stays when it dies. */
type Berth = { host: string; disk: Disk; node: Node | undefined; boots: number; skewMs: number };

const ROOM = "lobby";
/** The part of all messages that have a file, and what such a file has at most: it comes in some parts. */
const FILES = 0.3;
const MAX_FILE_BYTES = 3 * BLOB_PART_BYTES;
const SMALL_SKEW_MS = 29_000;
const LARGE_SKEW_MS = 3_600_000;
/** How long nodes that can talk to each other may take until all hold the same. */
const HEAL_WITHIN_MS = 90_000;
/** State of the cluster after that: no ghosts and nobody missing. */
const PRESENT_WITHIN_MS = 5_000;

export class Run {
  readonly #world: World;
  readonly #network: Network;
  readonly #ledger = new Ledger(sent => this.#acked(sent));
  readonly #berths: Berth[] = [];
  readonly #clients: Client[] = [];
  readonly #problems: string[] = [];
  readonly #isOrderPromised: boolean;
  readonly #ack: AckMode;
  readonly #hasFiles: boolean;
  /** Machines that may still be lost in this trouble, or else whether backups are put in place: a second copy is for one of them. */
  #losses = 0;
  #restores = true;
  readonly figures: Figures = {
    messages: 0,
    files: 0,
    acked: 0,
    crashes: 0,
    cuts: 0,
    restores: 0,
    losses: 0,
    judgements: 0,
  };

  private constructor(seed: number, folder: string, tracing: boolean) {
    this.#world = new World(seed, { tracing });
    this.#network = new Network(this.#world);
    const { random } = this.#world;
    const nodes = 3 + random.below(5);
    // Promise 3 is one among clocks within a minute of each other.
    this.#isOrderPromised = random.chance(0.7);
    this.#ack = random.pick(["local", "peer"]);
    // Not of chance: worlds of before there were files stay as they were.
    this.#hasFiles = seed % 4 === 2;
    const skew = this.#isOrderPromised ? SMALL_SKEW_MS : LARGE_SKEW_MS;
    for (let index = 0; index < nodes; index++) {
      const host = `n${index}`;
      const disk = new Disk(this.#world, join(folder, host), this.#hasFiles);
      this.#berths.push({ host, disk, node: undefined, boots: 0, skewMs: random.between(-skew, skew) });
    }
    for (let index = 0; index < nodes + 1; index++)
      this.#clients.push(new Client(this.#world, this.#ledger, `p${index}`, ROOM));
  }

  /** Runs a world for about so many steps, or until something is wrong. */
  static async of(
    seed: number,
    steps: number,
    { tracing = false, mutant = undefined as Mutant | undefined } = {},
  ): Promise<Outcome> {
    const folder = mkdtempSync("/dev/shm/web-chat-simulate-");
    const run = new Run(seed, folder, tracing);
    const restoreChance = ownChance(run.#world.random);
    mutant?.begin(run.#network);
    try {
      await run.#live(steps);
    } catch (error) {
      run.#problems.push(`threw ${(error as Error).stack}`);
    } finally {
      mutant?.end();
      restoreChance();
      for (const { disk } of run.#berths) disk.close();
      rmSync(folder, { recursive: true });
    }
    run.figures.messages = run.#ledger.sent.size;
    run.figures.acked = run.#ledger.owed().length;
    return { steps: run.#world.steps, problems: run.#problems, figures: run.figures, trace: run.#world.lines };
  }

  async #live(steps: number): Promise<void> {
    for (const berth of this.#berths) await this.#start(berth);
    await this.#world.pass(3_000);
    while (this.#world.steps < steps && this.#problems.length === 0) {
      await this.#trouble(this.#world.random.between(5_000, 40_000));
      await this.#heal();
    }
  }

  // What goes wrong

  async #trouble(ms: number): Promise<void> {
    const { random } = this.#world;
    this.#network.weather = {
      lossy: random.pick([0, 0.01, 0.1, 0.3]),
      doubled: random.pick([0, 0.05, 0.3]),
      slowMs: random.pick([2, 30, 400]),
    };
    for (const { disk } of this.#berths) disk.slowMs = random.pick([1, 1, 5, 60]);
    this.#losses = this.#ack === "peer" && random.chance(0.5) ? 1 : 0;
    this.#restores = this.#losses === 0;
    const until = this.#world.now + ms;
    const pace = random.pick([20, 100, 400]);
    while (this.#world.now < until) {
      await this.#world.pass(random.between(0, pace));
      await this.#happen();
    }
  }

  async #happen(): Promise<void> {
    const { random } = this.#world;
    const chance = random.next();
    if (chance < 0.7) this.#write(random.pick(this.#clients));
    else if (chance < 0.82) this.#hop(random.pick(this.#clients));
    else if (chance < 0.86) random.pick(this.#clients).disconnect();
    else if (chance < 0.9) await this.#crashOrStart(random.pick(this.#berths));
    else if (chance < 0.94) this.#cut();
    else if (chance < 0.96) this.#network.heal();
    else if (chance < 0.975) this.#fill(random.pick(this.#berths));
    else if (chance < 0.99) random.pick(this.#berths).disk.backUp();
    else if (this.#losses > 0) await this.#lose(random.pick(this.#berths));
    else if (this.#restores) await this.#restore(random.pick(this.#berths));
  }

  #write(client: Client): void {
    const { random } = this.#world;
    const isFile = this.#hasFiles && random.chance(FILES);
    client.write(this.#newId(), isFile ? fileOf(random) : undefined);
    if (isFile) this.figures.files++;
  }

  /** Under ACK=peer an ack says that a second node holds the file, too. */
  #acked({ id, file }: Sent): void {
    if (file === undefined || this.#ack === "local") return;
    const holders = this.#berths.filter(({ disk }) => disk.files.has(file));
    if (holders.length < 2) this.#problems.push(`${id} was acked while its file was on ${holders.length} disk`);
  }

  #newId(): string {
    const hex = Array.from({ length: 32 }, () => this.#world.random.below(16).toString(16)).join("");
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-7${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20)}`;
  }

  #hop(client: Client): void {
    const up = this.#berths.flatMap(({ node }) => node ?? []);
    if (up.length > 0) client.connect(this.#world.random.pick(up));
  }

  async #crashOrStart(berth: Berth): Promise<void> {
    if (berth.node) this.#crash(berth);
    else await this.#start(berth);
  }

  #crash(berth: Berth): void {
    if (!berth.node) return;
    this.figures.crashes++;
    this.#world.trace(() => `${berth.host} dies`);
    berth.node.life.alive = false;
    berth.node = undefined;
    berth.disk.crash();
    for (const client of this.#clients) if (!client.node) client.disconnect();
  }

  async #start(berth: Berth): Promise<void> {
    const { random } = this.#world;
    const { host, disk, skewMs } = berth;
    this.#world.trace(() => `${host} starts`);
    // One address is enough; who starts again remembers the others.
    const seeds = [this.#berths[0]?.host ?? host];
    const starting = Node.start(this.#world, this.#network, disk, {
      host,
      seeds,
      skewMs,
      boot: berth.boots++,
      ack: this.#ack,
    });
    let started = false;
    starting.then(
      node => {
        berth.node = node;
        started = true;
      },
      error => {
        this.#problems.push(`${host} does not start: ${(error as Error).stack}`);
        started = true;
      },
    );
    while (!started) await this.#world.step();
    if (random.chance(0.5)) this.#hop(random.pick(this.#clients));
  }

  #cut(): void {
    const { random } = this.#world;
    this.figures.cuts++;
    const [one, other] = [random.pick(this.#berths).host, random.pick(this.#berths).host];
    this.#world.trace(() => `the link of ${one} and ${other} is cut`);
    this.#network.cut(one, other);
    if (random.chance(0.7)) this.#network.cut(other, one);
  }

  #fill({ host, disk }: Berth): void {
    disk.full = true;
    this.#world.trace(() => `the disk of ${host} is full`);
    this.#world.after(this.#world.random.between(10, 5_000), this.#world.forever, () => {
      disk.full = false;
    });
  }

  /** A machine is gone with its disk; another one takes its place. */
  async #lose(berth: Berth): Promise<void> {
    this.#losses--;
    this.#crash(berth);
    this.#ledger.displace(berth.disk.copies());
    berth.disk.replace();
    this.figures.losses++;
    this.#world.trace(() => `the disk of ${berth.host} is lost`);
    await this.#start(berth);
  }

  async #restore(berth: Berth): Promise<void> {
    if (!berth.disk.hasBackup) return;
    this.#crash(berth);
    const held = berth.disk.copies();
    const files = berth.disk.files.hashes;
    berth.disk.restore();
    this.#ledger.loseFiles(files, new Set(this.#berths.flatMap(({ disk }) => disk.files.hashes)));
    this.#ledger.lose(held, new Set(this.#berths.flatMap(({ disk }) => [...disk.copies()])));
    this.figures.restores++;
    this.#world.trace(() => `the backup of ${berth.host} is put in place`);
    const isParted = this.#world.random.chance(0.5);
    if (isParted) for (const { host } of this.#berths) this.#network.part(berth.host, host);
    await this.#start(berth);
    if (isParted) await this.#branch(berth);
  }

  /** A restored node that nobody tells what it wrote before waits for a while, and writes a branch. */
  async #branch({ node }: Berth): Promise<void> {
    const client = this.#world.random.pick(this.#clients);
    if (node) client.connect(node);
    for (let count = this.#world.random.below(4); count >= 0; count--) this.#write(client);
    await this.#world.pass(this.#world.random.between(2_000, 5_000));
  }

  // Peace, and what must hold then

  async #heal(): Promise<void> {
    this.#world.trace(() => "peace");
    this.#network.heal();
    for (const berth of this.#berths) {
      berth.disk.full = false;
      berth.disk.slowMs = 2;
      if (!berth.node) await this.#start(berth);
    }
    for (const client of this.#clients) if (!client.node) this.#hop(client);
    const until = this.#world.now + HEAL_WITHIN_MS;
    while (this.#world.now < until && !this.#isAtRest()) await this.#world.pass(500);
    // Nothing is sent any more: what is lost now, only heads can tell.
    await this.#world.pass(PRESENT_WITHIN_MS);
    this.#judge();
  }

  #isAtRest(): boolean {
    const digests = new Set(this.#berths.map(({ disk }) => disk.store.digest()));
    const isWhole = () => this.#berths.every(({ host, disk }) => checkFiles(host, disk, this.#ledger).length === 0);
    return digests.size === 1 && this.#clients.every(({ isIdle }) => isIdle) && isWhole();
  }

  #judge(): void {
    this.figures.judgements++;
    const holdings = this.#berths.map(({ host, disk }) => holdingOf(host, disk, [ROOM]));
    const there = this.#clients.map(({ person, node }) => `${person.id}@${node?.host}`).sort();
    for (const client of this.#clients) if (!client.isIdle) this.#problems.push(`${client.person.name} still waits`);
    this.#problems.push(...checkKept(holdings, this.#ledger), ...checkTimely(this.#clients));
    for (const holding of holdings) this.#problems.push(...checkDoubles(holding));
    for (const { host, disk } of this.#berths) this.#problems.push(...checkFiles(host, disk, this.#ledger));
    for (const holding of holdings.slice(0, 1)) {
      if (this.#isOrderPromised) this.#problems.push(...checkOrder(holding, this.#ledger));
      this.#problems.push(...checkShown(holding, this.#clients, this.#ledger));
    }
    for (const { host, node } of this.#berths)
      this.#problems.push(...checkPresence(host, node?.present() ?? [], there));
    this.#world.trace(() => (this.#problems.length > 0 ? this.#problems.join("\n") : "all is well"));
  }
}

/** Most are small. */
function fileOf(random: Random): Uint8Array {
  const bytes = Buffer.alloc(1 + random.below(random.chance(0.1) ? MAX_FILE_BYTES : 1_000));
  random.fill(bytes.subarray(0, 64));
  return bytes;
}

/** What the nodes take from the system's chance comes from the seed, too, so that a run can be repeated. */
function ownChance(random: Random): () => void {
  const crypto = createRequire(import.meta.url)("node:crypto") as { randomBytes: unknown; randomFillSync: unknown };
  const { randomBytes, randomFillSync } = crypto;
  const fill = (bytes: Uint8Array) => {
    random.fill(bytes);
    return bytes;
  };
  Object.assign(crypto, { randomBytes: (size: number) => fill(Buffer.alloc(size)), randomFillSync: fill });
  syncBuiltinESMExports();
  return () => {
    Object.assign(crypto, { randomBytes, randomFillSync });
    syncBuiltinESMExports();
  };
}
