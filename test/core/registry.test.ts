import assert from "node:assert/strict";
import test from "node:test";
import { encode, MAX_BODY_BYTES } from "../../core/envelope.ts";
import { type AnyServerPlugin, Reject } from "../../core/plugin.ts";
import { Registry } from "../../core/registry.ts";
import builtIn from "../../plugins/server.ts";

const sound = {
  type: "note",
  version: 1,
  kind: "log",
  parse: (input: unknown) => input,
  summary: () => "a note",
};

function registryOf(changes: object, hooks: () => object = () => ({})): Registry {
  return new Registry([{ message: { ...sound, ...changes }, hooks } as AnyServerPlugin]);
}

const BAD: [why: string, changes: object][] = [
  ["has no name", { type: undefined }],
  ["has an empty name", { type: "" }],
  ["has a name that is no text", { type: 1 }],
  ["has a name in capitals", { type: "Note" }],
  ["has a name with a space", { type: "a note" }],
  ["has a name with a line feed", { type: "note\n" }],
  ["has a name with an underscore", { type: "a_note" }],
  ["begins its name with a digit", { type: "1note" }],
  ["ends its name with a dot", { type: "note." }],
  ["begins its name as the core's events do", { type: "chat:note" }],
  ["has a name of 58 characters", { type: "n".repeat(58) }],
  ["is called as every object's prototype is", { type: "__proto__" }],
  ["is called as every object's constructor is", { type: "constructor" }],
  ["has a reserved name, connect", { type: "connect" }],
  ["has a reserved name, disconnect", { type: "disconnect" }],
  ["has a reserved name, error", { type: "error" }],
  ["has a reserved name, welcome", { type: "welcome" }],
  ["has a reserved name, batch", { type: "batch" }],
  ["has a reserved name, state", { type: "state" }],
  ["has a reserved name, stored", { type: "stored" }],
  ["has a reserved name, renamed", { type: "renamed" }],
  ["has a reserved name, reset", { type: "reset" }],
  ["has a reserved name, lagging", { type: "lagging" }],
  ["has a reserved name, join", { type: "join" }],
  ["has a reserved name, leave", { type: "leave" }],
  ["has a reserved name, history", { type: "history" }],
  ["has a reserved name, search", { type: "search" }],
  ["has no version", { version: undefined }],
  ["has version 0", { version: 0 }],
  ["has half a version", { version: 1.5 }],
  ["has a version that is no number", { version: "1" }],
  ["has no kind", { kind: undefined }],
  ["has an unknown kind", { kind: "stream" }],
  ["has an unknown role", { role: "column" }],
  ["has the role of the core's own facts", { role: "fact" }],
  ["is a signal and has a role", { kind: "signal", role: "row" }],
  ["is a state and has a role", { kind: "state", key: () => "", role: "row" }],
  ["is a state and has no key", { kind: "state" }],
  ["has no parse", { parse: undefined }],
  ["has a parse that is no function", { parse: {} }],
  ["has no summary", { summary: undefined }],
  ["has a check that is no function", { check: {} }],
  ["has a pack that is no function", { pack: 1, unpack: () => null }],
  ["has an unpack that is no function", { pack: () => new Uint8Array(), unpack: null }],
  ["has a key that is no function", { key: "id" }],
  ["has blobs that are no function", { blobs: [] }],
  ["is a signal and has blobs", { kind: "signal", blobs: () => [] }],
  ["is a state and has blobs", { kind: "state", key: () => "", blobs: () => [] }],
  ["has a merge that is no function", { merge: [] }],
  ["has pack without unpack", { pack: () => new Uint8Array() }],
  ["has unpack without pack", { unpack: () => null }],
];

for (const [why, changes] of BAD)
  test(`a type that ${why} fails at start`, () => {
    assert.throws(() => registryOf(changes), { name: "Reject", code: "plugin-invalid" });
  });

