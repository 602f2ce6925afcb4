/** What whoever runs this node hears of its cluster. What peers and strangers cause is said through `Warnings`. */
import { networkOf } from "../addresses.ts";
import { MAX_DRIFT_MS } from "../clock.ts";
import { MAX_FRAME_BYTES } from "../envelope.ts";
import { asReject } from "../errors.ts";
import { type Address, textOf } from "./address.ts";
import type { Peer, Twin } from "./membership.ts";
import { Warnings } from "./warnings.ts";

export type Logger = {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
};

export class Notices {
  readonly #logger: Logger;
  readonly #warnings: Warnings;

  /** `now` in milliseconds; only differences count. */
  constructor(logger: Logger, now: () => number) {
    this.#logger = logger;
    this.#warnings = new Warnings((details, message) => logger.warn(details, message), now);
  }

  up({ info }: Peer, address: Address): void {
    this.#logger.info({ peer: info.name, address: textOf(address) }, "a peer is up");
  }

  down({ info }: Peer): void {
    this.#logger.warn({ peer: info.name }, "a peer is down");
  }

  /** Peers that were up once, and are waited for no longer. */
  passedOver(peers: readonly string[]): void {
    this.#logger.warn(
      { peers },
      `${peers.join(", ")} cannot be reached; going on without what is there: \`web-chat forget\` removes a node for good`,
    );
  }

  servesEarly(): void {
    this.#logger.warn({}, "not every peer has answered yet; serving without what they may have");
  }

  /** `againMs` later it is tried again. */
  unresolved(host: string, why: string, againMs: number): void {
    this.#logger.warn(
      { code: "host-unknown", host, why },
      `ZMQ_HOST names ${host}, which does not resolve; trying again every ${againMs / 1_000} s`,
    );
  }

  hostsUntold(error: unknown): void {
    const why = (error as Error).message;
    this.#warnings.say("hosts", "", { why }, "this machine's addresses cannot be asked for; those of before stay");
  }

  unremembered(why: string): void {
    this.#warnings.say("remembering", "", { why }, "the peers could not be remembered for the next start");
  }

  /** A second run of this node was started later. */
  twin({ info: { boot, name }, address }: Twin): void {
    this.#warnings.say(
      "twin",
      boot,
      { code: "node-duplicate", peer: name, address: address && textOf(address) },
      "a second node runs on a copy of this data directory; it was started later, and has to end",
    );
  }

  stranger(address: string | undefined, hasSecret: boolean): void {
    const why = hasSecret
      ? "it is no node, or has another CLUSTER_SECRET or none"
      : "it is no node, or has a public address: those are admitted only with a CLUSTER_SECRET";
    this.#warnings.say(
      "stranger",
      networkOf(address ?? ""),
      { code: "stranger", ...(address !== undefined && { address }) },
      `refused a connection to the bus from ${address ?? "an address that the system does not tell"}: ${why}`,
    );
  }

  /** Why the bus lets nobody in; undefined once it does again. */
  shut(why: string | undefined): void {
    if (why === undefined) this.#logger.info({}, "the bus admits nodes again");
    else
      this.#warnings.say(
        "shut",
        why,
        { code: "bus-shut", why },
        "the bus admits nobody who is not connected already: what checks them has failed, and is started anew",
      );
  }

  estranged(address: Address): void {
    const where = textOf(address);
    this.#warnings.say(
      "estranged",
      where,
      { code: "secret-differs", address: where },
      `what listens at ${where} is no node of this cluster: CLUSTER_SECRET differs, or is set on one side alone`,
    );
  }

  /** A node that was removed for good is still heard. */
  forgotten(node: string, at: Address | undefined): void {
    this.#warnings.say(
      "forgotten",
      node,
      { node, address: at && textOf(at) },
      "a node that was removed from the cluster still runs; nothing is taken from it: stop it",
    );
  }

  clocksApart(id: string, peer: string, clockMs: number): void {
    this.#warnings.say(
      "clock",
      id,
      { peer, clockMs },
      `the clock of a peer and this node's are more than ${MAX_DRIFT_MS / 1_000} s apart: set the one that is wrong`,
    );
  }

  stateTooLarge(values: number, bytes: number): void {
    this.#warnings.say(
      "state",
      "",
      { values, bytes, maxBytes: MAX_FRAME_BYTES },
      "the state of this node is too large for its peers: plugins hold too many or too large values",
    );
  }

  frameRefused(error: unknown): void {
    const { code, message } = asReject(error);
    this.#warnings.say("frame", message, { code, why: message }, "a frame was refused");
  }

  unanswered(error: unknown): void {
    this.#warnings.say("unanswered", "", { why: (error as Error).message }, "a peer's request could not be answered");
  }

  replication(what: string, details: object): void {
    this.#warnings.say("replication", what, details, what);
  }

  blobs(what: string, details: object): void {
    this.#warnings.say("blobs", what, details, what);
  }

  /** This node's disk does not tell of some blobs. */
  unreadable({ code = "", message }: NodeJS.ErrnoException): void {
    const what = "files on this node's disk cannot be read; people get them from other nodes as far as those have them";
    this.#warnings.say("unreadable", code, { why: message }, what);
  }

  fork(what: string, details: object): void {
    this.#logger.warn(details, what);
  }

  restored(origin: string): void {
    this.#logger.warn(
      { origin },
      "this node's database was restored: it goes on in a new stream, and gets back what it lacks",
    );
  }
}
