/** One room as this page holds it: its rows, how far it has heard of each origin, and how far it was read. */

import { type Signal, signal } from "@preact/signals";
import type { Message, Person } from "../core/plugin.ts";
import { raise } from "./copies.ts";
import { keep, kept } from "./keep.ts";
import { me } from "./session.ts";
import { Timeline } from "./timeline.ts";

/** A row this much older than the newest one came late, rather than merely crossing it on the way. */
const LATE_MS = 10_000;
/** What a timeline may hold, and what is left of it when that is exceeded: history has the rest. */
const MAX_ROWS = 2_000;
const TRIMMED_ROWS = 1_000;

/** Sorts before every key: how far a room was read in which nothing had been said. */
const BEFORE_ALL = " ";

export class Room {
  readonly id: string;
  readonly name: Signal<string>;
  readonly timeline = new Timeline();
  /** `loading` until its first rows are here, `missing` where there is no such room. */
  readonly state = signal<"loading" | "ready" | "missing">("loading");
  /** This connection is subscribed to it. */
  readonly joined = signal(false);
  /** There are rows before the oldest that is here. */
  readonly older = signal(false);
  /** There are rows after the newest that is here: the reader is far above them. */
  readonly newer = signal(false);
  readonly unread = signal(0);
  /** The key after which the unread line stands; "" for none. */
  readonly line = signal("");
  /** The people who wrote what is loaded. */
  readonly people = signal<readonly Person[]>([]);
  /** How often what is here was replaced by something else: what was asked for before that does not fit any more. */
  era = 0;
  /** The key of a row that is to be shown as soon as it is here, or no key while that is not known; "" for none. */
  readonly goal = signal("");
  /** The end of the timeline is in sight. */
  readonly atEnd = signal(true);
  /** The last n of each origin; missing before the first join. */
  cursor: Record<string, number> | undefined;
  /** The ids of the messages at those places. */
  last: Record<string, string> = {};
  /** How often a node said that the cursor says nothing. */
  resets = 0;
  /** What came live while a join was under way. */
  held: Message[] | undefined;
  #read: string;
  /** The highest key of what came, and is not here. */
  #beyond = "";
  readonly #viewed: () => boolean;

  /** `viewed` says whether the reader is looking at the end of this room. */
  constructor(id: string, name: string, viewed: (room: Room) => boolean) {
    this.id = id;
    this.#viewed = () => viewed(this);
    this.name = signal(name);
    this.#read = kept(`read:${id}`);
  }