const BAD_LISTS: [why: string, plugins: unknown][] = [
  ["is none", null],
  ["is an object", {}],
  ["has nothing at one of its places", [null]],
  ["has a text in it", ["note"]],
  ["has a plugin without a message", [{ hooks: () => ({}) }]],
  ["has a plugin without hooks", [{ message: sound }]],
  ["has hooks that are plain data", [{ message: sound, hooks: {} }]],
  ["has hooks that throw", [{ message: sound, hooks: () => assert.fail("not today") }]],
  ["has hooks that make nothing", [{ message: sound, hooks: () => null }]],
  ["has a hook that is no function", [{ message: sound, hooks: () => ({ receive: 1 }) }]],
];

for (const [why, plugins] of BAD_LISTS)
  test(`a list of plugins that ${why} fails at start`, () => {
    assert.throws(() => new Registry(plugins as AnyServerPlugin[]), { name: "Reject", code: "plugin-invalid" });
  });

test("two plugins of one name fail at start", () => {
  const plugin = { message: sound, hooks: () => ({}) } as AnyServerPlugin;
  assert.throws(() => new Registry([plugin, plugin]), { code: "plugin-invalid", message: /two plugins.*note/ });
});

test("a plugin that comes later takes no name that is built in, nor the place of what has it", () => {
  const plugin = builtIn.find(({ message }) => message.type === "text") as AnyServerPlugin;
  const registry = new Registry(builtIn);
  const text = registry.get("text");
  const refusal = { code: "plugin-invalid", message: "“text” is built in: the folder needs another name" };
  assert.throws(() => registry.admit([plugin]), refusal);
  assert.throws(() => registry.replace("text", [plugin]), refusal);
  assert.equal(registry.get("text"), text);
  const others = new Registry([]);
  others.admit([plugin]);
  assert.throws(() => others.admit([plugin]), { message: "two plugins define “text”" });
  assert.equal(others.replace("text", [plugin]).before.length, 1);
});

test("what a plugin may be called, it is called", () => {
  for (const type of ["note", "n", "whiteboard.stroke", "two-words", "v2", "n".repeat(57), "tostring"])
    assert.equal(registryOf({ type }).get(type)?.name, type);
});

test("there is no type of a name that only objects have", () => {
  const registry = registryOf({});
  for (const name of ["__proto__", "constructor", "toString", "hasOwnProperty", "", "NOTE"])
    assert.equal(registry.get(name), undefined, name);
});

test("what is left out has its default: a row, packed as MessagePack, checked by parse", () => {
  const type = registryOf({ parse: (input: unknown) => ({ checked: input }) }).get("note");
  assert.ok(type);
  assert.equal(type.role, "row");
  assert.deepEqual(type.pack({ a: 1 }), encode({ a: 1 }));
  assert.deepEqual(type.unpack(encode({ a: 1 }), 1), { checked: { a: 1 } });
  assert.deepEqual(type.merge([1, 2, 3]), 3);
});

test("what a plugin gives, it uses: check, pack, and unpack with the version that packed it", () => {
  const type = registryOf({
    check: (body: unknown) => ({ checked: body }),
    pack: (body: string) => Buffer.from(body),
    unpack: (bytes: Uint8Array, version: number) => `${Buffer.from(bytes)} of version ${version}`,
  }).get("note");
  assert.deepEqual(type?.pack("x"), new Uint8Array(Buffer.from("x")));
  assert.deepEqual(type?.unpack(Buffer.from("x"), 7), { checked: "x of version 7" });
});

