/** Nodes with one of their safeguards switched off, from outside: the simulation has to notice each. */
import { Audience, type Listener } from "../../core/audience.ts";
import { Cluster } from "../../core/cluster/cluster.ts";
import { Early } from "../../core/cluster/early.ts";
import { Forks } from "../../core/cluster/forks.ts";
import { Replication } from "../../core/cluster/replication.ts";
import type { Draft, Envelope } from "../../core/envelope.ts";
import { Log } from "../../core/log/log.ts";
import { Reads } from "../../core/log/reads.ts";
import type { Network } from "./network.ts";

export type Mutant = {
  begin(network: Network): void;
  end(): void;
};

// biome-ignore lint/suspicious/noExplicitAny: methods of whatever kind
type Method = (this: any, ...args: any[]) => unknown;

/** Puts something in a method's place; it is given what was there. */
function instead(prototype: object, name: string, make: (before: Method) => Method): Mutant {
  const before = Reflect.get(prototype, name) as Method;
  return {
    begin: () => void Object.assign(prototype, { [name]: make(before) }),
    end: () => void Object.assign(prototype, { [name]: before }),
  };
}

const nothing = () => () => {};

export const MUTANTS: Readonly<Record<string, Mutant>> = {
  "no gap pull": {
    begin: network => {
      network.admits = kind => kind !== "pull";
    },
    end() {},
  },
  "no fetching of files": {
    begin: network => {
      network.admits = kind => kind !== "blobPlease";
    },
    end() {},
  },
  "ack before the file": instead(Cluster.prototype, "holdsBlobs", () => () => true),
  "no heads": instead(Replication.prototype, "heard", nothing),
  "no dedupe": instead(
    Reads.prototype,
    "get",
    before =>
      function (sql: string, ...values) {
        return sql.startsWith("SELECT origin, seq, n, hlc, author FROM log WHERE id")
          ? undefined
          : before.call(this, sql, ...values);
      },
  ),
  "ack before commit": instead(
    Log.prototype,
    "append",
    before =>
      function (items: readonly (Draft | Envelope)[], ...rest) {
        const committed = before.call(this, items, ...rest) as Promise<unknown>;
        if (items.some(item => "seq" in item)) return committed;
        committed.catch(() => {});
        return Promise.resolve(
          items.map(({ hlc }) => ({ status: "known", place: { origin: "0".repeat(16), seq: 1, n: 1, hlc } })),
        );
      },
  ),
  "early over a gap": instead(Early.prototype, "follows", () => () => true),
  "early and again": instead(Early.prototype, "has", () => () => false),
  "early and never": instead(Early.prototype, "of", () => () => []),
  "no fork handling": instead(Forks.prototype, "differs", nothing),
  "no join barrier": instead(
    Audience.prototype,
    "admit",
    before =>
      function (listener: Listener, room: string) {
        // What came while the join was answered is not kept for it.
        const { wire } = listener;
        const { tellAlike } = wire;
        wire.tellAlike = () => {};
        before.call(this, listener, room);
        wire.tellAlike = tellAlike;
      },
  ),
};
