/** A network without Docker: namespaces with addresses of their own on one bridge, which can be cut from each other. */
import { execFileSync, spawnSync } from "node:child_process";
import { networkInterfaces } from "node:os";

export type Host = { name: string; address: string; namespace: string };

/** One network; what it makes carries the process id, so that two checks on a machine do not meet. */
export class Network {
  readonly #id = process.pid.toString(36);
  readonly #bridge = `wcb${this.#id}`;
  readonly #subnet = freeSubnet();
  readonly hosts: Host[] = [];
  readonly #links: string[] = [];
  /** This machine's own address on it. */
  readonly gateway = `${this.#subnet}.1`;

  /** Needs root. */
  constructor() {
    ip("link", "add", this.#bridge, "type", "bridge");
    ip("addr", "add", `${this.gateway}/24`, "dev", this.#bridge);
    ip("link", "set", this.#bridge, "up");
  }

  /** A host of that name with an address of its own. */
  add(name: string): Host {
    const number = this.hosts.length + 10;
    const host = { name, address: `${this.#subnet}.${number}`, namespace: `wc${this.#id}-${number}` };
    const [outside, inside] = [`wcv${this.#id}${number}`, `wci${this.#id}${number}`];
    this.hosts.push(host);
    this.#links.push(outside);
    ip("netns", "add", host.namespace);
    ip("link", "add", outside, "type", "veth", "peer", "name", inside);
    ip("link", "set", inside, "netns", host.namespace);
    ip("link", "set", outside, "master", this.#bridge, "up");
    ip("-n", host.namespace, "link", "set", inside, "name", "eth0");
    ip("-n", host.namespace, "addr", "add", `${host.address}/24`, "dev", "eth0");
    ip("-n", host.namespace, "link", "set", "eth0", "up");
    ip("-n", host.namespace, "link", "set", "lo", "up");
    ip("-n", host.namespace, "route", "add", "default", "via", this.gateway);
    return host;
  }

  /** Nothing that `from` sends arrives at `to` any more; the other direction stays as it is. Needs iptables. */
  cut(from: Host, to: Host): void {
    filter(to, "-I", from);
  }

  /** Undoes one `cut`. */
  mend(from: Host, to: Host): void {
    filter(to, "-D", from);
  }

  /** Breaks the connections between two hosts; false where the kernel does not let anybody, or `ss` is not there. */
  reset(one: Host, other: Host): boolean {
    return resetTowards(one, other) && resetTowards(other, one);
  }

  /** Removes what it made; the rules of `cut` go with the namespaces. */
  close(): void {
    // The kernel takes its time to remove a namespace, and what is in it.
    for (const link of this.#links.splice(0)) ip("link", "delete", link);
    for (const { namespace } of this.hosts.splice(0)) ip("netns", "delete", namespace);
    ip("link", "delete", this.#bridge);
  }
}

/** Three numbers of an address that no interface of this machine has in front. */
function freeSubnet(): string {
  const taken = Object.values(networkInterfaces()).flatMap(found => found?.map(({ address }) => address) ?? []);
  for (let step = 0; ; step++) {
    const subnet = `10.213.${(process.pid + step) % 256}`;
    if (step === 256 || !taken.some(address => address.startsWith(`${subnet}.`))) return subnet;
  }
}

function resetTowards(at: Host, { address }: Host): boolean {
  const ss = (...words: string[]) =>
    spawnSync("ip", ["netns", "exec", at.namespace, "ss", ...words, "state", "established", "dst", address], {
      encoding: "utf8",
    });
  ss("--kill", "--tcp");
  const { status, stdout } = ss("--no-header", "--tcp", "--numeric");
  return status === 0 && stdout.trim() === "";
}

function filter(at: Host, action: "-I" | "-D", from: Host): void {
  ip("netns", "exec", at.namespace, "iptables", "-w", action, "INPUT", "-s", from.address, "-j", "DROP");
}

function ip(...words: string[]): void {
  execFileSync("ip", words, { stdio: ["ignore", "ignore", "inherit"] });
}
