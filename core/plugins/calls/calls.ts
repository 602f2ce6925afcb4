/**
 * The one place through which the core calls into plugins: what they throw, and what they return where something else was
 * agreed, becomes a refusal of that one message; how long they take is measured; and what runs now can be seen from outside
 * of the thread.
 */
import { dropFirst } from "../../bounded.ts";
import { Reject } from "../../errors.ts";
import { realTime, type Time } from "../../time.ts";
import { Faults } from "../faults.ts";
import { folderOfType } from "../folders.ts";
import { builtInPlace } from "../sources.ts";
import { CALL, CALLS } from "../watchdog/marks.ts";
import type { Watchdog } from "../watchdog/watchdog.ts";
import { plain } from "./results.ts";
import { isRefusal, oneLine, stackOf, whyOf } from "./thrown.ts";
import { runIn } from "./uncaught.ts";

/** All that a plugin can be called for; the index of each stands in what `Calls` marks. */
export const HOOKS = [
  "hooks",
  "parse",
  "check",
  "pack",
  "unpack",
  "summary",
  "blobs",
  "key",
  "merge",
  "receive",
  "joined",
  "left",
  "tick",
  "request",
] as const;
export type Hook = (typeof HOOKS)[number];
const INDEX = Object.fromEntries(HOOKS.map((hook, index) => [hook, index])) as Record<Hook, number>;

export type CallsParts = {
  faults: Faults;
  time: Pick<Time, "elapsed" | "after">;
  /** A line for the log. */
  warn(details: object, message: string): void;
  /** A call threw what is no `Reject`, or returned what it should not. */
  failed(type: string, hook: Hook): void;
  /** A call kept the thread for more than `SLOW_MS`. */
  slow(type: string, hook: Hook, ms: number): void;
  /** Where in a plugin's own sources something was thrown: `server.ts:12`. */
  placeOf(plugin: string, error: unknown, hook?: Hook): string | undefined;
};

type InBrowser = { plugin: string; why: string; where: string | undefined; person: string };

/** Everybody on the node waits meanwhile. */
export const SLOW_MS = 50;
/** Whoever does not settle within this time is not waited for any longer. */
export const GIVE_UP_MS = 10_000;
const TELL_AGAIN_MS = 60_000;
const MAX_TOLD = 256;

const ALONE: Omit<CallsParts, "faults"> = {
  time: realTime,
  warn() {},
  failed() {},
  slow() {},
  placeOf: (_, error) => builtInPlace(error),
};

export class Calls {
  /** The types, each at its index. */
  readonly types: string[] = [];
  #watchdog: Pick<Watchdog, "marks" | "types"> | undefined;
  readonly #parts: CallsParts;
  readonly #toldAt = new Map<string, number>();
  #running = 0;

  constructor(parts: Partial<CallsParts> = {}) {
    this.#parts = { ...ALONE, faults: new Faults(), ...parts };
  }

  /** Calls of one more type, or of another version of one. */
  of(type: string): Caller {
    const known = this.types.indexOf(type);
    const index = known >= 0 ? known : this.types.push(type) - 1;
    this.#watchdog?.types(this.types);
    return new Caller(this, type, index);
  }

  /** Whether there are plugins here that were dropped in, in a process of the node's own. */
  get isWatched(): boolean {
    return this.#watchdog !== undefined;
  }

  /** From now on that one sees what runs. */
  seenBy(watchdog: Pick<Watchdog, "marks" | "types">): void {
    this.#watchdog = watchdog;
    watchdog.types(this.types);
  }

  now(): number {
    return this.#parts.time.elapsed();
  }

  after(ms: number, run: () => void): () => void {
    return this.#parts.time.after(ms, run);
  }

