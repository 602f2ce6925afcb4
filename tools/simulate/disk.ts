/** A simulated node's disk: a real database in a folder of its own, which outlives the node, may fill up, and is restored. */
import { copyFileSync, existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Reject } from "../../core/errors.ts";
import type { Caller } from "../../core/log/log.ts";
import { Store } from "../../core/log/store.ts";
import { Files } from "./files.ts";
import type { Life, World } from "./world.ts";

/** For each of a peer's envelopes. */
const YIELD_CHANCE = 0.05;

export class Disk {
  readonly #world: World;
  readonly #folder: string;
  readonly #path: string;
  store: Store;
  full = false;
  readonly files = new Files(() => this.full);
  readonly #hasFiles: boolean;
  /** Milliseconds that a call takes at most. */
  slowMs = 5;

  /** Where nobody sends files the log is not looked through for them: worlds of before there were any stay as they were. */
  constructor(world: World, folder: string, hasFiles: boolean) {
    this.#world = world;
    this.#hasFiles = hasFiles;
    this.#folder = folder;
    mkdirSync(folder, { recursive: true });
    this.#path = join(folder, "log.db");
    this.store = this.#open();
  }

  #open(): Store {
    // Whether somebody waits for a commit depends on threads: here it is chance.
    return new Store(this.#path, { mayYield: () => this.#world.random.chance(YIELD_CHANCE) });
  }

  /** The store as a thread of its own has it: calls take their time, and come about in their order. */
  caller(life: Life): Caller {
    let free = 0;
    let told = 0;
    const call = (name: string, args: unknown[]) => {
      if (name === "blobsReferenced" && !this.#hasFiles) return Promise.resolve([]);
      return new Promise<unknown>((resolve, reject) => {
        const { now, random } = this.#world;
        free = Math.max(free, now + random.between(0.05, this.slowMs));
        this.#world.after(free - now, life, () => {
          try {
            const value = this.#perform(name, args);
            // Between the commit and the word of it the node may die.
            told = Math.max(told, this.#world.now + random.between(0, 1));
            this.#world.after(told - this.#world.now, life, () => resolve(value));
          } catch (error) {
            reject(error);
          }
        });
      });
    };
    return { call: (name, ...args) => call(name, args) as never, hurry() {}, close: async () => {}, hasEnded: false };
  }

  #perform(name: string, args: unknown[]): unknown {
    if (this.full && (name === "appendPacked" || name === "take" || name === "set")) throw new Reject("no-space");
    const method = this.store[name as keyof Store] as (...args: unknown[]) => unknown;
    return structuredClone(method.apply(this.store, args));
  }

  /** Whatever was not committed is gone. */
  crash(): void {
    this.store.close();
    this.store = this.#open();
  }

  /** An empty one takes its place. */
  replace(): void {
    this.store.close();
    for (const suffix of ["", "-wal", "-shm"]) rmSync(this.#path + suffix, { force: true });
    rmSync(this.#backup, { force: true });
    this.files.clear();
    this.store = this.#open();
  }

  backUp(): void {
    rmSync(this.#backup, { force: true });
    this.store.copyTo(this.#backup);
    this.files.backUp();
  }

  get hasBackup(): boolean {
    return existsSync(this.#backup);
  }

  /** Puts the last backup in the database's place. Only while no node runs on it. */
  restore(): void {
    this.store.close();
    for (const suffix of ["", "-wal", "-shm"]) rmSync(this.#path + suffix, { force: true });
    copyFileSync(this.#backup, this.#path);
    this.files.restore();
    this.store = this.#open();
  }

  /**
   * Messages that were written to a stream again although they stood in it. What has an earlier time than the first one was
   * saved from another stream, to keep its place.
   */
  doubles(): { id: string; origin: string }[] {
    return this.#all(
      `SELECT a.id, a.origin FROM log a JOIN log b USING (origin, id, author) WHERE a.seq < b.seq AND a.hlc <= b.hlc`,
    ) as never;
  }

  /** The files that messages here refer to. */
  wanted(): Set<string> {
    const hashes = new Set<string>();
    for (let pos: number | undefined = 0; pos !== undefined; ) {
      const page = this.store.blobsReferenced(pos, 1_000);
      for (const { blobs } of page) for (const hash of blobs) hashes.add(hash);
      pos = page.at(-1)?.pos;
    }
    return hashes;
  }

  /** Every message that is here, with its place: `id origin n`. */
  copies(): Set<string> {
    return new Set(
      this.#all("SELECT id || ' ' || origin || ' ' || n AS copy FROM log").map(({ copy }) => copy as string),
    );
  }

  #all(sql: string): Record<string, unknown>[] {
    const database = new DatabaseSync(this.#path, { readOnly: true });
    try {
      return database.prepare(sql).all();
    } finally {
      database.close();
    }
  }

  get #backup(): string {
    return join(this.#folder, "backup.db");
  }

  close(): void {
    this.store.close();
    rmSync(this.#folder, { recursive: true });
  }
}
