/** A node of the simulation: everything but its sockets, its threads and its clock is what a real one is made of. */
import { Audience, type Listener } from "../../core/audience.ts";
import { Clock } from "../../core/clock.ts";
import { Cluster } from "../../core/cluster/cluster.ts";
import type { AckMode } from "../../core/config.ts";
import { placeOf } from "../../core/envelope.ts";
import { asReject } from "../../core/errors.ts";
import { writeFact } from "../../core/facts.ts";
import { Forgotten } from "../../core/forgotten.ts";
import { FORK } from "../../core/forks.ts";
import { Log } from "../../core/log/log.ts";
import { People } from "../../core/people.ts";
import type { AnyServerPlugin, Session } from "../../core/plugin.ts";
import { Reading } from "../../core/reading.ts";
import { Registry } from "../../core/registry.ts";
import { Rooms } from "../../core/rooms.ts";
import { type Outlet, Router } from "../../core/router.ts";
import presence from "../../plugins/presence/server.ts";
import text from "../../plugins/text/server.ts";
import { file } from "../file-type.ts";
import type { Disk } from "./disk.ts";
import type { Files } from "./files.ts";
import { type Network, PORT } from "./network.ts";
import type { Life, World } from "./world.ts";

/** Hears what a node tells one of its connections. */
export type Hearing = { heard(event: string, payload: unknown): void };

export type Guest = Listener & {
  wire: { isOpen: boolean };
  joined: Set<string>;
  session: Session;
  hearing: Hearing;
  joining: Promise<unknown>;
};

const TICK_MS = 1_000;

export class Node {
  readonly host: string;
  readonly life: Life;
  readonly log: Log;
  readonly cluster: Cluster;
  readonly #router: Router;
  readonly #reading: Reading;
  readonly #audience: Audience;
  readonly #guests: Set<Guest>;
  readonly #files: Files;
  #connections = 0;

  private constructor(
    host: string,
    parts: {
      life: Life;
      log: Log;
      cluster: Cluster;
      router: Router;
      reading: Reading;
      audience: Audience;
      guests: Set<Guest>;
      files: Files;
    },
  ) {
    this.host = host;
    this.life = parts.life;
    this.log = parts.log;
    this.cluster = parts.cluster;
    this.#router = parts.router;
    this.#reading = parts.reading;
    this.#audience = parts.audience;
    this.#guests = parts.guests;
    this.#files = parts.files;
  }

  static async start(
    world: World,
    network: Network,
    disk: Disk,
    { host, seeds, skewMs, boot, ack }: { host: string; seeds: string[]; skewMs: number; boot: number; ack: AckMode },
  ): Promise<Node> {
    const life: Life = { alive: true };
    const time = world.timeOf(life, skewMs);
    const failed = (what: string, error: unknown) => {
      throw new Error(`${host}: ${what} failed`, { cause: error });
    };
    const writer = disk.caller(life);
    const log = await Log.of({
      directory: host,
      writer,
      reader: disk.caller(life),
      time,
      isInPlace: () => true,
      release: () => {},
    });
    const clock = new Clock(time.wall, await log.lastHlc());
    clock.observe(await log.latestHlc());
    const registry = new Registry([text, presence, file] as AnyServerPlugin[]);
    const rooms = new Rooms();
    const forgotten = new Forgotten();
    const self = { id: host, name: host, version: "0" };
    const router = new Router({
      registry,
      log,
      clock,
      time,
      ack,
      people: new People(),
      forgotten,
      rooms,
      blobs: disk.files,
      figures: () => ({
        ...self,
        startedAt: 0,
        clients: 0,
        messagesPerSecond: 0,
        rssBytes: 0,
        lagMs: 0,
        busOpen: true,
        types: {},
        faults: [],
        peers: [],
      }),
      failed,
    });
    const guests = new Set<Guest>();
    const audience = new Audience({
      early: room => router.toldEarly(room),
      delivered: () => {},
      pace: run => ({ ask: run, close: () => {} }),
    });
    const cluster = await Cluster.open({
      self: { ...self, boot: `${host} ${boot}`, startedAt: time.wall(), hosts: [host] },
      port: PORT,
      pubPort: 0,
      keys: [],
      seeds: seeds.map(host => ({ host })),
      resolve: async ({ host }) => [{ host, port: PORT }],
      openBus: async events => network.open(host, life, events),
      time,
      log,
      files: disk.files,
      heads: await log.heads(),
      forgotten,
      logger: {
        info: () => {},
        warn: (details, message) => world.trace(() => `${host} warns: ${message} ${JSON.stringify(details)}`),
      },
      events: {
        signal: signal => router.signals.received(signal),
        stateChanged: (type, key) => router.stateChanged(type, key),
        refused: reason => failed("going on", reason),
        held: (peer, seq) => router.holders.held(peer, seq),
        blobsHeld: hashes => router.holders.blobsHeld(hashes),
        nodesChanged: () => {},
        early: router.early,
        giveUp: fork => writeFact(FORK, self, fork, { log, clock }),
      },
    });
    log.failed = error => failed("telling of a commit", error);
    log.committed = commit => router.committed(commit);
    const reading = new Reading({ log, rooms, registry, time, holders: router.holders, cluster });
    router.connect(cluster, outletTo(audience, guests));
    time.every(TICK_MS, () => router.deliveries.tick());
    return new Node(host, { life, log, cluster, router, reading, audience, guests, files: disk.files });
  }

