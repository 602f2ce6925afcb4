/** A container network without Docker: namespaces with names and addresses of their own, on one bridge with a name server. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const SUBNET = "10.213.57";
const GATEWAY = `${SUBNET}.1`;

export type Host = { name: string; address: string; namespace: string };

/** One network; its namespaces carry the process id, so that two checks on a machine do not meet. */
export class Network {
  readonly #id = process.pid.toString(36);
  readonly #bridge = `wcb${this.#id}`;
  readonly #folder: string;
  readonly #hosts: Host[] = [];
  #names: ChildProcess | undefined;

  /** `folder` is for the name server's files. Needs root. */
  constructor(folder: string) {
    this.#folder = folder;
    mkdirSync(folder, { recursive: true });
    ip("link", "add", this.#bridge, "type", "bridge");
    ip("addr", "add", `${GATEWAY}/24`, "dev", this.#bridge);
    ip("link", "set", this.#bridge, "up");
  }

  /** A host of that name with an address of its own. */
  add(name: string): Host {
    const number = this.#hosts.length + 10;
    const host = { name, address: `${SUBNET}.${number}`, namespace: `wc${this.#id}-${number}` };
    const [outside, inside] = [`wcv${this.#id}${number}`, `wci${this.#id}${number}`];
    this.#hosts.push(host);
    ip("netns", "add", host.namespace);
    ip("link", "add", outside, "type", "veth", "peer", "name", inside);
    ip("link", "set", inside, "netns", host.namespace);
    ip("link", "set", outside, "master", this.#bridge, "up");
    ip("-n", host.namespace, "link", "set", inside, "name", "eth0");
    ip("-n", host.namespace, "addr", "add", `${host.address}/24`, "dev", "eth0");
    ip("-n", host.namespace, "link", "set", "eth0", "up");
    ip("-n", host.namespace, "link", "set", "lo", "up");
    ip("-n", host.namespace, "route", "add", "default", "via", GATEWAY);
    return host;
  }

  /** Answers for every host's name, and for a service's name with the addresses of all its replicas. */
  async serveNames(services: Record<string, readonly Host[]> = {}): Promise<void> {
    await this.#endNames();
    const records = [
      ...this.#hosts.map(({ name, address }) => `${address} ${name}`),
      ...Object.entries(services).flatMap(([name, hosts]) => hosts.map(({ address }) => `${address} ${name}`)),
    ];
    const file = join(this.#folder, "hosts");
    writeFileSync(file, `${records.join("\n")}\n`);
    const options = ["--keep-in-foreground", "--no-hosts", "--no-resolv", `--addn-hosts=${file}`, "--pid-file="];
    const where = [`--listen-address=${GATEWAY}`, "--bind-interfaces", "--log-facility=-", "--user=root"];
    this.#names = spawn("dnsmasq", ["--conf-file=/dev/null", ...options, ...where], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    await once(this.#names.stderr as NodeJS.ReadableStream, "data");
  }

  /** The text of a resolv.conf that asks this network's name server. */
  get resolvConf(): string {
    return `nameserver ${GATEWAY}\n`;
  }

  async #endNames(): Promise<void> {
    const names = this.#names;
    if (!names || names.exitCode !== null) return;
    names.kill();
    await once(names, "exit");
  }

  async close(): Promise<void> {
    await this.#endNames();
    for (const { namespace } of this.#hosts) ip("netns", "delete", namespace);
    ip("link", "delete", this.#bridge);
  }
}

function ip(...words: string[]): void {
  execFileSync("ip", words, { stdio: ["ignore", "ignore", "inherit"] });
}
