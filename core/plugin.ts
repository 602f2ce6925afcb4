/**
 * The contract between the core and a message type. A plugin is a folder of three files, and each calls one function of this
 * one. What a half exports by default is one plugin, or a list where types belong together.
 */
import type { ComponentType } from "preact";
import { Reject } from "./errors.ts";

export { Reject };

/** The version of this contract. It goes up when plugins that were written for the one before would not work any more. */
export const CONTRACT = 1;

/** `log` is kept and replicated, `state` is the last value per key while its node lives, `signal` is never kept. */
export type Kind = "log" | "state" | "signal";
/** What a log message does: stand in the timeline, belong to another message, supersede it, or empty it. */
export type Role = "row" | "mark" | "replace" | "erase";

export type Person = { readonly id: string; readonly name: string };
export type Session = { readonly id: string; readonly person: Person };

/** A message as browsers and plugins see it. `body` is missing where it was erased or this side cannot read it. */
export type Message<Body = unknown> = {
  readonly type: string;
  /** What it does, whether this side knows its type or not; left out where it is a row. */
  readonly role?: Role;
  readonly id: string;
  readonly room: string;
  readonly author: Person;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Sorts messages of a room in the same order on every node. */
  readonly key: string;
  /** The stream that it came in, and its number among that stream's messages to this room. */
  readonly origin: string;
  readonly n: number;
  /** The id of the message that it refers to. */
  readonly ref?: string;
  /** One line that stands for the body. */
  readonly alt?: string;
  readonly erased?: true;
  /** To its author, where history is read: how many nodes hold it, as far as this one knows. */
  readonly copies?: number;
  readonly body?: Body;
};

// message.ts: what the message is, in browser and server alike

export type MessageType<Input = unknown, Body = Input> = {
  /** A folder's own name, or that and more after a dot: `poll`, `poll.vote`. */
  readonly type: string;
  /** The version of the contract that it was written for; the first unless said. */
  readonly contract?: number;
  /** Goes up when `pack` changes; `unpack` is told the version that a body was packed with. */
  readonly version: number;
  readonly kind: Kind;
  /** Log types only; `row` unless said. */
  readonly role?: Role;
  /** What a client sent, made trustworthy; throws `Reject`. */
  parse(input: unknown): Input;
  /** What `unpack` read from a peer or the disk, made trustworthy; `parse` unless given. */
  check?(body: unknown): Body;
  /** Cluster serialization; MessagePack of the body unless given. */
  pack?(body: Body): Uint8Array;
  unpack?(bytes: Uint8Array, version: number): unknown;
  /** One line of plain text, never empty: it stands for the message wherever this plugin is missing. */
  summary(body: Body): string;
  /** Log types only: the blobs that a body refers to, each by its hash. They are kept as long as a message refers to them. */
  blobs?(body: Body): readonly string[];
  /** State only: which value this one replaces. */
  key?(body: Body): string;
  /** State only: one value out of those that several nodes hold under one key; the newest, which is last, unless given. */
  merge?(bodies: Body[]): Body;
};

// server.ts: what the server does with it

/** What a hook returns to have something sent; `body: null` with `key` ends a state value. */
export type Delivery =
  | {
      readonly body: unknown;
      /** Log types only to a room, by its id. */
      readonly to: "all" | { readonly room: string } | { readonly session: string };
      /** Log types only: sent twice under one id it is kept once. */
      readonly id?: string;
      readonly ref?: string;
    }
  | { readonly body: null; readonly key: string };

/** An immutable file, named by its SHA-256 in hex. */
export type StoredBlob = {
  readonly hash: string;
  /** Bytes. */
  readonly size: number;
  /** Media type, as its first bytes say it. */
  readonly type: string;
  /** The bytes from `from` up to, and without, `to`; fewer where it ends before. */
  read(from: number, to: number): Promise<Uint8Array>;
};

