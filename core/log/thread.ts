/** Calls a `Store`, or a `Search`, that lives on a thread of its own. */
import { Worker } from "node:worker_threads";
import { Reject } from "../errors.ts";
import { type Answer, packedIn } from "./calls.ts";
import type { Access } from "./database.ts";
import type { Search } from "./search.ts";
import type { Store } from "./store.ts";

const ENDED = "the log's thread has ended";

/** What a catch-up unpacks is garbage at once: left to itself the heap grows by 100 MB before any of it is collected. */
const YOUNG_MB = 16;

type Pending = { resolve: (value: unknown) => void; reject: (error: Error) => void };

/** What can be called there, each by its name. */
type Calls<Kind> = {
  [Name in keyof Kind]: Kind[Name] extends (...args: infer Args) => infer Result
    ? { args: Args; result: Result }
    : never;
};

export class StoreThread<Kind extends Store | Search = Store> {
  readonly #worker: Worker;
  /** 1 while somebody waits for the call under way. */
  readonly #awaited: Int32Array<SharedArrayBuffer>;
  readonly #pending = new Map<number, Pending>();
  #calls = 0;
  #ended = false;

  private constructor(worker: Worker, awaited: Int32Array<SharedArrayBuffer>) {
    this.#worker = worker;
    this.#awaited = awaited;
    worker.on("message", (answer: Answer) => this.#settle(answer));
    worker.on("error", error => this.#fail(error));
    worker.on("exit", () => {
      this.#ended = true;
      this.#fail(new Reject("storage-failed", ENDED));
    });
  }

  /** Opens the database; throws `Reject` with the reason where that cannot be done. */
  static async open(path: string, access: Exclude<Access, "search">): Promise<StoreThread>;
  static async open(path: string, access: "search"): Promise<StoreThread<Search>>;
  static async open(path: string, access: Access): Promise<StoreThread<Store | Search>> {
    const awaited = new Int32Array(new SharedArrayBuffer(4));
    const worker = new Worker(new URL("./worker.ts", import.meta.url), {
      workerData: { path, access, awaited },
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
      name: `log: ${access}`,
    });
    const thread = new StoreThread(worker, awaited);
    await new Promise((resolve, reject) => thread.#pending.set(0, { resolve, reject }));
    return thread;
  }

  get hasEnded(): boolean {
    return this.#ended;
  }

  call<Name extends keyof Kind>(name: Name, ...args: Calls<Kind>[Name]["args"]): Promise<Calls<Kind>[Name]["result"]> {
    if (this.#ended) return Promise.reject(new Reject("storage-failed", ENDED));
    const id = ++this.#calls;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve: resolve as Pending["resolve"], reject });
      this.#worker.postMessage({ id, name, args }, packedIn(args[0]));
    });
  }

  /** Whether somebody waits for the call under way, or the next one: it ends early then where it can. */
  hurry(isAwaited: boolean): void {
    Atomics.store(this.#awaited, 0, isAwaited ? 1 : 0);
  }

  /** Closes the database after everything that was called before, and ends the thread. */
  async close(): Promise<void> {
    if (this.#ended) return;
    const ended = new Promise(resolve => this.#worker.once("exit", resolve));
    await this.call("close");
    await ended;
  }

  #settle(answer: Answer): void {
    const pending = this.#pending.get(answer.id);
    this.#pending.delete(answer.id);
    if ("value" in answer) pending?.resolve(answer.value);
    else {
      const { code, message, ok: _, ...details } = answer.refused;
      pending?.reject(new Reject(code, message, details));
    }
  }

  #fail(error: Error): void {
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
  }
}
