/** The message types of a node: plugins, each checked once, when it comes in, and then frozen. */
import { types } from "node:util";
import { HASH } from "./blobs/files.ts";
import { decode, encode, MAX_BODY_BYTES } from "./envelope.ts";
import { Reject } from "./errors.ts";
import { type AnyServerPlugin, CONTRACT, type MessageType } from "./plugin.ts";
import { type Caller, Calls, type Hook } from "./plugins/calls/calls.ts";
import { type Hooks, makeHooks } from "./plugins/calls/hooks.ts";
import { plain, something, tellable } from "./plugins/calls/results.ts";
import { folderOfType } from "./plugins/folders.ts";

// biome-ignore lint/suspicious/noExplicitAny: the core looks into no body
type Message = MessageType<any, any>;

/** A message type with its defaults filled in. Its functions throw `Reject` and nothing else. */
export type Type = {
  readonly name: string;
  readonly version: number;
  readonly kind: Message["kind"];
  readonly role: NonNullable<Message["role"]>;
  readonly hooks: Hooks;
  /** Tells of what was wrong with what a hook returned; returns the refusal of whatever it was for. */
  fault(hook: Hook, error: unknown): Reject;
  /** What a client sent, made trustworthy. */
  parse(input: unknown): unknown;
  pack(body: unknown): Uint8Array;
  /** The body in what a peer packed. */
  unpack(bytes: Uint8Array, version: number): unknown;
  /** One line, at most `MAX_ALT_CHARACTERS` long. */
  summary(body: unknown): string;
  /** The hashes of the blobs that it refers to, each once. */
  blobs(body: unknown): string[];
  key(body: unknown): string;
  merge(bodies: unknown[]): unknown;
};

/** Socket.IO's own event names, and those of the client protocol. */
const RESERVED = new Set(
  (
    "connect connect_error connecting disconnect disconnecting error newListener removeListener " +
    "welcome batch state stored renamed reset lagging join leave history search"
  ).split(" "),
);
const TYPE_NAME = /^[a-z][a-z0-9]*([.-][a-z0-9]+)*$/;
const MAX_ALT_CHARACTERS = 16_384;
/** With “plugin:” in front it is the author of what a plugin sends of its own accord. */
const MAX_TYPE_CHARACTERS = 57;
const MAX_KEY_CHARACTERS = 256;
/** That one message may refer to. */
const MAX_BLOBS = 64;

export class Registry {
  readonly #types = new Map<string, Type>();
  /** Names that no other plugin can take. */
  #builtIn: ReadonlySet<string> = new Set();
  readonly #calls: Calls;

  /** With the built-in ones. Throws `Reject` with `plugin-invalid` where the list breaks the contract. */
  constructor(plugins: readonly AnyServerPlugin[], calls = new Calls()) {
    if (!Array.isArray(plugins)) throw new Reject("plugin-invalid", "the plugins are no list");
    this.#calls = calls;
    this.admit(plugins);
    this.#builtIn = new Set(this.#types.keys());
  }

