/** Nodes with one of their safeguards switched off, from outside: the simulation has to notice each. */
import { Audience } from "../../core/audience.ts";
import { Forks } from "../../core/cluster/forks.ts";
import { Replication } from "../../core/cluster/replication.ts";
import { Store } from "../../core/log/store.ts";
import type { Disk } from "./disk.ts";
import type { Network } from "./network.ts";

export type Mutant = {
  begin(network: Network): void;
  end(): void;
  /** A node died: what was not on its disk is gone. */
  crashed?(disk: Disk): void;
};

/** Puts something in a method's place. */
function without(prototype: object, method: string, instead: (this: never, ...args: never[]) => unknown): Mutant {
  const before = Reflect.get(prototype, method);
  return {
    begin: () => void Object.assign(prototype, { [method]: instead }),
    end: () => void Object.assign(prototype, { [method]: before }),
  };
}

/** A node that does not send these frames. */
function mute(...kinds: string[]): Mutant {
  return {
    begin(network) {
      network.admits = kind => !kinds.includes(kind);
    },
    end() {},
  };
}

export const MUTANTS: Readonly<Record<string, () => Mutant>> = {
  "no gap pull": () => mute("pull"),
  "no heads": () => without(Replication.prototype, "heard", () => {}),
  "no fork handling": () => without(Forks.prototype, "differs", () => {}),
  "no join barrier": () => without(Audience.prototype, "hold", () => {}),
};
void Store;
