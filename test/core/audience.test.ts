import assert from "node:assert/strict";
import test from "node:test";
import { Audience, type Listener } from "../../core/audience.ts";
import type { Packets } from "../../core/packets.ts";
import type { Message } from "../../core/plugin.ts";

const message = { type: "text", id: "one", room: "lobby", alt: "Hello", body: { text: "Hello" } } as unknown as Message;

/** An audience that fans out at once, or when the test says so, and what each of its listeners was told. */
function newAudience({ waits = false } = {}) {
  const told: [who: string, event: string, payload: unknown][] = [];
  const encoded = new Set<Packets>();
  let delivered = 0;
  let fanOut = () => {};
  const audience = new Audience({
    early: () => [],
    delivered: deliveries => {
      delivered += deliveries;
    },
    pace(run) {
      fanOut = run;
      return { ask: waits ? () => {} : run, close: run };
    },
  });
  /** Somebody who has joined the lobby. */
  const listener = async (id: string, batch: boolean, types: string[]): Promise<Listener> => {
    const wire = {
      isOpen: true,
      tellAlike(packets: Packets) {
        encoded.add(packets);
        for (const text of packets.texts) {
          const [event, payload] = JSON.parse(text.slice(1)) as [string, unknown];
          told.push([id, event, payload]);
        }
      },
    };
    const listener = { wire, dialect: audience.enter(batch, types), joined: new Set(["lobby"]) };
    await join(audience, listener);
    return listener;
  };
  return { audience, listener, told, encoded, delivered: () => delivered, fanOut: () => fanOut() };
}

const join = (audience: Audience, listener: Listener, more = false) =>
  audience.join(
    listener,
    "lobby",
    async () => ({ more }),
    () => {},
  );

test("clients that know the same types share a dialect, however often and in whatever order they name them", async () => {
  const { audience, listener, told, encoded, delivered } = newAudience();
  const named = [
    ["text", "redact"],
    ["redact", "text"],
    ["text", "redact", "text", "text"],
  ];
  const clients = await Promise.all(named.map((types, index) => listener(`client ${index}`, true, types)));
  const dialects = clients.map(({ dialect }) => dialect);
  assert.equal(new Set(dialects).size, 1);
  audience.messages("lobby", [message]);
  assert.deepEqual(
    told.map(([who, event]) => `${who} ${event}`),
    ["client 0 batch", "client 1 batch", "client 2 batch"],
  );
  assert.equal(delivered(), 3);
  assert.equal(encoded.size, 1, "encoded once for all");
  assert.notEqual((await listener("plain", false, ["text", "redact"])).dialect, dialects[0]);
});

test("who knows a type is spared its alt, and who knows no batches is told one by one", async () => {
  const { audience, listener, told } = newAudience();
  await listener("batch", true, ["text"]);
  await listener("plain", false, ["text"]);
  await listener("stranger", false, []);
  const other = { ...message, id: "two" };
  audience.messages("lobby", [message, other]);
  const { alt: _, ...spared } = message;
  assert.deepEqual(told, [
    ["batch", "batch", [spared, { ...spared, id: "two" }]],
    ["plain", "text", spared],
    ["plain", "text", { ...spared, id: "two" }],
    ["stranger", "text", message],
    ["stranger", "text", other],
  ]);
});

test("a room that everybody has left is heard by nobody", async () => {
  const { audience, listener, told, delivered } = newAudience();
  const clients = [await listener("one", true, ["text"]), await listener("two", true, [])];
  assert.equal(audience.hears("lobby"), true);
  for (const client of clients) audience.leave(client);
  assert.equal(audience.hears("lobby"), false);
  audience.messages("lobby", [message]);
  assert.deepEqual(told, []);
  assert.equal(delivered(), 0);
});

test("what is gathered goes out as one, and first of all to those who are in the room when it comes", async () => {
  const { audience, listener, told, fanOut } = newAudience({ waits: true });
  await listener("first", true, ["text"]);
  const leaving = await listener("leaving", true, ["text"]);
  audience.messages("lobby", [message]);
  audience.messages("lobby", [{ ...message, id: "two" }]);
  audience.dismiss(leaving, "lobby");
  audience.messages("lobby", [{ ...message, id: "three" }]);
  const second = await listener("second", true, ["text"]);
  audience.messages("lobby", [{ ...message, id: "four" }]);
  assert.equal(audience.hears("lobby"), true);
  fanOut();
  audience.leave(second);
  const heard = (name: string) =>
    told.filter(([who]) => who === name).map(([, , batch]) => (batch as Message[]).map(({ id }) => id));
  assert.deepEqual(heard("first"), [["one", "two"], ["three"], ["four"]]);
  assert.deepEqual(heard("leaving"), [["one", "two"]]);
  assert.deepEqual(heard("second"), [["four"]]);
});

