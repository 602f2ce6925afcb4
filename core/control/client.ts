/** A command's half of the control socket: the administration of the node that runs on a data directory. */
import { Agent, request as httpRequest } from "node:http";
import { buffer } from "node:stream/consumers";
import type { Administration, Erased, LogPage, Standing } from "../administration.ts";
import type { BlobPiece } from "../archive.ts";
import { decode, type Envelope, encode, fromWire, toWire } from "../envelope.ts";
import { CODES, type Code, Reject } from "../errors.ts";
import { type ControlPath, controlPath } from "./path.ts";

/** Whether it runs at all is known soon; what waits for a disk may take its time. */
const KNOCK_WITHIN_MS = 5_000;
const ANSWER_WITHIN_MS = 60_000;

export class RemoteAdministration implements Administration {
  readonly #dataDir: string;
  readonly #place: ControlPath;
  readonly #agent = new Agent({ keepAlive: true });

  private constructor(dataDir: string, place: ControlPath) {
    this.#dataDir = dataDir;
    this.#place = place;
  }

  /** Resolves with undefined where no node listens; throws `Reject` where one does and does not answer. */
  static async open(dataDir: string): Promise<RemoteAdministration | undefined> {
    const remote = new RemoteAdministration(dataDir, controlPath(dataDir));
    try {
      await remote.#ask("standing", [], KNOCK_WITHIN_MS);
      return remote;
    } catch (error) {
      await remote.close();
      const { code } = error as NodeJS.ErrnoException;
      if (code === "ENOENT" || code === "ECONNREFUSED") return undefined;
      throw remote.#explain(error);
    }
  }

  standing(): Promise<Standing> {
    return this.#call("standing");
  }

  async page(after: number, upTo: number): Promise<LogPage> {
    const { envelopes, pos } = await this.#call<{ envelopes: unknown[]; pos: number }>("page", after, upTo);
    return { envelopes: envelopes.map(fromWire), pos };
  }

  chainsAt(places: Record<string, number>): Promise<Record<string, string>> {
    return this.#call("chainsAt", places);
  }

  append(envelopes: readonly Envelope[]): Promise<number> {
    return this.#call("append", envelopes.map(toWire));
  }

  blob(hash: string, from: number): Promise<{ bytes: Uint8Array; isLast: boolean } | undefined> {
    return this.#call<{ bytes: Uint8Array; isLast: boolean } | null>("blob", hash, from).then(
      piece => piece ?? undefined,
    );
  }

  keepBlob(piece: BlobPiece): Promise<boolean> {
    return this.#call("keepBlob", piece);
  }

  abandon(origin: string, seq: number): Promise<boolean> {
    return this.#call("abandon", origin, seq);
  }

  erase(id: string): Promise<{ messages: Erased[]; scrubbed: boolean }> {
    return this.#call("erase", id);
  }

  forget(node: string): Promise<{ id: string; name: string }> {
    return this.#call("forget", node);
  }

  async close(): Promise<void> {
    this.#agent.destroy();
    this.#place.release();
  }

  async #call<Value>(name: keyof Administration, ...input: unknown[]): Promise<Value> {
    try {
      return (await this.#ask(name, input, ANSWER_WITHIN_MS)) as Value;
    } catch (error) {
      throw this.#explain(error);
    }
  }

  async #ask(name: keyof Administration, input: unknown[], withinMs: number): Promise<unknown> {
    const signal = AbortSignal.timeout(withinMs);
    const { status, body } = await new Promise<{ status: number; body: Buffer }>((resolve, reject) => {
      const options = { socketPath: this.#place.path, path: `/${name}`, method: "POST", agent: this.#agent, signal };
      const request = httpRequest(options, response => {
        buffer(response).then(body => resolve({ status: response.statusCode ?? 0, body }), reject);
      });
      request.on("error", reject).end(encode(input));
    });
    if (status === 200) return decode(body);
    const { code, message } = JSON.parse(body.toString()) as { code: Code; message: string };
    throw new Reject(Object.hasOwn(CODES, code) ? code : "internal", message);
  }

  #explain(error: unknown): Reject {
    if (error instanceof Reject) return error;
    const { code, name, message } = error as NodeJS.ErrnoException;
    if (code === "EACCES" || code === "EPERM")
      return new Reject("not-allowed", `the node on ${this.#dataDir} belongs to another user: run this as that one`);
    if (name === "TimeoutError" || name === "AbortError")
      return new Reject("unreachable", `the node on ${this.#dataDir} runs, and does not answer`);
    return new Reject("unreachable", `the node on ${this.#dataDir} has ended meanwhile (${message})`);
  }
}