  /** Somebody connects, and says where in the order the last message of theirs stands that they know of. */
  enter(person: { id: string; name: string }, after: string, hearing: Hearing): Guest {
    const place = placeOf(after);
    if (place) this.#router.authorWasAt(person.id, place.hlc);
    const id = `${this.host} ${this.#connections++}`;
    const guest: Guest = {
      session: { id, person },
      hearing,
      joined: new Set(),
      joining: Promise.resolve(),
      dialect: this.#audience.enter(true, []),
      wire: wireTo(hearing),
    };
    this.#guests.add(guest);
    this.#router.deliveries.joined(guest.session);
    return guest;
  }

  leave(guest: Guest): void {
    guest.wire.isOpen = false;
    this.#guests.delete(guest);
    this.#audience.leave(guest);
    this.#router.deliveries.left(guest.session);
  }

  /** A request of a connection, as the gateway takes it: what comes after a join waits for that. */
  async ask(guest: Guest, event: string, input: Record<string, unknown>): Promise<object> {
    const before = guest.joining;
    try {
      if (event !== "join") {
        await before;
        return await this.#send(guest, event, input);
      }
      const joined = before.then(() => this.#join(guest, input as never));
      guest.joining = joined.catch(() => {});
      return await joined;
    } catch (error) {
      return asReject(error).toJSON();
    }
  }

  /** `upload` is what the client uploads before the message that refers to it. */
  async #send(guest: Guest, event: string, { upload, ...input }: { upload?: Uint8Array }): Promise<object> {
    if (upload) this.#files.keep(upload);
    const commit = await this.#router.accept(guest.session, event, input);
    return commit();
  }

  async #join(guest: Guest, request: Parameters<Reading["join"]>[1] & { asked: number }): Promise<object> {
    guest.joined.add(request.room);
    await this.#audience.join(
      guest,
      request.room,
      () => this.#reading.join(guest.session.person, request),
      joined => guest.hearing.heard("joined", { ok: true, asked: request.asked, ...joined }),
    );
    return { ok: true };
  }

  /** People who are here, as this node sees it, and the nodes where they are. */
  present(): string[] {
    return this.cluster.state
      .keys()
      .filter(({ type }) => type === "presence")
      .flatMap(({ key }) => this.cluster.state.held("presence", key).map(({ node }) => `${key}@${node}`))
      .sort();
  }
}

function outletTo(audience: Audience, guests: ReadonlySet<Guest>): Outlet {
  return {
    get size() {
      return guests.size;
    },
    hears: room => audience.hears(room),
    messages: (room, messages) => void audience.messages(room, messages),
    signal: () => {},
    state: () => {},
    stored: (author, messages) => {
      for (const { session, hearing } of guests) if (session.person.id === author) hearing.heard("stored", messages);
    },
    rooms: () => {},
    nodes: () => {},
    renamed: () => {},
    reset: rooms => {
      for (const guest of guests)
        for (const room of rooms) {
          audience.dismiss(guest, room);
          guest.hearing.heard("reset", { room });
        }
    },
    ended: () => {},
  };
}

/** A connection that hears what an audience is told. */
function wireTo(hearing: Hearing): Guest["wire"] {
  return {
    isOpen: true,
    tellAlike({ texts }) {
      for (const text of texts) hearing.heard(...(JSON.parse(text.slice(1)) as [string, unknown]));
    },
  };
}