export type ServerContext = {
  /** Milliseconds since 1970. */
  now(): number;
  /** A log message that this node holds; this author's, should two have taken the same id. */
  find(id: string, author?: string): Promise<Message | undefined>;
  /** A file that this node holds, or gets from another one now. */
  blob(hash: string): Promise<StoredBlob | undefined>;
  /** The same id for the same text, on every node: what several of them may send is then kept once. */
  idFor(seed: string): string;
  /** The figures of this node. */
  node(): NodeFigures;
};
export type Receiving = ServerContext & { readonly from: Session; readonly room: string; readonly ref?: string };

export type ServerHooks<Input, Body> = {
  /**
   * A client sent one: accept and complete it, or throw `Reject`. Without this hook clients cannot send the type. A promise is
   * JavaScript's own: what merely has a `then`, as some libraries return it, is refused unless an `async` hook awaits it.
   */
  receive?(input: Input, context: Receiving): Body | Promise<Body>;
  /** A session connected to, or left, this node. */
  joined?(session: Session, context: ServerContext): Delivery[];
  left?(session: Session, context: ServerContext): Delivery[];
  /** Once a second. */
  tick?(context: ServerContext): Delivery[];
  /** Somebody asked for `/x/<type>` or what is below it, from outside the chat. A promise is as in `receive`. */
  request?(request: WebRequest, context: ServerContext): WebAnswer | Promise<WebAnswer>;
};