test("what is gathered while a join reads is told once to who joins", async () => {
  const { audience, listener, told, fanOut } = newAudience({ waits: true });
  const client = await listener("client", true, ["text"]);
  const read = async () => {
    audience.messages("lobby", [message]);
    return { more: false };
  };
  await audience.join(client, "lobby", read, () => {});
  fanOut();
  assert.equal(told.length, 1);
});

test("what comes live while a join reads follows its answer", async () => {
  const { audience, listener, told } = newAudience();
  const client = await listener("client", true, ["text"]);
  const read = async () => {
    audience.messages("lobby", [message]);
    return { more: false };
  };
  await audience.join(client, "lobby", read, () => told.push(["client", "answer", undefined]));
  assert.deepEqual(
    told.map(([, event]) => event),
    ["answer", "batch"],
  );
});

test("who has to page on is not subscribed yet", async () => {
  const { audience, listener, told } = newAudience();
  const client = await listener("client", true, ["text"]);
  await join(audience, client, true);
  assert.equal(audience.hears("lobby"), false);
  audience.messages("lobby", [message]);
  assert.deepEqual(told, []);
});

for (const [what, end] of [
  ["leaves", (audience: Audience, client: Listener) => audience.leave(client)],
  ["is dismissed", (audience: Audience, client: Listener) => audience.dismiss(client, "lobby")],
] as const)
  test(`who ${what} while a join reads gets no answer, and is sent nothing any more`, async () => {
    const { audience, listener, told } = newAudience();
    const client = await listener("client", true, ["text"]);
    const read = async () => {
      audience.messages("lobby", [message]);
      end(audience, client);
      return { more: false };
    };
    const joined = audience.join(client, "lobby", read, () => told.push(["client", "answer", undefined]));
    await assert.rejects(joined, { code: "reset" });
    assert.equal(audience.hears("lobby"), false);
    audience.messages("lobby", [message]);
    assert.deepEqual(told, []);
  });

test("who joins while more is said than can be kept back is told to ask again, and is in the room then", async () => {
  const { audience, listener, told } = newAudience();
  const ana = await listener("ana", false, ["text"]);
  const read = Promise.withResolvers<{ more: boolean }>();
  const asking = audience.join(
    ana,
    "lobby",
    () => read.promise,
    () => assert.fail("there is a hole in that answer"),
  );
  const flood = Array.from({ length: 5_000 }, () => message);
  for (let times = 0; times < 4; times++) audience.messages("lobby", flood);
  assert.equal(audience.held, 20_000);
  audience.messages("lobby", [message]);
  assert.equal(audience.held, 0, "what has a hole is kept no longer");
  audience.messages("lobby", flood);
  assert.equal(audience.held, 0);
  read.resolve({ more: false });
  await assert.rejects(asking, { code: "overloaded", details: { retryAfterMs: 1_000 } });
  audience.messages("lobby", [message]);
  assert.deepEqual(told, []);
  await join(audience, ana);
  audience.messages("lobby", [message]);
  assert.equal(told.length, 1);
});

test("what is kept back for all who join together is bounded, and is let go when they leave", async () => {
  const { audience, listener } = newAudience();
  const crowd = await Promise.all(Array.from({ length: 60 }, (_, index) => listener(`${index}`, true, [])));
  const read = Promise.withResolvers<{ more: boolean }>();
  const asking = crowd.map(one =>
    audience.join(
      one,
      "lobby",
      () => read.promise,
      () => {},
    ),
  );
  audience.messages(
    "lobby",
    Array.from({ length: 20_000 }, () => message),
  );
  assert.equal(audience.held, 1_000_000);
  for (const one of crowd) audience.leave(one);
  assert.equal(audience.held, 0);
  read.resolve({ more: false });
  const codes = (await Promise.allSettled(asking)).map(joined => joined.status === "rejected" && joined.reason.code);
  assert.deepEqual(new Set(codes), new Set(["reset"]));
});
