/**
 * What pages say of plugins that failed in them. Whoever is signed in can say anything: taken from it are the name of a plugin
 * that is here, a place that this node finds itself, and one short line, which is told as what somebody's browser said.
 */
import type { SourceMap } from "node:module";
import * as v from "valibot";
import type { Assets } from "../assets.ts";
import { Reject } from "../errors.ts";
import { AddressLimit, Bucket, type Rate } from "../limits.ts";
import type { Calls } from "./calls/calls.ts";
import { folderOfType } from "./folders.ts";
import { nearest, readMap, sourceAt } from "./sources.ts";

export const PageFailure = v.object({
  /** Its folder, or one of its types. */
  plugin: v.pipe(v.string(), v.maxLength(64)),
  why: v.pipe(v.string(), v.maxLength(300)),
  /** As the browser has it. */
  stack: v.pipe(v.string(), v.maxLength(8_192)),
});
export type PageFailure = v.InferOutput<typeof PageFailure>;

export type PageFailuresParts = {
  calls: Pick<Calls, "inBrowser">;
  /** Names of all types. */
  types: () => Iterable<string>;
  /** What pages load, by path, source maps among it. */
  assets: () => Assets;
  /** The plugin that is being written: what is said of it is for whoever writes it, and only of the version that runs. */
  dev: string | undefined;
  /** Milliseconds. */
  now: () => number;
};

/** A page tells of each place once; what more comes is no page. */
const OF_ONE: Rate = { perSecond: 1 / 60, burst: 20 };
const OF_ALL: Rate = { perSecond: 1 / 6, burst: 60 };
const MAX_FRAMES = 50;
const FRAME = /\/assets\/((?:plugins\/)?[^/\s:()]+\.js):(\d{1,9}):(\d{1,9})/g;

type Frame = { name: string; line: number; column: number };

export class PageFailures {
  readonly #parts: PageFailuresParts;
  readonly #ofOne: AddressLimit;
  readonly #ofAll: Bucket;

  constructor(parts: PageFailuresParts) {
    this.#parts = parts;
    this.#ofOne = new AddressLimit(OF_ONE, parts.now);
    this.#ofAll = new Bucket(OF_ALL, parts.now);
  }

  /** Throws `Reject` where no such plugin is here, and where there is too much of it. */
  take({ plugin: type, why, stack }: PageFailure, by: { person: string; address: string }): void {
    const { calls, types, dev } = this.#parts;
    const plugin = folderOfType(type);
    if (![...types()].some(name => folderOfType(name) === plugin)) throw new Reject("unknown-type");
    if (plugin !== dev) {
      this.#ofOne.take(by.address);
      this.#ofAll.take();
    }
    const frames = framesIn(stack);
    if (plugin === dev && this.#isOfAnotherVersion(frames)) return;
    calls.inBrowser({ plugin, why, where: this.#placeOf(plugin, frames), person: by.person });
  }

  #isOfAnotherVersion(frames: readonly Frame[]): boolean {
    const own = frames.filter(({ name }) => name.startsWith("plugins/"));
    return own.length > 0 && !own.some(({ name }) => this.#parts.assets().has(`/assets/${name}`));
  }

  /** `client.tsx:12`, of a built-in one `plugins/text/client.tsx:12`; undefined where this node serves other files. */
  #placeOf(plugin: string, frames: readonly Frame[]): string | undefined {
    const maps = new Map<string, SourceMap | undefined>();
    const places = frames.map(({ name, line, column }) => {
      if (!maps.has(name)) maps.set(name, this.#mapOf(name));
      const map = maps.get(name);
      const place = map && sourceAt(map, line, column);
      if (name.startsWith("plugins/")) return name.startsWith(`plugins/${plugin}-`) ? place : undefined;
      const ownPlace = place?.replace(/^(\.\.\/)+/, "");
      return ownPlace?.startsWith(`plugins/${plugin}/`) ? ownPlace : undefined;
    });
    return nearest(places);
  }

  #mapOf(name: string): SourceMap | undefined {
    const map = this.#parts.assets().get(`/assets/${name}.map`);
    return map && readMap(map.plain.toString());
  }
}

function framesIn(stack: string): Frame[] {
  return [...stack.matchAll(FRAME)]
    .slice(0, MAX_FRAMES)
    .map(([, name = "", line, column]) => ({ name, line: Number(line), column: Number(column) }));
}