  /** Takes what `join` and live delivery bring; `news` where it was not yet there when the page last looked. */
  accept(messages: readonly Message[], news: boolean): void {
    const rows = this.#sort(messages);
    for (const { id, copies } of messages) if (copies !== undefined) raise(id, copies);
    const newest = this.timeline.newest;
    const late = (row: Message) => !!newest && news && row.key < newest.key && newest.at - row.at > LATE_MS;
    const near = this.#near(rows);
    const added = [...this.timeline.insert(near, late), ...rows.filter(row => !near.includes(row))];
    this.meet(added);
    const unread = added.filter(
      row => row.author.id !== me.peek().id && !row.erased && (late(row) || row.key > this.#read),
    );
    // Whoever enters a room for the first time has not missed what was said before.
    if ((this.state.peek() === "ready" && this.#viewed()) || (this.#read === "" && !news)) this.markRead();
    else if (unread.length > 0) {
      if (this.unread.peek() === 0) this.line.value = this.#read;
      this.unread.value += unread.length;
    }
    if (this.atEnd.peek()) this.#trimOldest();
  }

  /** Those that follow what is here. The others would leave a gap, or be too many for a reader who is not there. */
  #near(rows: readonly Message[]): readonly Message[] {
    // Older pages are asked for from the oldest row on: one before it would hide what lies between.
    const start = (this.older.peek() && this.timeline.oldest?.key) || "";
    rows = rows.filter(({ key }) => key >= start);
    if (!this.newer.peek() && (this.atEnd.peek() || this.timeline.size + rows.length <= MAX_ROWS)) return rows;
    const end = this.timeline.newest?.key ?? "";
    for (const { key } of rows) if (key > end) this.#leave(key);
    return rows.filter(({ key }) => key <= end);
  }

  /** A row of that key is left to history. */
  #leave(key: string): void {
    this.newer.value = true;
    if (key > this.#beyond) this.#beyond = key;
  }

  #trimOldest(): void {
    if (this.timeline.size > MAX_ROWS && this.timeline.trim(TRIMMED_ROWS, "oldest")) this.older.value = true;
  }

  /** Takes a page of older messages. */
  prepend(messages: readonly Message[]): void {
    this.meet(this.timeline.insert(this.#sort(messages)));
    const newest = this.timeline.newest?.key ?? "";
    if (this.timeline.size > MAX_ROWS && this.timeline.trim(MAX_ROWS, "newest")) this.#leave(newest);
  }

  /** Takes a page of newer messages, which follows what is here; an empty one where there are none. */
  append(messages: readonly Message[]): void {
    this.meet(this.timeline.insert(this.#sort(messages)));
    if (messages.length === 0 || (this.timeline.newest?.key ?? "") >= this.#beyond) this.newer.value = false;
    this.#trimOldest();
  }

  /** Takes the newest page in place of all before it. */
  renew(messages: readonly Message[], older: boolean): void {
    this.era++;
    const from = messages[0]?.key ?? "";
    this.timeline.keep(key => key >= from);
    this.prepend(messages);
    this.older.value = older;
    if (this.#viewed()) this.markRead();
  }

  /** Takes rows somewhere in its history in place of all that is here. */
  turnTo(messages: readonly Message[], older: boolean): void {
    this.era++;
    this.#leave(this.timeline.newest?.key ?? "");
    const rows = messages.filter(({ role = "row" }) => role === "row");
    const [from, to] = [rows[0]?.key ?? "", rows.at(-1)?.key ?? ""];
    // What has come within it since it was read stays.
    this.timeline.keep(key => from <= key && key <= to);
    this.prepend(messages);
    this.atEnd.value = false;
    this.older.value = older;
    this.newer.value = (this.timeline.newest?.key ?? "") < this.#beyond;
  }

  /** Takes an own message that the node has committed, ahead of its delivery. */
  show(message: Message): void {
    if (this.state.peek() !== "ready") return;
    const rows = this.#near(this.#sort([message]));
    if (rows.length === 0) return;
    this.meet(this.timeline.insert(rows));
    this.line.value = "";
    if (this.atEnd.peek()) this.markRead();
  }

  /** Carries erasures out, puts marks to their rows, and returns the rows. */
  #sort(messages: readonly Message[]): Message[] {
    for (const { role, ref, author } of messages) if (role === "erase" && ref) this.timeline.erase(author, ref);
    this.timeline.mark(messages.filter(({ role }) => role === "mark"));
    return messages.filter(({ role = "row" }) => role === "row");
  }

  /** Lets go of what is after the row of that key. */
  cut(end: string): void {
    this.#leave(this.timeline.newest?.key ?? end);
    this.timeline.keep(key => key <= end);
  }

  meet(rows: readonly Message[]): void {
    const known = new Map(this.people.peek().map(person => [person.id, person]));
    // What a plugin wrote of its own accord is nobody's.
    const fresh = rows.filter(({ author: { id, name } }) => known.get(id)?.name !== name && !id.startsWith("plugin:"));
    for (const { author } of fresh) known.set(author.id, author);
    if (fresh.length > 0) this.people.value = [...known.values()];
  }

  /** Everything up to now was seen. */
  markRead(): void {
    const key = this.timeline.newest?.key ?? (this.cursor ? BEFORE_ALL : "");
    if (key > this.#read) {
      this.#read = key;
      keep(`read:${this.id}`, key);
    }
    this.unread.value = 0;
  }

  /** The reader turned to another room: the line has served. */
  turnedAway(): void {
    if (this.unread.peek() === 0) this.line.value = "";
  }

  /** What it holds no longer counts; a first page comes. */
  startAnew(older: boolean): void {
    this.era++;
    this.timeline.clear();
    this.unread.value = 0;
    this.older.value = older;
    this.newer.value = false;
    this.#beyond = "";
  }
}
