import assert from "node:assert/strict";
import test from "node:test";
import { Resolver } from "../../core/cluster/resolver.ts";

/** Names and what they stand for now, beside what was asked and found. */
function resolving(...names: string[]) {
  const table = new Map<string, string[]>();
  const seen = { asked: 0, found: [] as string[][], unresolved: [] as string[] };
  const resolver = new Resolver(
    {
      async resolve({ host }) {
        seen.asked++;
        const hosts = table.get(host);
        if (!hosts) throw new Error("ENOTFOUND");
        return hosts.map(host => ({ host, port: 6002 }));
      },
      found: addresses => seen.found.push(addresses.map(({ host }) => host)),
      unresolved: host => seen.unresolved.push(host),
    },
    names.map(host => ({ host })),
  );
  return { resolver, table, seen };
}

test("a name with several addresses means all of them, and what it means now", async () => {
  const { resolver, table, seen } = resolving("chat");
  table.set("chat", ["10.0.0.2", "10.0.0.3"]);
  await resolver.resolve();
  table.set("chat", ["10.0.0.3", "10.0.0.4"]);
  await resolver.again(true);
  assert.deepEqual(seen.found, [
    ["10.0.0.2", "10.0.0.3"],
    ["10.0.0.3", "10.0.0.4"],
  ]);
});

test("a name that does not resolve is said once, tried again, and said again when it fails anew", async () => {
  const { resolver, table, seen } = resolving("chat-a", "chat-b");
  table.set("chat-a", ["10.0.0.2"]);
  await resolver.resolve();
  await resolver.again(false);
  assert.deepEqual(seen.unresolved, ["chat-b"]);
  table.set("chat-b", ["10.0.0.3"]);
  await resolver.again(false);
  assert.deepEqual(seen.found.at(-1), ["10.0.0.2", "10.0.0.3"]);
  table.delete("chat-b");
  await resolver.resolve();
  assert.deepEqual(seen.unresolved, ["chat-b", "chat-b"]);
  assert.deepEqual(seen.found.at(-1), ["10.0.0.2", "10.0.0.3"], "what it stood for is kept");
});

test("while everybody is there names are resolved every sixth time", async () => {
  const { resolver, table, seen } = resolving("chat");
  table.set("chat", ["10.0.0.2"]);
  await resolver.resolve();
  for (let round = 0; round < 12; round++) await resolver.again(false);
  assert.equal(seen.asked, 3);
  await resolver.again(true);
  assert.equal(seen.asked, 4);
});

test("a name server that is slow is not asked twice at a time", async () => {
  let asked = 0;
  const answer = Promise.withResolvers<[]>();
  const resolver = new Resolver(
    {
      resolve() {
        asked++;
        return answer.promise;
      },
      found() {},
      unresolved() {},
    },
    [{ host: "chat" }],
  );
  const first = resolver.resolve();
  await resolver.again(true);
  assert.equal(asked, 1);
  answer.resolve([]);
  await first;
  await resolver.again(true);
  assert.equal(asked, 2);
});
