/** What lies between the nodes, and can be cut: each in a network namespace of its own, or, without root, a relay of TCP. */
import { spawnSync } from "node:child_process";
import { Network } from "../network.ts";
import { Relays } from "./relays.ts";

/** Where a node runs. */
export type Place = {
  /** Of its page, as clients find it. */
  url: string;
  settings: Record<string, string>;
  /** Words in front of the program. */
  wrapper: string[];
  /** Of Node, where that runs the program. */
  flags: string[];
};

export type Wires = {
  /** What they are made of, in words. */
  what: string;
  places: readonly Place[];
  /** Nothing that one node sends arrives at the other any more, until as many calls of `mend` have undone it. */
  cut(from: number, to: number): void;
  mend(from: number, to: number): void;
  /** Breaks the connections of two nodes, and loses what is on its way; false where this machine cannot do that. */
  reset(one: number, other: number): boolean;
  close(): void;
};

const [PORT, BUS_PORT] = [5002, 6002];

/** Wires for that many nodes, of the best kind that this machine has. */
export async function openWires(count: number, kind?: "relay"): Promise<Wires> {
  const ground = kind ?? (hasNamespaces() ? "namespaces" : "relay");
  return ground === "relay" ? Relays.open(count) : inNamespaces(count);
}

function hasNamespaces(): boolean {
  if (process.getuid?.() !== 0) return false;
  return ["ip", "iptables"].every(program => spawnSync("sh", ["-c", `command -v ${program}`]).status === 0);
}

function inNamespaces(count: number): Wires {
  const network = new Network();
  try {
    const hosts = Array.from({ length: count }, (_, index) => network.add(`node-${index + 1}`));
    const host = (index: number) => hosts[index] as (typeof hosts)[number];
    const places = hosts.map(({ address, namespace }) => ({
      url: `http://${address}:${PORT}`,
      settings: {
        PORT: String(PORT),
        ZMQ_PORT: String(BUS_PORT),
        ZMQ_ADVERTISE: address,
        ZMQ_HOST: hosts.flatMap(other => (other.address === address ? [] : other.address)).join(","),
      },
      wrapper: ["ip", "netns", "exec", namespace],
      flags: [],
    }));
    return {
      what: "network namespaces",
      places,
      cut: (from, to) => network.cut(host(from), host(to)),
      mend: (from, to) => network.mend(host(from), host(to)),
      reset: (one, other) => network.reset(host(one), host(other)),
      close: () => network.close(),
    };
  } catch (error) {
    network.close();
    throw error;
  }
}
