/**
 * Wires without root: every node has a loopback address of its own, and reaches each other one through a relay, for both
 * ports of the bus. Linux, where all of 127.0.0.0/8 is this machine.
 */
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import type { Place, Wires } from "./wires.ts";

const BIND = join(import.meta.dirname, "bind.ts");
const PUBLICATIONS_ABOVE = 1_000;
const TRIES = 50;

const addressOf = (node: number) => `127.0.0.${node + 10}`;
const relayOf = (from: number, to: number) => `127.0.${from + 1}.${to + 10}`;
/** Nobody listens there: peers are to come through the relays alone. */
const advertised = (node: number) => `127.0.0.${node + 110}`;

export class Relays implements Wires {
  readonly what = "relays on the loopback";
  readonly places: Place[];
  readonly #relays = new Map<string, Relay[]>();
  readonly #cuts = new Map<string, number>();

  static async open(count: number): Promise<Relays> {
    if (process.platform !== "linux") throw new Error("neither namespaces nor loopback addresses to relay between");
    for (let tries = 1; ; tries++) {
      const busPort = 20_000 + ((process.pid * 7 + tries * 131) % 8_000);
      const relays = new Map<string, Relay[]>();
      try {
        for (const [from, to] of pairs(count))
          relays.set(`${from} ${to}`, [
            await Relay.open(relayOf(from, to), addressOf(to), busPort),
            await Relay.open(relayOf(from, to), addressOf(to), busPort + PUBLICATIONS_ABOVE),
          ]);
        const ports = await Promise.all(Array.from({ length: count }, freePort));
        return new Relays(relays, busPort, ports);
      } catch (error) {
        for (const relay of [...relays.values()].flat()) relay.close();
        if (tries === TRIES) throw error;
      }
    }
  }

  private constructor(relays: Map<string, Relay[]>, busPort: number, ports: readonly number[]) {
    this.#relays = relays;
    this.places = ports.map((port, node) => ({
      url: `http://127.0.0.1:${port}`,
      settings: {
        PORT: String(port),
        HOST: "127.0.0.1",
        ZMQ_PORT: String(busPort),
        ZMQ_ADVERTISE: advertised(node),
        ZMQ_HOST: ports.flatMap((_, peer) => (peer === node ? [] : `${relayOf(node, peer)}:${busPort}`)).join(","),
        CHAOS_BIND: addressOf(node),
      },
      wrapper: [],
      flags: ["--import", BIND],
    }));
  }

  cut(from: number, to: number): void {
    this.#count(from, to, 1);
  }

  mend(from: number, to: number): void {
    this.#count(from, to, -1);
  }

  reset(one: number, other: number): boolean {
    for (const pair of [`${one} ${other}`, `${other} ${one}`])
      for (const relay of this.#relays.get(pair) ?? []) relay.reset();
    return true;
  }

  #count(from: number, to: number, step: number): void {
    const cuts = (this.#cuts.get(`${from} ${to}`) ?? 0) + step;
    this.#cuts.set(`${from} ${to}`, cuts);
    for (const relay of this.#relays.get(`${from} ${to}`) ?? []) relay.block("out", cuts > 0);
    for (const relay of this.#relays.get(`${to} ${from}`) ?? []) relay.block("back", cuts > 0);
  }

  close(): void {
    for (const relay of [...this.#relays.values()].flat()) relay.close();
  }
}

type Direction = "out" | "back";
/** A connection: the ends by the direction that they are read for. */
type Line = Record<Direction, Socket>;

/** Between those who dial one address and the node behind it. What is blocked waits, as it would in the sender's kernel. */
class Relay {
  readonly #server: Server;
  readonly #blocked = { out: false, back: false };
  readonly #lines = new Set<Line>();
  /** Dialed, and not through yet: a handshake takes both directions. */
  readonly #dialing = new Set<Socket>();
  readonly #target: { host: string; port: number };

  static async open(host: string, target: string, port: number): Promise<Relay> {
    const relay = new Relay({ host: target, port });
    relay.#server.listen(port, host);
    await once(relay.#server, "listening");
    return relay;
  }

  private constructor(target: { host: string; port: number }) {
    this.#target = target;
    this.#server = createServer({ allowHalfOpen: true }, dialer => this.#dialed(dialer));
  }

  #dialed(dialer: Socket): void {
    dialer.on("error", () => {});
    dialer.once("close", () => this.#dialing.delete(dialer));
    dialer.pause();
    this.#dialing.add(dialer);
    this.#connect();
  }

  #connect(): void {
    if (this.#blocked.out || this.#blocked.back) return;
    for (const dialer of this.#dialing) {
      this.#dialing.delete(dialer);
      const line: Line = { out: dialer, back: connect({ ...this.#target, allowHalfOpen: true }) };
      this.#lines.add(line);
      this.#follow(line, "out", line.back);
      this.#follow(line, "back", line.out);
    }
  }

  #follow(line: Line, direction: Direction, sink: Socket): void {
    const source = line[direction];
    source.on("error", () => {});
    source.on("data", (data: Buffer) => {
      if (!sink.write(data)) source.pause();
    });
    sink.on("drain", () => this.#flow(line, direction));
    source.on("end", () => sink.end());
    source.on("close", () => {
      // Behind a cut nobody hears of an end either.
      if (!this.#blocked[direction]) this.#end(line);
    });
    this.#flow(line, direction);
  }

  #flow(line: Line, direction: Direction): void {
    if (this.#blocked[direction]) line[direction].pause();
    else line[direction].resume();
  }

  #end(line: Line): void {
    this.#lines.delete(line);
    line.out.destroy();
    line.back.destroy();
  }

  block(direction: Direction, blocked: boolean): void {
    this.#blocked[direction] = blocked;
    for (const line of this.#lines) {
      if (!blocked && line[direction].destroyed) this.#end(line);
      else this.#flow(line, direction);
    }
    this.#connect();
  }

  /** Ends every connection, with whatever waits in it. */
  reset(): void {
    for (const dialer of this.#dialing) dialer.destroy();
    for (const line of this.#lines) this.#end(line);
  }

  close(): void {
    this.#server.close();
    this.reset();
  }
}

function pairs(count: number): [number, number][] {
  const nodes = Array.from({ length: count }, (_, node) => node);
  return nodes.flatMap(from => nodes.flatMap(to => (from === to ? [] : [[from, to] as [number, number]])));
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address ? address.port : 0;
}
