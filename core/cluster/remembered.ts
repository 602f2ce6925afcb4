/** The peers that were up once, kept in the log: a node that starts again looks for them, whoever else was named to it. */
import * as v from "valibot";
import { isHost, isPageUrl } from "../addresses.ts";
import type { Address } from "./address.ts";

/** `urls` are those of its page. */
export type RememberedPeer = { id: string; name: string; addresses: Address[]; urls?: string[] | undefined };

export type RememberedPorts = {
  /** Keeps the text for the next start. */
  save(text: string): Promise<void>;
  failed(why: string): void;
};

/** More than a cluster has; beyond it the one that has been up least lately is dropped. */
const MAX_PEERS = 256;

const Kept = v.array(
  v.object({
    id: v.string(),
    name: v.string(),
    addresses: v.array(
      v.object({
        host: v.pipe(v.string(), v.check(isHost)),
        port: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535)),
      }),
    ),
    urls: v.optional(v.array(v.pipe(v.string(), v.check(isPageUrl)))),
  }),
);

export class Remembered {
  readonly #ports: RememberedPorts;
  /** By id, in the order in which they came up. */
  readonly #peers: Map<string, RememberedPeer>;
  #saved: string;
  #isSaving = false;

  /** `text` is what was saved last. */
  constructor(ports: RememberedPorts, text: string | undefined) {
    this.#ports = ports;
    this.#peers = new Map(read(text).map(peer => [peer.id, peer]));
    this.#saved = this.#text();
  }

  all(): RememberedPeer[] {
    return [...this.#peers.values()];
  }

  get(id: string): RememberedPeer | undefined {
    return this.#peers.get(id);
  }

  /** A peer came up. */
  saw({ id, name, addresses, urls }: RememberedPeer): void {
    this.#peers.set(id, { id, name, addresses, ...(urls && { urls }) });
    for (const oldest of this.#peers.keys()) {
      if (this.#peers.size <= MAX_PEERS) break;
      this.#peers.delete(oldest);
    }
    void this.#save();
  }

  /** A peer was removed for good. */
  forget(id: string): void {
    if (this.#peers.delete(id)) void this.#save();
  }

  #text(): string {
    return JSON.stringify(this.all());
  }

  async #save(): Promise<void> {
    if (this.#isSaving) return;
    this.#isSaving = true;
    try {
      for (let text = this.#text(); text !== this.#saved; text = this.#text()) {
        await this.#ports.save(text);
        this.#saved = text;
      }
    } catch (error) {
      // The next change brings it along.
      this.#ports.failed((error as Error).message);
    } finally {
      this.#isSaving = false;
    }
  }
}

/** What cannot be read is as good as nothing: the peers are found as they were the first time. */
function read(text: string | undefined): RememberedPeer[] {
  try {
    const parsed = v.safeParse(Kept, JSON.parse(text ?? "[]"));
    return parsed.success ? parsed.output : [];
  } catch {
    return [];
  }
}