  /** A call begins. Returns the one that it is within, for `leave`. */
  enter(typeIndex: number, hookIndex: number): number {
    const outer = this.#running;
    this.#running = typeIndex * HOOKS.length + hookIndex + 1;
    if (this.#watchdog) {
      Atomics.store(this.#watchdog.marks, CALL, this.#running);
      Atomics.add(this.#watchdog.marks, CALLS, 1);
    }
    return outer;
  }

  leave(outer: number): void {
    this.#running = outer;
    if (this.#watchdog) Atomics.store(this.#watchdog.marks, CALL, outer);
  }

  /** What a thrown value is outside of the plugin: its own refusal, or one that says no more than which plugin failed. */
  refusal(type: string, hook: Hook, error: unknown): Reject {
    return isRefusal(error) ? error : this.fault(type, hook, error);
  }

  /** Tells of a failure that nobody agreed on; returns the refusal of whatever it was for. */
  fault(type: string, hook: Hook, error: unknown): Reject {
    const plugin = folderOfType(type);
    const why = whyOf(error);
    const where = this.#parts.placeOf(plugin, error, hook);
    this.#parts.failed(type, hook);
    this.#parts.faults.add({ plugin, hook: `${type} ${hook}`, why: `${hook} of “${type}”: ${why}`, where });
    if (this.#mayTell(`${type} ${hook} ${where}`))
      this.#parts.warn(
        { plugin, type, hook, ...(where !== undefined && { where }), stack: stackOf(error) },
        `“${type}” failed in ${hook}${where === undefined ? "" : ` (${where})`}: ${why}`,
      );
    return failed(type);
  }

  /** Tells of what a plugin left uncaught where no hook of it ran. */
  uncaught(plugin: string, error: unknown): void {
    const where = this.#parts.placeOf(plugin, error);
    this.#elsewhere({ plugin, how: "outside of its hooks", why: whyOf(error), where }, { stack: stackOf(error) });
  }

  /** Tells of what failed in the page of that person, of whom `why` may be the words. */
  inBrowser({ plugin, why, where, person }: InBrowser): void {
    this.#elsewhere({ plugin, how: "in a browser", why: oneLine(why), where }, { person });
  }

  /** Tells of what failed in no call of this node. */
  #elsewhere(
    { plugin, how, why, where }: { plugin: string; how: string; why: string; where: string | undefined },
    details: object,
  ): void {
    const fault = { plugin, ...(where !== undefined && { where }) };
    this.#parts.faults.add({ ...fault, hook: how, why: `${how}: ${why}` });
    if (this.#mayTell(`${plugin} ${how} ${where}`))
      this.#parts.warn(
        { ...fault, ...details },
        `“${plugin}” failed ${how}${where === undefined ? "" : ` (${where})`}: ${why}`,
      );
  }

  slow(type: string, hook: Hook, ms: number): void {
    const tookMs = Math.round(ms);
    const plugin = folderOfType(type);
    this.#parts.slow(type, hook, ms);
    this.#parts.faults.slow({ plugin, hook: `${hook} of “${type}”`, tookMs });
    if (this.#mayTell(`${type} ${hook} slow`))
      this.#parts.warn({ plugin, type, hook, tookMs }, `“${type}” kept this node waiting for ${tookMs} ms in ${hook}`);
  }

  /** A plugin begins anew: what fails is told at once, though it was told of before. */
  forget(plugin: string): void {
    for (const what of this.#toldAt.keys())
      if (folderOfType(what.split(" ", 1)[0] as string) === plugin) this.#toldAt.delete(what);
  }

  /** Once a minute: what fails at each message would fill the log. */
  #mayTell(what: string): boolean {
    const now = this.now();
    const toldAt = this.#toldAt.get(what);
    if (toldAt !== undefined && now - toldAt < TELL_AGAIN_MS) return false;
    this.#toldAt.set(what, now);
    dropFirst(this.#toldAt, MAX_TOLD);
    return true;
  }
}

/** Calls of one type. */
export class Caller {
  readonly #calls: Calls;
  readonly #type: string;
  readonly #index: number;

  constructor(calls: Calls, type: string, index: number) {
    this.#calls = calls;
    this.#type = type;
    this.#index = index;
  }

  /** The result of a call; throws `Reject`, and nothing else. */
  run<Result>(hook: Hook, call: () => Result): Result {
    try {
      return this.measured(hook, call);
    } catch (error) {
      throw this.#calls.refusal(this.#type, hook, error);
    }
  }

  /** The same, with whatever the call throws. */
  measured<Result>(hook: Hook, call: () => Result): Result {
    const calls = this.#calls;
    const outer = calls.enter(this.#index, INDEX[hook]);
    const began = calls.now();
    try {
      return calls.isWatched ? runIn(folderOfType(this.#type), call) : call();
    } finally {
      calls.leave(outer);
      const tookMs = calls.now() - began;
      if (tookMs > SLOW_MS) calls.slow(this.#type, hook, tookMs);
    }
  }

  /**
   * What a call promised: itself, as no object with a `then` is waited for that is no promise. Rejects with `Reject` only,
   * and after `withinMs` in any case, or when `isFetching` is over.
   */
  settled<Result>(
    hook: Hook,
    promise: Promise<Result>,
    { withinMs = GIVE_UP_MS, isFetching }: { withinMs?: number; isFetching?: () => boolean } = {},
  ): Promise<Result> {
    return new Promise((resolve, reject) => {
      const refuse = (error: unknown) => {
        stop();
        reject(this.#calls.refusal(this.#type, hook, error));
      };
      const giveUp = () => {
        if (isFetching?.()) stop = this.#calls.after(withinMs, giveUp);
        else refuse(new Error(`it did not settle within ${withinMs} ms`));
      };
      let stop = this.#calls.after(withinMs, giveUp);
      const settle = (result: Result) => {
        try {
          resolve(plain(result));
          stop();
        } catch (error) {
          refuse(error);
        }
      };
      try {
        // Its own `then` may be anybody's.
        Promise.prototype.then.call(promise, settle as (value: unknown) => void, refuse);
      } catch (error) {
        refuse(error);
      }
    });
  }

  /** A refusal for what was wrong with what a call returned; told of, unless that was done already. */
  fault(hook: Hook, error: unknown): Reject {
    if (error instanceof Reject && error.code === "plugin-failed") return error;
    return this.#calls.fault(this.#type, hook, error);
  }
}

function failed(type: string): Reject {
  return new Reject("plugin-failed", `“${type}” failed on this node; nothing was stored`);
}