/** A request over HTTP, without cookies. Its body is there in full, 1 MB at most. */
export type WebRequest = {
  readonly method: string;
  /** What comes after `/x/<type>`: `/` or more. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Names in small letters. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
};
/** What is answered once all of `send` is committed; 204 with nothing unless said. */
export type WebAnswer = {
  readonly status?: number;
  /** Media type of the body; plain text unless said. */
  readonly type?: string;
  readonly body?: string | Uint8Array;
  readonly send?: readonly Delivery[];
};

/** What a node knows of itself. Sizes in bytes, times in milliseconds. */
export type NodeFigures = {
  id: string;
  name: string;
  version: string;
  startedAt: number;
  clients: number;
  messagesPerSecond: number;
  rssBytes: number;
  lagMs: number;
  busOpen: boolean;
  /** Message types with their versions. */
  types: Record<string, number>;
  /**
   * Plugins that are switched off or failed, with the place in their sources where that is known: `server.ts:12`. Those that
   * did nothing but keep the node waiting have `slowMs`.
   */
  faults: { plugin: string; why: string; where?: string; slowMs?: number }[];
  /** `behind` counts the envelopes that a peer lacks, `clockMs` is how far its clock is ahead. */
  peers: {
    id: string;
    name: string;
    up: boolean;
    rttMs: number | null;
    clockMs: number | null;
    behind: number;
  }[];
};

// client.tsx: how people see and make it

/** What the shell gives to a plugin's components. Reading a property in a component subscribes it to changes. */
export type Shell<Input = unknown, Body = Input> = {
  readonly me: Person;
  /** Everybody who is connected, on whichever node, as far as any plugin knows. */
  readonly here: readonly Person[];
  /** Log messages go through the outbox and survive a reload; the others are sent only while connected. */
  send(body: Input, to?: { room?: string; ref?: string }): void;
  /** State types: the values that hold now, and the names of the nodes that hold them. */
  readonly values: readonly { readonly key: string; readonly body: Body; readonly nodes: readonly string[] }[];
  /** Signal types: calls back for each one; returns a function that stops it. */
  listen(heard: (signal: { body: Body; room: string; author: Person }) => void): () => void;
  /** The name of the node that this browser is connected to. */
  readonly node: string;
  /** It is connected to one now. */
  readonly connected: boolean;
  /** The same for another type of this plugin: `shell.of(vote).send(…)`. */
  of<OtherInput, OtherBody>(message: MessageType<OtherInput, OtherBody>): Shell<OtherInput, OtherBody>;
  /** A text of the plugin's own `strings`, in the reader's language. */
  t(key: string, values?: Record<string, string | number>): string;
  /** The language that the page is shown in: `en` or `zh`. */
  readonly language: string;
  /** A text that the plugin keeps in this browser until the person logs out; `""` forgets it. */
  remember(key: string, text: string): void;
  /** What this tab kept last, or else any; what was kept last in any, with `anyTab`. */
  recall(key: string, anyTab?: boolean): string;
  /** Keeps a file in this browser until a message that refers to it was sent, which uploads it first. Returns its hash. */
  keep(file: Blob): Promise<string>;
  /** Where a file can be loaded from: the node that this browser is connected to, or this browser itself. */
  blobUrl(hash: string): string;
  /** Begins a file that grows, and stays in this browser until it is sent, dropped, or the person logs out. */
  draft(about: string): Promise<Draft<Input>>;
  /** The oldest draft of this type that a page of this person left behind. From now on this page holds it, and no other. */
  leftDraft(): Promise<Draft<Input> | undefined>;
  /** The rows of this type that this page has of a room, oldest first; those that were erased have no body. */
  loaded(room: string): readonly Message<Body>[];
  roomName(room: string): string;
  /** The slash commands of all types. */
  readonly commands: readonly Command[];
  /** Runs the command that a text is, such as `/poll a, b`; false where it is none. Throws what the command throws. */
  command(text: string, room: string): boolean;
  /** What had the focus is gone: gives it to where the reader goes on. */
  refocus(): void;
  /** A person's picture, the same wherever it stands. */
  readonly Avatar: ComponentType<{ person: Person }>;
};

/** A file in the making, which outlives the page that makes it. */
export type Draft<Input = unknown> = {
  /** What its maker noted when it began. */
  readonly about: string;
  /** Nothing of it is lost when the page ends now. */
  readonly kept: boolean;
  add(piece: Blob): void;
  /** What was added, in one. */
  file(): Blob;
  /** Sends the message that it has become, once, should the page end meanwhile, too; it is dropped then. Throws what `parse` throws. */
  send(body: Input, to?: { room?: string; ref?: string }): Promise<void>;
  drop(): void;
};

/** How a command is written, and what it does, in the reader's language: `poll`, `question, answer, answer`. */
export type Command = { readonly name: string; readonly takes: string; readonly label: string };

type Slot<Input, Body, Props = unknown> = ComponentType<{ shell: Shell<Input, Body> } & Props>;
export type ClientHooks<Input, Body, View = undefined> = {
  /** A row of the timeline; `view` is what `fold` made. */
  Row?: Slot<Input, Body, { message: Message<Body> & { readonly body: Body }; view: View }>;
  /**
   * What a row and the messages that refer to it come to: marks of this plugin's types, in the order of their keys, own ones
   * that wait to be sent last. A pure function, called again when one more is there: whose marks count is judged here.
   */
  fold?(message: Message<Body> & { readonly body: Body }, marks: readonly Message[]): View;
  /** What people write it with, below the timeline. Says of each change whether something unsent is left. */
  Composer?: Slot<Input, Body, { room: string; roomName: string; typed(unsent: boolean): void }>;
  /** A button beside the composer, which opens a dialog; `label` is a key of `strings`, `icon` an SVG path in a box of 16 by 16. */
  tool?: {
    label: string;
    icon: string;
    /** Opens it too: `Alt+P`. What the page itself uses is not given away. */
    shortcut?: string;
    Form: Slot<Input, Body, { room: string; roomName: string; close(): void }>;
  };
  /**
   * `/<type>` in the composer; `takes` and `label` are keys of `strings`. What it throws is told there, and so is what `parse`
   * refuses of what it sends: the text stays to be mended.
   */
  command?: { takes: string; label: string; run(text: string, room: string, shell: Shell<Input, Body>): void };
  /** A pane of its own beside the timeline; `title` is a key of `strings`, `people` are those seen in the room. */
  panel?: { title: string; Component: Slot<Input, Body, { people: readonly Person[] }> };
  /** A bar above everything, which stays while the reader moves between rooms. */
  Dock?: Slot<Input, Body>;
  /** A short figure in the room's header. */
  Badge?: Slot<Input, Body, { room: string }>;
  /** A line between timeline and composer. */
  Hint?: Slot<Input, Body, { room: string }>;
  /** What a reader can do to a message; `label` and `confirm`, which is asked first, are keys of `strings`. */
  action?: {
    label: string;
    confirm?: string;
    offered(message: Message, shell: Shell<Input, Body>): boolean;
    run(message: Message, shell: Shell<Input, Body>): void;
  };
  /** Who is here, as this type knows it. */
  here?(shell: Shell<Input, Body>): readonly Person[];
  /** A connection began, the first or a later one; returns what ends it. */
  started?(shell: Shell<Input, Body>): () => void;
  /** The reader changed what stands in the composer of that type. */
  typed?(room: string, unsent: boolean, shell: Shell<Input, Body>, type: string): void;
  strings?: Record<string, Record<string, string>>;
};

export type ServerPlugin<Input = unknown, Body = Input> = {
  readonly message: MessageType<Input, Body>;
  /** Makes the hooks anew for each node, so that nodes in one process share nothing. */
  readonly hooks: (settings?: unknown) => ServerHooks<Input, Body>;
};
export type ClientPlugin<Input = unknown, Body = Input, View = undefined> = {
  readonly message: MessageType<Input, Body>;
  readonly hooks: ClientHooks<Input, Body, View>;
};
// biome-ignore lint/suspicious/noExplicitAny: a list of plugins holds bodies of any type, and the core looks into none
export type AnyServerPlugin = ServerPlugin<any, any>;
// biome-ignore lint/suspicious/noExplicitAny: as above
export type AnyClientPlugin = ClientPlugin<any, any, any>;

// The first form is for the common case, where what is sent is what is kept: inference would leave Body `unknown` there.
export function defineMessage<Input>(message: MessageType<Input>): MessageType<Input>;
export function defineMessage<Input, Body>(message: MessageType<Input, Body>): MessageType<Input, Body>;
export function defineMessage<Input, Body>(message: MessageType<Input, Body>): MessageType<Input, Body> {
  return message;
}

/**
 * `hooks` as plain data, or a function that makes them where they hold state or have settings: what is in the folder's
 * `settings.json`, `undefined` without one. Browsers never see those. What it throws keeps the plugin off.
 */
export function defineServer<Input, Body>(
  message: MessageType<Input, Body>,
  hooks: ServerHooks<Input, Body> | ((settings: unknown) => ServerHooks<Input, Body>),
): ServerPlugin<Input, Body> {
  return { message, hooks: typeof hooks === "function" ? hooks : () => hooks };
}

export function defineClient<Input, Body, View = undefined>(
  message: MessageType<Input, Body>,
  hooks: ClientHooks<Input, Body, View>,
): ClientPlugin<Input, Body, View> {
  return { message, hooks };
}

/** As much of the Standard Schema interface (standardschema.dev) as `parseWith` needs; valibot, zod and others have it. */
type Schema<Output> = {
  readonly "~standard": {
    validate(value: unknown): Validated<Output> | Promise<Validated<Output>>;
  };
};
type Validated<Output> = { value: Output; issues?: undefined } | { issues: readonly { message: string }[] };

/** Makes a `parse` of a schema; what the schema refuses is `invalid`, with the schema's own words. */
export function parseWith<Output>(schema: Schema<Output>): (input: unknown) => Output {
  return input => {
    const result = schema["~standard"].validate(input);
    if (result instanceof Promise) throw new Reject("internal", "the schema is asynchronous");
    if (result.issues) throw new Reject("invalid", result.issues[0]?.message);
    return result.value;
  };
}