test("whatever a plugin throws is a Reject outside of it, and its text stays inside", () => {
  const fail = () => {
    throw new TypeError("secret");
  };
  const type = registryOf({
    kind: "state",
    parse: fail,
    pack: fail,
    unpack: fail,
    summary: fail,
    key: fail,
    merge: fail,
  });
  const { parse, pack, unpack, summary, key, merge } = type.get("note") as NonNullable<ReturnType<Registry["get"]>>;
  const calls = [
    () => parse(1),
    () => pack(1),
    () => unpack(encode(1), 1),
    () => summary(1),
    () => key(1),
    () => merge([1]),
  ];
  for (const call of calls)
    assert.throws(
      call,
      error => error instanceof Reject && error.code === "plugin-failed" && !/secret/.test(error.message),
    );
});

test("a plugin's own refusal passes as it is", () => {
  const refusal = new Reject("too-large", "ten notes are enough");
  const parse = () => {
    throw refusal;
  };
  assert.throws(
    () => registryOf({ parse }).get("note")?.parse(1),
    error => error === refusal,
  );
});

test("what no node could read again is not packed", () => {
  const type = registryOf({}).get("note");
  const unreadable = {
    "a Date, which is an extension": new Date(0),
    "a list of 20,000": Array(20_000).fill(1),
    "a key that would set the prototype": JSON.parse('{"__proto__": 1}'),
  };
  for (const [what, body] of Object.entries(unreadable))
    assert.throws(() => type?.pack(body), { name: "Reject", code: "invalid" }, what);
  const longest = "x".repeat(MAX_BODY_BYTES - 5);
  assert.equal(type?.unpack(type.pack(longest), 1), longest);
  assert.throws(() => type?.pack(`${longest}x`), { name: "Reject", code: "too-large" });
  const picky = registryOf({ check: () => assert.fail("never good enough") }).get("note");
  assert.throws(() => picky?.pack("x"), { name: "Reject", code: "plugin-failed" });
});

test("the key of a state is never empty, and has at most 256 characters", () => {
  const type = registryOf({ kind: "state", key: (body: unknown) => body }).get("note");
  for (const [body, key] of [
    ["k", "k"],
    ["k".repeat(256), "k".repeat(256)],
    [7, "7"],
  ] as const)
    assert.equal(type?.key(body), key);
  for (const body of ["", "k".repeat(257)]) assert.throws(() => type?.key(body), { name: "Reject", code: "invalid" });
});

test("damaged bytes of a peer are refused under a code", () => {
  assert.throws(
    () =>
      registryOf({})
        .get("note")
        ?.unpack(Buffer.from([0xc1]), 1),
    { code: "invalid" },
  );
});

test("a summary is one line of well-formed text of bounded length", () => {
  const summaryOf = (summary: unknown) =>
    registryOf({ summary: () => summary })
      .get("note")
      ?.summary(null);
  assert.equal(summaryOf("  two\r\nlines\t and \u2028 more "), "two lines and more");
  assert.equal(summaryOf(`\ud800${"x".repeat(20_000)}`)?.length, 16_384);
  assert.ok(summaryOf("\ud800")?.isWellFormed());
  assert.ok(summaryOf(`${"x".repeat(16_383)}🙂`)?.isWellFormed());
  assert.throws(() => summaryOf(undefined), { name: "Reject", code: "plugin-failed" });
});

test("hooks are made anew for each registry, so that two nodes in one process share nothing", () => {
  let made = 0;
  const plugin = { message: sound, hooks: () => ({ made: ++made }) } as unknown as AnyServerPlugin;
  const [one, two] = [new Registry([plugin]), new Registry([plugin])];
  assert.notEqual(one.get("note")?.hooks, two.get("note")?.hooks);
  assert.equal(made, 2);
});

test("types cannot be changed once they are registered", () => {
  assert.throws(() => Object.assign(registryOf({}).get("note") as object, { name: "other" }), TypeError);
});

test("the built-in types are sound, and said with their versions", () => {
  const registry = new Registry(builtIn);
  assert.deepEqual(
    registry.versions(),
    Object.fromEntries(builtIn.map(({ message }) => [message.type, message.version])),
  );
  assert.equal([...registry.all()].length, builtIn.length);
});
