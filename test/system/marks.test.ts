/** Messages that belong to another one: whoever is given that one is given them, too. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { v7 as uuid } from "uuid";
import type { AnyServerPlugin, Message } from "../../core/plugin.ts";
import poll from "../../plugins/examples/poll/server.ts";
import builtIn from "../../plugins/server.ts";
import { type Client, connect } from "../helpers/client.ts";
import { converged, newNode, peer } from "../helpers/node.ts";

const plugins: AnyServerPlugin[] = [...builtIn, ...poll];
const lunch = { question: "Lunch?", answers: ["soup", "rice"] };

async function visitor(t: TestContext, node: { port: number }, name: string): Promise<Client> {
  const client = await connect(t, node, { name });
  await client.join("lobby");
  return client;
}

const ask = async (client: Client, id = uuid()) => {
  assert.equal((await client.ask("poll", { id, room: "lobby", body: lunch })).ok, true);
  return id;
};
const vote = (client: Client, ref: string, choice: number | null, id = uuid()) =>
  client.ask("poll.vote", { id, room: "lobby", ref, body: { choice } });
/** The votes among them: who, for what. */
const votes = (messages: readonly Message[]) =>
  messages
    .filter(({ type, erased }) => type === "poll.vote" && !erased)
    .map(({ author, body }) => [author.name, (body as { choice: number | null }).choice]);

test("a mark comes live, with a cursor, and with each page that has its row", async t => {
  const node = await newNode(t, {}, plugins);
  const ana = await visitor(t, node, "Ana");
  const bo = await visitor(t, node, "Bo");
  const id = await ask(ana);
  const { cursor, last } = await bo.join("lobby");
  for (let n = 0; n < 60; n++) await ana.say(`message ${n}`);
  await vote(bo, id, 1);
  const live = await ana.until(() => ana.messages("lobby").find(({ type }) => type === "poll.vote"));
  assert.deepEqual([live.role, live.ref, live.body], ["mark", id, { choice: 1 }]);

  const resumed = await ana.join("lobby", cursor, last);
  assert.deepEqual(votes(resumed.messages), [["Bo", 1]], "who was there before is given what is new");
  const first = await ana.join("lobby");
  assert.deepEqual(votes(first.messages), [], "a page without the row is without its marks");
  const before = first.messages[0]?.key;
  const page = (await ana.ask("history", { room: "lobby", before, limit: 50 })) as unknown as { messages: Message[] };
  assert.ok(page.messages.some(message => message.id === id));
  assert.deepEqual(votes(page.messages), [["Bo", 1]]);
});

test("its author removes a mark, on every node, and nobody else does", async t => {
  const one = await newNode(t, { NODE_NAME: "one" }, plugins);
  const two = await newNode(t, { NODE_NAME: "two", ...peer(one) }, plugins);
  const ana = await visitor(t, one, "Ana");
  const bo = await visitor(t, two, "Bo");
  const id = await ask(ana);
  await bo.until(() => bo.messages("lobby").find(message => message.id === id));
  const cast = uuid();
  assert.equal((await vote(bo, id, 0, cast)).ok, true);
  await ana.until(() => ana.messages("lobby").find(message => message.id === cast));

  const refused = await ana.ask("redact", { room: "lobby", ref: cast, body: {} });
  assert.deepEqual([refused.ok, refused.code], [false, "not-allowed"]);
  assert.equal((await bo.ask("redact", { room: "lobby", ref: cast, body: {} })).ok, true);
  await converged(one, two);
  for (const client of [ana, bo]) {
    const { messages } = await client.join("lobby");
    assert.deepEqual(votes(messages), []);
    assert.equal(messages.find(message => message.id === cast)?.erased, true);
    assert.deepEqual(messages.find(message => message.id === id)?.body, lunch, "the row stays");
  }
});

test("a vote for what is no poll, or has no such answer, is refused", async t => {
  const node = await newNode(t, {}, plugins);
  const ana = await visitor(t, node, "Ana");
  const { id: text } = await ana.say("no poll");
  const id = await ask(ana);
  assert.equal((await vote(ana, text, 0)).code, "not-found");
  assert.equal((await vote(ana, id, 2)).code, "invalid");
  assert.equal((await ana.ask("poll.vote", { id: uuid(), room: "lobby", body: { choice: 0 } })).code, "invalid");
  assert.equal((await vote(ana, id, null)).ok, true);
});

test("who asks for many pages at once gets one after another, and others are served in between", async t => {
  const node = await newNode(t, {}, plugins);
  const ana = await visitor(t, node, "Ana");
  const bo = await visitor(t, node, "Bo");
  const id = await ask(ana);
  await Promise.all(Array.from({ length: 2_000 }, (_, n) => vote(bo, id, n % 2)));
  const done: string[] = [];
  const pages = Array.from({ length: 40 }, async (_, n) => {
    const answer = await ana.ask("history", { room: "lobby", ref: id });
    done.push(answer.ok ? `page ${n}` : String(answer.code));
  });
  const said = bo.say("may I?").then(() => done.push("said"));
  await Promise.all([...pages, said]);
  const answered = done.filter(what => what.startsWith("page"));
  assert.deepEqual(
    answered,
    answered.map((_, n) => `page ${n}`),
    "in their order",
  );
  assert.equal(answered.length, 32, "the others are to be asked for again");
  assert.equal(done.filter(what => what === "rate-limited").length, 8);
  assert.ok(done.indexOf("said") < done.indexOf("page 31"), done.join());
});
