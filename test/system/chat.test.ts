/** The client protocol on one node: what a browser or a bot may count on. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { v7 as uuid } from "uuid";
import { keyOf } from "../../core/envelope.ts";
import { connect } from "../helpers/client.ts";
import { newNode } from "../helpers/node.ts";

test("a first connection is welcomed with who it is and what there is", async t => {
  const node = await newNode(t, { NODE_NAME: "alpha", RATE_LIMIT: "7" });
  const { welcome } = await connect(t, node, { name: " Ana " });
  assert.equal(welcome.protocol, 1);
  assert.equal(welcome.you.name, "Ana");
  assert.deepEqual(welcome.node, { id: node.id, name: "alpha", version: "test" });
  assert.deepEqual(welcome.rooms, [{ id: "lobby", name: "lobby" }]);
  assert.deepEqual(welcome.types, { text: 1, voice: 1, presence: 1, status: 1, typing: 1, redact: 1 });
  assert.deepEqual(welcome.limits, { messagesPerSecond: 7, burst: 21, frameBytes: 524_288, blobBytes: 16_777_216 });
  assert.ok(welcome.state.some(({ type, key }) => type === "presence" && key === welcome.you.id));
});

test("everyone in a room is told of a message, and its sender that it is kept", async t => {
  const node = await newNode(t);
  const [ana, raj] = [
    await connect(t, node, { name: "Ana" }),
    await connect(t, node, { name: "Raj", transports: ["polling"] }),
  ];
  await ana.join("lobby");
  await raj.join("lobby");
  const id = uuid();
  const ack = await ana.ask("text", { id, room: "lobby", body: { text: "可以。 **Ship** it?" } });
  assert.deepEqual([ack.ok, ack.id, ack.copies], [true, id, 1]);
  const message = await raj.until(() => raj.messages()[0]);
  assert.deepEqual(message, {
    type: "text",
    id,
    room: "lobby",
    author: { id: ana.welcome.you.id, name: "Ana" },
    at: ack.at,
    key: ack.key,
    origin: message.origin,
    n: 1,
    alt: "可以。 **Ship** it?",
    body: { text: "可以。 **Ship** it?" },
  });
});

test("a client that asks for batches gets arrays, without the alt of types that it knows", async t => {
  const node = await newNode(t);
  const ana = await connect(t, node, { name: "Ana", batch: true, types: ["text", "no-such-type"] });
  await ana.join("lobby");
  await ana.say("one");
  await ana.until(() => ana.messages().length === 1);
  assert.ok(ana.events.some(([event]) => event === "batch"));
  assert.deepEqual(ana.messages()[0]?.body, { text: "one" });
  assert.equal(ana.messages()[0]?.alt, undefined);
});

test("long polling delivers as WebSocket does", async t => {
  const node = await newNode(t);
  const ana = await connect(t, node, { name: "Ana" }, { transports: ["polling"] });
  await ana.join("lobby");
  await ana.say("by polling");
  await ana.until(() => ana.messages().some(({ alt }) => alt === "by polling"));
});

test("the same id again is answered like the first time, and stored once", async t => {
  const node = await newNode(t);
  const ana = await connect(t, node, { name: "Ana" });
  await ana.join("lobby");
  const id = uuid();
  const first = await ana.ask("text", { id, room: "lobby", body: { text: "once" } });
  const second = await ana.ask("text", { id, room: "lobby", body: { text: "once" } });
  assert.deepEqual([second.ok, second.id, second.at, second.key], [true, id, first.at, first.key]);
  assert.equal((await ana.join("lobby")).messages.length, 1);
  const raj = await connect(t, node, { name: "Raj" });
  await raj.join("lobby");
  const stolen = await raj.ask("text", { id, room: "lobby", body: { text: "mine" } });
  assert.deepEqual([stolen.ok, stolen.code], [false, "invalid"]);
});

test("messages that one client sends at once keep their order", async t => {
  const node = await newNode(t);
  const ana = await connect(t, node, { name: "Ana" });
  await ana.join("lobby");
  await Promise.all(Array.from({ length: 200 }, (_, index) => ana.say(String(index))));
  await ana.until(() => ana.messages().length === 200);
  assert.deepEqual(
    ana.messages().map(({ alt }) => alt),
    Array.from({ length: 200 }, (_, index) => String(index)),
  );
  const keys = ana.messages().map(({ key }) => key);
  assert.deepEqual(keys, keys.toSorted());
});

test("history pages back to the first message, and forward again", async t => {
  const node = await newNode(t);
  const ana = await connect(t, node, { name: "Ana" });
  await ana.join("lobby");
  for (let index = 0; index < 130; index += 10)
    await Promise.all(Array.from({ length: 10 }, (_, step) => ana.say(`${index + step}`)));
  const joined = await ana.join("lobby");
  assert.deepEqual([joined.messages.length, joined.older], [50, true]);
  const seen = joined.messages.map(({ alt }) => alt);
  let first = joined.messages[0];
  for (let older = joined.older; older; ) {
    const page = await ana.ask("history", { room: "lobby", before: first?.key, limit: 30 });
    const messages = page.messages as typeof joined.messages;
    seen.unshift(...messages.map(({ alt }) => alt));
    first = messages[0];
    older = page.older as boolean;
  }
  assert.deepEqual(
    seen,
    Array.from({ length: 130 }, (_, index) => String(index)),
  );
  const forward = await ana.ask("history", { room: "lobby", after: first?.id, limit: 3 });
  assert.deepEqual(
    (forward.messages as typeof joined.messages).map(({ alt }) => alt),
    ["1", "2", "3"],
  );
});

test("a client that comes back with its cursor gets what it lacks, exactly once", async t => {
  const node = await newNode(t);
  const ana = await connect(t, node, { name: "Ana" });
  const raj = await connect(t, node, { name: "Raj" });
  await ana.join("lobby");
  await ana.say("before");
  const { cursor, messages } = await raj.join("lobby");
  assert.equal(messages.length, 1);
  raj.socket.disconnect();
  for (let batch = 0; batch < 12; batch++)
    await Promise.all(Array.from({ length: 100 }, (_, step) => ana.say(`${batch * 100 + step}`)));
  const back = await connect(t, node, { token: raj.welcome.token });
  // Somebody writes on while the pages are read.
  const meanwhile = (async () => {
    for (let index = 1_200; index < 1_300; index++) await ana.say(String(index));
  })();
  const got: string[] = [];
  let answers = 0;
  let at = cursor;
  for (;;) {
    const page = await back.join("lobby", at);
    got.push(...page.messages.map(({ alt }) => alt as string));
    at = page.cursor;
    answers++;
    if (!page.more) break;
  }
  assert.ok(answers > 2, "1,200 messages take more than one answer");
  await meanwhile;
  await back.until(() => got.length + back.messages().length >= 1_300);
  const all = [...got, ...back.messages().map(({ alt }) => alt)];
  assert.deepEqual(
    all,
    Array.from({ length: 1_300 }, (_, index) => String(index)),
  );
});

test("joining while others write leaves no hole between the answer and what comes live", async t => {
  const node = await newNode(t);
  const ana = await connect(t, node, { name: "Ana" });
  await ana.join("lobby");
  const writing = (async () => {
    for (let index = 0; index < 600; index++) await ana.say(String(index));
  })();
  for (let reader = 0; reader < 10; reader++) {
    const raj = await connect(t, node, { name: `Raj ${reader}` });
    const joined = await raj.join("lobby");
    const cursor = Object.values(joined.cursor)[0] ?? 0;
    await raj.until(() => raj.messages().length >= 5);
    const live = raj.messages().map(({ n }) => n);
    assert.deepEqual(
      live.slice(0, 5),
      [1, 2, 3, 4, 5].map(step => cursor + step),
    );
    assert.equal(joined.messages.at(-1)?.n ?? 0, cursor);
    raj.socket.disconnect();
  }
  await writing;
});

test("whoever leaves a room is told nothing more of it, and may not write to it", async t => {
  const node = await newNode(t);
  const [ana, raj] = [await connect(t, node, { name: "Ana" }), await connect(t, node, { name: "Raj" })];
  await ana.join("lobby");
  await raj.join("lobby");
  assert.equal((await raj.ask("leave", { room: "lobby" })).ok, true);
  await ana.say("are you there?");
  assert.equal((await raj.ask("text", { room: "lobby", body: { text: "no" } })).code, "not-in-room");
  assert.equal(raj.messages().length, 0);
});

test("a room is made by naming it, once, and everyone sees it", async t => {
  const node = await newNode(t);
  const [ana, raj] = [await connect(t, node, { name: "Ana" }), await connect(t, node, { name: "Raj" })];
  assert.deepEqual(await ana.ask("chat:room", { name: "#Ops" }), { ok: true, room: { id: "ops", name: "Ops" } });
  await raj.until(() => raj.events.find(([event]) => event === "chat:rooms"));
  assert.deepEqual(await raj.ask("chat:room", { name: "OPS" }), { ok: true, room: { id: "ops", name: "Ops" } });
  assert.equal((await ana.join("ops")).ok, true);
  for (const name of [
    "",
    "  ",
    "a\u0000b",
    "a\u202eb",
    "x".repeat(33),
    7,
    null,
    "chat:facts",
    "__proto__",
    "constructor",
  ])
    assert.match(String((await ana.ask("chat:room", { name })).code), /^(invalid|too-large)$/, JSON.stringify(name));
});

test("a name belongs to whoever claimed it first, whatever its spelling", async t => {
  const node = await newNode(t);
  const ana = await connect(t, node, { name: "Ana" });
  for (const name of ["Ana", "ANA", "ａｎａ", " ana ", "A\u200dna"])
    await assert.rejects(connect(t, node, { name }), (error: { code: string; suggestion: string }) => {
      assert.equal(error.code, "name-taken");
      assert.match(error.suggestion, / 2$/);
      return true;
    });
  const other = await connect(t, node, { name: "Ana 2" });
  assert.notEqual(other.welcome.you.id, ana.welcome.you.id);
  for (const name of ["", "\u202eAna", "a\u0007", "\u200b", "x".repeat(33), "\ud800", "__proto__", "constructor"])
    await assert.rejects(
      connect(t, node, { name }),
      { code: name.length > 32 ? "too-large" : "invalid" },
      JSON.stringify(name),
    );
  await assert.rejects(connect(t, node, {}), { code: "name-required" });
  await assert.rejects(connect(t, node, { name: 5 }), { code: "invalid" });
  await assert.rejects(connect(t, node, { token: "no such token" }), { code: "session-unknown" });
});

test("a name that is suggested in place of a taken one can be claimed, however long", async t => {
  const node = await newNode(t);
  const name = "x".repeat(32);
  await connect(t, node, { name });
  const { suggestion } = await connect(t, node, { name }).then(
    () => assert.fail("the name is taken"),
    (refusal: { code: string; suggestion: string }) => refusal,
  );
  assert.equal((await connect(t, node, { name: suggestion })).welcome.you.name, suggestion);
});

test("of two that claim a name at the same moment one gets it", async t => {
  const node = await newNode(t);
  const claims = await Promise.allSettled(Array.from({ length: 8 }, () => connect(t, node, { name: "Zoë" })));
  assert.equal(claims.filter(({ status }) => status === "fulfilled").length, 1);
});

test("a session survives a restart of the node, and ends when its holder logs out", async t => {
  const node = await newNode(t);
  const ana = await connect(t, node, { name: "Ana" });
  await node.stop();
  const again = await newNode(t, { DATA_DIR: node.dataDir });
  const back = await connect(t, again, { token: ana.welcome.token });
  assert.deepEqual(back.welcome.you, ana.welcome.you);
  const tab = await connect(t, again, { token: ana.welcome.token });
  assert.equal((await back.ask("chat:logout")).ok, true);
  await tab.until(() => tab.events.some(([event]) => event === "disconnect"));
  await assert.rejects(connect(t, again, { token: ana.welcome.token }), { code: "session-unknown" });
  await assert.rejects(connect(t, again, { name: "ana" }), { code: "name-taken" });
});

test("a claim whose answer was lost can be made again with the token that it came with", async t => {
  const node = await newNode(t);
  const claim = { name: "Ana", token: "a-token-of-her-own-choosing" };
  const ana = await connect(t, node, claim);
  const again = await connect(t, node, claim);
  assert.deepEqual([again.welcome.you, again.welcome.token], [ana.welcome.you, claim.token]);
  await assert.rejects(connect(t, node, { ...claim, token: "another-token-of-her-own" }), { code: "name-taken" });
  await assert.rejects(connect(t, node, { name: "Raj", token: "short" }), { code: "session-unknown" });
});

test("a second device signs in with a link, once", async t => {
  const node = await newNode(t);
  const ana = await connect(t, node, { name: "Ana" });
  const { code, expiresAt } = (await ana.ask("chat:link")) as unknown as { code: string; expiresAt: number };
  assert.ok(Math.abs(expiresAt - Date.now() - 600_000) < 60_000);
  const phone = await connect(t, node, { link: code });
  assert.deepEqual(phone.welcome.you, ana.welcome.you);
  assert.notEqual(phone.welcome.token, ana.welcome.token);
  await assert.rejects(connect(t, node, { link: code }), { code: "link-unknown" });
  const { code: raced } = (await ana.ask("chat:link")) as unknown as { code: string };
  const both = await Promise.allSettled([connect(t, node, { link: raced }), connect(t, node, { link: raced })]);
  assert.equal(both.filter(({ status }) => status === "fulfilled").length, 1);
});

test("names, rooms and links from one address are limited", async t => {
  const node = await newNode(t, { CLAIM_LIMIT: "3" });
  const ana = await connect(t, node, { name: "Ana" });
  await connect(t, node, { name: "Raj" });
  assert.equal((await ana.ask("chat:room", { name: "ops" })).ok, true);
  await assert.rejects(connect(t, node, { name: "Eve" }), (error: { code: string; retryAfterMs: number }) => {
    assert.equal(error.code, "rate-limited");
    assert.ok(error.retryAfterMs > 0);
    return true;
  });
  assert.equal((await ana.ask("chat:room", { name: "more" })).code, "rate-limited");
  await connect(t, node, { token: ana.welcome.token });
});

test("a connection that sends too much is told when to go on, and nothing of it is stored", async t => {
  const node = await newNode(t, { RATE_LIMIT: "5" });
  const ana = await connect(t, node, { name: "Ana" });
  await ana.join("lobby");
  const answers = await Promise.all(
    Array.from({ length: 40 }, (_, index) => ana.ask("text", { room: "lobby", body: { text: String(index) } })),
  );
  const refused = answers.filter(({ ok }) => !ok);
  assert.ok(refused.length >= 15 && refused.length <= 25, `${refused.length} refused`);
  for (const { code, retryAfterMs } of refused) assert.ok(code === "rate-limited" && (retryAfterMs ?? 0) > 0);
  const { messages } = await ana.join("lobby");
  assert.equal(messages.length, 40 - refused.length);
});

test("whoever types is shown to the others in the room, not to themselves", async t => {
  const node = await newNode(t);
  const [ana, raj] = [await connect(t, node, { name: "Ana" }), await connect(t, node, { name: "Raj" })];
  await ana.join("lobby");
  await raj.join("lobby");
  assert.deepEqual(await ana.ask("typing", { room: "lobby", body: { typing: true } }), { ok: true });
  const [, signal] = await raj.until(() => raj.events.find(([event]) => event === "typing"));
  assert.equal((signal as { author: { name: string } }).author.name, "Ana");
  assert.ok(!ana.events.some(([event]) => event === "typing"));
});

test("people remove their own messages and nobody else's", async t => {
  const node = await newNode(t);
  const [ana, raj] = [await connect(t, node, { name: "Ana" }), await connect(t, node, { name: "Raj" })];
  await ana.join("lobby");
  await raj.join("lobby");
  const { id } = await ana.say("a secret");
  assert.equal((await raj.ask("redact", { room: "lobby", ref: id, body: {} })).code, "not-allowed");
  assert.equal((await raj.ask("chat:room", { name: "ops" })).ok, true);
  await ana.join("ops");
  assert.equal((await ana.ask("redact", { room: "ops", ref: id, body: {} })).code, "not-found");
  assert.equal((await raj.ask("redact", { room: "lobby", body: {} })).code, "invalid");
  assert.equal((await ana.ask("redact", { room: "lobby", ref: id, body: {} })).ok, true);
  const [, live] = await raj.until(() => raj.events.find(([event]) => event === "redact"));
  assert.equal((live as { ref: string }).ref, id);
  const [row] = (await raj.join("lobby")).messages;
  assert.deepEqual([row?.id, row?.erased, row?.body, row?.alt], [id, true, undefined, undefined]);
});

test("a person is one entry however many tabs, away when all are, and gone soon after the last closes", async t => {
  const node = await newNode(t, { NODE_NAME: "alpha" });
  const watcher = await connect(t, node, { name: "Watcher" });
  const tab = await connect(t, node, { name: "Ana" });
  const { id } = tab.welcome.you;
  const other = await connect(t, node, { token: tab.welcome.token });
  const ana = () => watcher.state.get(`presence ${id}`);
  await watcher.until(() => ana()?.body?.status === "online");
  assert.deepEqual(ana()?.nodes, ["alpha"]);
  await tab.ask("presence", { body: { status: "away" } });
  await other.ask("presence", { body: { status: "away" } });
  await watcher.until(() => ana()?.body?.status === "away");
  await other.ask("presence", { body: { status: "online" } });
  await watcher.until(() => ana()?.body?.status === "online");
  other.socket.disconnect();
  await watcher.until(() => ana()?.body?.status === "away");
  tab.socket.disconnect();
  await watcher.until(() => !ana());
});

test("who hangs up with requests under way is not shown as present for ever", async t => {
  const node = await newNode(t);
  const watcher = await connect(t, node, { name: "Watcher" });
  const ids: string[] = [];
  for (let count = 0; count < 20; count++) {
    const ana = await connect(t, node, { name: `Ana ${count}a` });
    ids.push(ana.welcome.you.id);
    await watcher.until(() => watcher.state.get(`presence ${ana.welcome.you.id}`));
    // The second waits for the first, and the connection ends in between.
    ana.socket.emit("join", { room: "lobby" });
    ana.socket.emit("presence", { body: { status: "away" } });
    ana.socket.disconnect();
  }
  await watcher.until(() => ids.every(id => !watcher.state.has(`presence ${id}`)));
  // Whoever came back by mistake would be told of by now.
  await new Promise(resolve => setTimeout(resolve, 1_500));
  assert.deepEqual(
    ids.filter(id => watcher.state.has(`presence ${id}`)),
    [],
  );
});

test("an author who comes from a node whose clock is ahead stays in order, and drags nobody along", async t => {
  const node = await newNode(t);
  const ana = await connect(t, node, { name: "Ana" });
  const inMs = (ms: number) => keyOf({ hlc: (Date.now() + ms) * 1024, origin: "a".repeat(16), n: 1 });
  const elsewhere = inMs(30_000);
  const hopped = await connect(t, node, { token: ana.welcome.token, after: elsewhere });
  await hopped.join("lobby");
  const [first, second] = [await hopped.say("one"), await hopped.say("two")];
  assert.ok(first.key > elsewhere && second.key > first.key);
  const raj = await connect(t, node, { name: "Raj" });
  await raj.join("lobby");
  assert.ok((await raj.say("now")).key < elsewhere);
  const absurd = await connect(t, node, { token: raj.welcome.token, after: inMs(3_600_000) });
  await absurd.join("lobby");
  const { at } = await absurd.say("an hour ahead");
  assert.ok(at - Date.now() <= 60_000);
  await assert.rejects(connect(t, node, { name: "Eve", after: 7 }), { code: "invalid" });
});

test("pages of other hosts may not connect", async t => {
  const node = await newNode(t, { PUBLIC_URL: "https://chat.example" });
  await connect(t, node, { name: "A" }, { origin: `http://127.0.0.1:${node.port}` });
  await connect(t, node, { name: "B" }, { origin: "https://chat.example" });
  for (const origin of ["https://evil.example", "null", "junk"])
    await assert.rejects(connect(t, node, { name: "C" }, { origin }));
});

test("health, readiness and metrics are there for machines", async t => {
  const node = await newNode(t, { NODE_NAME: "alpha" });
  await node.ready;
  const ana = await connect(t, node, { name: "Ana" });
  await ana.join("lobby");
  await ana.say("hello");
  const health = (await (await fetch(`${node.url}/healthz`)).json()) as Record<string, unknown>;
  assert.deepEqual(health.node, { id: node.id, name: "alpha", version: "test" });
  assert.equal(health.ready, true);
  assert.equal((await fetch(`${node.url}/readyz`)).status, 200);
  const metrics = await (await fetch(`${node.url}/metrics`)).text();
  assert.match(metrics, /^chat_messages_received_total 1$/m);
  assert.match(metrics, /^chat_clients 1$/m);
  assert.match(metrics, /^chat_commit_seconds_count [1-9]/m);
  assert.equal((await fetch(`${node.url}/no/such/thing`)).status, 404);
  assert.equal((await fetch(`${node.url}/../../etc/passwd`)).status, 404);
  assert.equal((await fetch(`${node.url}/%2e%2e/%2e%2e/package.json`)).status, 404);
  assert.equal((await fetch(`${node.url}/healthz`, { method: "POST" })).status, 405);
});
