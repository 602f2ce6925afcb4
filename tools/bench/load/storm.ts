/** A crowd in a node's rooms that is cut off and comes back all at once, while somebody goes on writing. */
import { setTimeout as sleep } from "node:timers/promises";
import { Member } from "./member.ts";
import { Person } from "./person.ts";
import { Writer } from "./writer.ts";

type Storm = {
  port: number;
  people: number;
  rooms: number;
  /** Messages a second in all rooms together. */
  perSecond: number;
  /** How long they are away, in milliseconds. */
  awayMs: number;
};

/** People who sign in at the same time before the storm. */
const AT_ONCE = 50;

export class Crowd {
  readonly #storm: Storm;
  readonly #members: Member[];
  readonly #writer: Writer;
  readonly #rooms: readonly string[];

  private constructor(storm: Storm, rooms: readonly string[], writer: Writer) {
    this.#storm = storm;
    this.#rooms = rooms;
    this.#writer = writer;
    this.#members = Array.from({ length: storm.people }, (_, index) => {
      const auth = { name: `Ana ${index}`, token: `a token of one of many: ${index}` };
      return new Member(auth, rooms[index % rooms.length] as string);
    });
  }

  /** Resolves when all are there, and hear what is written. */
  static async gather(storm: Storm): Promise<Crowd> {
    const maker = await Person.enter(storm.port, { name: "Cy" });
    const rooms: string[] = [];
    for (let index = 0; index < storm.rooms; index++) {
      const { room } = (await maker.ask("chat:room", { name: `room ${index}` })) as unknown as { room: { id: string } };
      rooms.push(room.id);
    }
    maker.cut();
    const auth = { name: "Bo", token: "a token of somebody who writes" };
    const crowd = new Crowd(storm, rooms, await Writer.start(storm.port, auth, rooms, storm.perSecond));
    for (let from = 0; from < storm.people; from += AT_ONCE)
      await Promise.all(crowd.#members.slice(from, from + AT_ONCE).map(member => member.come(storm.port)));
    return crowd;
  }

  /** Cuts all off, and lets them come back at once; resolves with the milliseconds until each was there again, in order. */
  async storm(begins: () => void): Promise<number[]> {
    for (const member of this.#members) member.cut();
    await sleep(this.#storm.awayMs);
    begins();
    const from = performance.now();
    const times = this.#members.map(async member => {
      await member.come(this.#storm.port);
      return performance.now() - from;
    });
    return (await Promise.all(times)).sort((a, b) => a - b);
  }

  /** Ends the writing; resolves with what is wrong when everybody has all of it, or nothing more comes. */
  async settle(withinMs: number) {
    await this.#writer.stop();
    const missing = () =>
      this.#members.filter((member, index) => {
        const room = this.#rooms[index % this.#rooms.length] as string;
        return member.count < this.#writer.written(room);
      }).length;
    for (const until = performance.now() + withinMs; missing() > 0 && performance.now() < until; ) await sleep(20);
    const sum = (what: "lost" | "doubled") => this.#members.reduce((all, { faults }) => all + faults[what], 0);
    const written = this.#rooms.reduce((all, room) => all + this.#writer.written(room), 0);
    return { behind: missing(), lost: sum("lost"), doubled: sum("doubled"), written, refused: this.#writer.refused };
  }
}