  /**
   * Adds plugins that belong together, all or none; `settings` are for their hooks. Throws `Reject` with `plugin-invalid`
   * where one of them breaks the contract or its name is taken; what the plugin itself threw is the cause.
   */
  admit(plugins: readonly AnyServerPlugin[], settings?: unknown): void {
    for (const type of this.#make(plugins, settings)) this.#types.set(type.name, type);
  }

  /**
   * Puts plugins in the place of all types of a folder. Returns the types that were there, which still do what they did, and
   * those that are there now; throws as `admit` does, and all stays as it was then.
   */
  replace(folder: string, plugins: readonly AnyServerPlugin[], settings?: unknown): { before: Type[]; after: Type[] } {
    const before = [...this.#types.values()].filter(
      ({ name }) => !this.#builtIn.has(name) && folderOfType(name) === folder,
    );
    const after = this.#make(plugins, settings, new Set(before.map(({ name }) => name)));
    for (const { name } of before) this.#types.delete(name);
    for (const type of after) this.#types.set(type.name, type);
    return { before, after };
  }

  /** `free` are names that are there, and may be taken. */
  #make(plugins: readonly AnyServerPlugin[], settings: unknown, free: ReadonlySet<string> = new Set()): Type[] {
    const byName = new Map<string, Type>();
    for (const plugin of plugins) {
      const type = typeOf(plugin, this.#calls, settings);
      const folder = folderOfType(type.name);
      if (this.#builtIn.has(type.name) || this.#builtIn.has(folder))
        throw new Reject("plugin-invalid", `“${folder}” is built in: the folder needs another name`);
      if ((this.#types.has(type.name) && !free.has(type.name)) || byName.has(type.name))
        throw new Reject("plugin-invalid", `two plugins define “${type.name}”`);
      byName.set(type.name, type);
    }
    return [...byName.values()];
  }

  get(name: string): Type | undefined {
    return this.#types.get(name);
  }

  all(): Iterable<Type> {
    return this.#types.values();
  }

  /** Names with their versions, as `welcome` and `/healthz` say them. */
  versions(): Record<string, number> {
    return Object.fromEntries([...this.#types.values()].map(({ name, version }) => [name, version]));
  }
}

function typeOf(plugin: AnyServerPlugin, calls: Calls, settings: unknown): Type {
  if (typeof plugin !== "object" || plugin === null) throw new Reject("plugin-invalid", "one of the plugins is none");
  try {
    const { message } = plugin;
    assertSound(message);
    const caller = calls.of(message.type);
    return complete(message, makeHooks(plugin, caller, settings), caller);
  } catch (error) {
    if (error instanceof Reject) throw error;
    // Its own properties may be getters that throw.
    throw new Reject("plugin-invalid", "one of the plugins cannot be read");
  }
}

function assertSound(message: Message): void {
  const refuse = (why: string) => new Reject("plugin-invalid", `the message type “${message?.type}” ${why}`);
  if (typeof message?.type !== "string" || !TYPE_NAME.test(message.type) || message.type.length > MAX_TYPE_CHARACTERS)
    throw refuse("needs a name of small letters, digits, dots and dashes");
  if (RESERVED.has(message.type) || message.type in Object.prototype) throw refuse("has a reserved name");
  const { contract = 1 } = message;
  if (contract !== CONTRACT)
    throw refuse(`was written for version ${contract} of the contract, and this node speaks version ${CONTRACT}`);
  if (!Number.isSafeInteger(message.version) || message.version < 1) throw refuse("needs a version from 1 up");
  if (!["log", "state", "signal"].includes(message.kind)) throw refuse("needs a kind: log, state or signal");
  if (message.role !== undefined && message.kind !== "log") throw refuse("has a role, which only log types have");
  if (message.blobs !== undefined && message.kind !== "log") throw refuse("has blobs, which only log types have");
  if (message.role !== undefined && !["row", "mark", "replace", "erase"].includes(message.role))
    throw refuse("has an unknown role");
  if (message.kind === "state" && typeof message.key !== "function") throw refuse("is a state and needs key()");
  for (const name of ["parse", "summary"] as const)
    if (typeof message[name] !== "function") throw refuse(`needs ${name}()`);
  for (const name of ["check", "pack", "unpack", "blobs", "key", "merge"] as const)
    if (message[name] !== undefined && typeof message[name] !== "function")
      throw refuse(`has a ${name} that is no function`);
  if ((message.pack === undefined) !== (message.unpack === undefined))
    throw refuse("needs both pack() and unpack(), or neither");
}

function complete(message: Message, hooks: Hooks, caller: Caller): Type {
  /** Of what was packed here, as it is committed and told in the next moment. */
  const readBack = new WeakMap<Uint8Array, unknown>();
  const check = (body: unknown) =>
    message.check
      ? caller.run("check", () => tellable(plain(message.check?.(body))))
      : caller.run("parse", () => tellable(plain(message.parse(body))));
  const unpack = (packed: Uint8Array, version: number) => {
    // Those are what is stored, and goes to peers: a plugin that decodes in place writes on bytes of its own.
    const bytes = new Uint8Array(packed);
    return check(message.unpack ? caller.run("unpack", () => plain(message.unpack?.(bytes, version))) : decode(bytes));
  };
  return Object.freeze<Type>({
    name: message.type,
    version: message.version,
    kind: message.kind,
    role: message.role ?? "row",
    hooks,
    fault: (hook, error) => caller.fault(hook, error),
    parse: input => caller.run("parse", () => plain(message.parse(input))),
    pack: body => {
      const bytes = caller.run("pack", () => {
        // Browsers here are told of a signal before it was packed.
        if (message.kind === "signal") tellable(body);
        return message.pack ? someBytes(message.pack(body)) : encode(body);
      });
      if (bytes.length > MAX_BODY_BYTES) throw new Reject("too-large");
      // What no node could read again must not be acked.
      if (message.kind === "log") readBack.set(bytes, unpack(bytes, message.version));
      else unpack(bytes, message.version);
      return bytes;
    },
    unpack: (bytes, version) => readBack.get(bytes) ?? unpack(bytes, version),
    summary: body => caller.run("summary", () => oneLine(message.summary(body))),
    blobs: body => (message.blobs ? caller.run("blobs", () => hashesIn(message.blobs?.(body))) : []),
    key: body => caller.run("key", () => boundedKey(message.key?.(body))),
    merge: bodies =>
      message.merge ? caller.run("merge", () => something(tellable(plain(message.merge?.(bodies))))) : bodies.at(-1),
  });
}

/** A copy: a plugin may pack its next message into the same buffer before this one is committed. */
function someBytes(result: unknown): Uint8Array {
  if (!types.isUint8Array(plain(result))) throw new Error("it returned no bytes");
  return new Uint8Array(result as Uint8Array);
}

function boundedKey(result: unknown): string {
  if (typeof plain(result) !== "string" && typeof result !== "number") throw new Error("it returned no text");
  const key = String(result);
  if (key === "" || key.length > MAX_KEY_CHARACTERS)
    throw new Reject("invalid", "the key of a state is empty or too long");
  return key;
}

function hashesIn(blobs: unknown): string[] {
  if (!Array.isArray(plain(blobs))) throw new Error("it returned no list");
  const hashes = [...new Set(blobs as unknown[])];
  if (hashes.length > MAX_BLOBS) throw new Reject("too-large", `a message refers to at most ${MAX_BLOBS} blobs`);
  return hashes.map(hash => {
    if (typeof hash !== "string" || !HASH.test(hash)) throw new Reject("invalid", "that is no hash of a blob");
    return hash;
  });
}

function oneLine(text: unknown): string {
  if (typeof plain(text) !== "string") throw new Error("it returned no text");
  return (text as string).replace(/\s+/g, " ").trim().slice(0, MAX_ALT_CHARACTERS).toWellFormed();
}
