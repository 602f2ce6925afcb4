import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import type { Fact } from "../../core/facts.ts";
import { foldName, parseName } from "../../core/names.ts";
import { hashToken, LINK_LIFETIME_MS, newToken, People, ticketOf } from "../../core/people.ts";
import { claims, dealt, invites, logsOut, START_MS, takesUp } from "../suites/facts.ts";
import { holds } from "../suites/samples.ts";

function peopleOf(...facts: Fact[]): People {
  const people = new People();
  people.add(facts);
  return people;
}

/** What is told of facts that change no name and end no session. */
const nothing = { renamed: [], ended: [] };
const unknown = { name: "Reject", code: "link-unknown" };

test("who claims a name has it, and a session", () => {
  const people = peopleOf(claims("ana", "Ana"));
  assert.deepEqual(people.get("ana"), { id: "ana", name: "Ana" });
  assert.deepEqual(people.ofToken("token of ana"), { id: "ana", name: "Ana" });
  assert.equal(people.ofToken("token of bo"), undefined);
  assert.equal(people.get("bo"), undefined);
});

test("a ticket is its session's as long as that lasts, and no token", () => {
  const people = peopleOf(claims("ana", "Ana"), claims("bo", "Bo"));
  const ticket = ticketOf("token of ana");
  assert.match(ticket, /^[0-9a-f]{64}$/);
  assert.equal(people.ofTicket(ticket)?.id, "ana");
  assert.equal(people.ofTicket(ticketOf("token of bo"))?.id, "bo");
  assert.equal(people.ofToken(ticket), undefined);
  for (const other of ["", "token of ana", hashToken("token of ana"), ticketOf("token of cy"), "__proto__"])
    assert.equal(people.ofTicket(other), undefined, other);
  people.add([logsOut("ana", "token of ana", 5)]);
  assert.equal(people.ofTicket(ticket), undefined);
  assert.equal(people.ofTicket(ticketOf("token of bo"))?.id, "bo");
});

test("a name that somebody holds is taken in every form, and a free one is suggested", () => {
  const people = peopleOf(claims("ana", "Ana"), claims("two", "ana 2"));
  for (const name of ["Ana", "ANA", "ａｎａ"])
    assert.throws(() => people.assertFree(name), { code: "name-taken", details: { suggestion: `${name} 3` } });
  people.assertFree("Anna");
});

test("a name that is suggested, or given because another holds it, is one that can be claimed", () => {
  const name = "x".repeat(32);
  const people = peopleOf(claims("first", name, 1), claims("second", name, 2));
  assert.equal(people.get("second")?.name, `${"x".repeat(30)} 2`);
  assert.throws(() => people.assertFree(name), { code: "name-taken", details: { suggestion: `${"x".repeat(30)} 3` } });
  assert.equal(parseName(`${"x".repeat(30)} 3`), `${"x".repeat(30)} 3`);
});

test("of two claims of one name the lower key holds it; the other one becomes “Ana 2”, and is told if it knew better", () => {
  const lower = claims("first", "Ana", 1);
  const higher = claims("second", "ana", 2);
  const people = new People();
  assert.deepEqual(people.add([higher]), nothing);
  assert.equal(people.get("second")?.name, "ana");
  assert.deepEqual(people.add([lower]).renamed, [{ id: "second", name: "ana 2" }]);
  assert.equal(people.get("first")?.name, "Ana");
  assert.deepEqual(people.ofToken("token of second"), { id: "second", name: "ana 2" });
});

test("nobody is told of a name that stays as it is", () => {
  const people = new People();
  assert.deepEqual(people.add([claims("ana", "Ana", 5)]), nothing);
  assert.deepEqual(people.add([claims("bo", "Bo", 1)]), nothing);
  assert.deepEqual(people.add([claims("cy", "Ana", 9)]), nothing);
  assert.equal(people.get("cy")?.name, "Ana 2");
});

test("a third and a fourth of that name count on", () => {
  const people = peopleOf(claims("a", "Ana", 1), claims("b", "Ana", 2), claims("c", "Ana 2", 3), claims("d", "Ana", 4));
  assert.deepEqual(
    ["a", "b", "c", "d"].map(id => people.get(id)?.name),
    ["Ana", "Ana 2", "Ana 2 2", "Ana 3"],
  );
});

test("who claims another name gives the old one free", () => {
  const people = peopleOf(claims("ana", "Ana", 1), claims("ana", "Anna", 2), claims("bo", "Ana", 3));
  assert.equal(people.get("ana")?.name, "Anna");
  assert.equal(people.get("bo")?.name, "Ana");
});

test("who claims the own name in another spelling keeps it", () => {
  assert.equal(peopleOf(claims("ana", "ana", 1), claims("ana", "Ana", 2)).get("ana")?.name, "Ana");
});

test("an invitation makes a second session of the same person", () => {
  const invited = [claims("ana", "Ana", 1), invites("ana", "code", 1_000, 2)];
  assert.equal(peopleOf(...invited).ofLink("code", START_MS).id, "ana");
  const people = peopleOf(...invited, takesUp("ana", "code", "phone", 3));
  assert.equal(people.ofToken("phone")?.id, "ana");
  assert.equal(people.ofToken("token of ana")?.id, "ana");
});

test("an invitation is good once: of two devices that took it up the lower key has it", () => {
  const facts = [claims("ana", "Ana", 1), invites("ana", "code", 1_000, 2)];
  const people = peopleOf(...facts, takesUp("ana", "code", "late", 5));
  assert.equal(people.ofToken("late")?.id, "ana");
  assert.throws(() => people.ofLink("code", START_MS), unknown);
  people.add([takesUp("ana", "code", "early", 4)]);
  assert.equal(people.ofToken("early")?.id, "ana");
  assert.equal(people.ofToken("late"), undefined);
});

test("an invitation ends with its time", () => {
  const facts = [claims("ana", "Ana", 1), invites("ana", "code", LINK_LIFETIME_MS, 2)];
  const people = peopleOf(...facts);
  assert.equal(people.ofLink("code", START_MS + LINK_LIFETIME_MS).id, "ana");
  assert.throws(() => people.ofLink("code", START_MS + LINK_LIFETIME_MS + 1), unknown);
  people.add([takesUp("ana", "code", "too late", LINK_LIFETIME_MS + 1)]);
  assert.equal(people.ofToken("too late"), undefined);
  assert.equal(peopleOf(...facts, takesUp("ana", "code", "in time", LINK_LIFETIME_MS)).ofToken("in time")?.id, "ana");
});

test("an invitation of one person cannot be taken up as another, and what nobody wrote is none", () => {
  const facts = [claims("ana", "Ana", 1), claims("bo", "Bo", 1), invites("ana", "code", 1_000, 2)];
  const people = peopleOf(...facts, takesUp("bo", "code", "bo's", 3), takesUp("ana", "other", "ana's", 3));
  assert.equal(people.ofToken("bo's"), undefined);
  assert.equal(people.ofToken("ana's"), undefined);
  assert.equal(people.ofLink("code", START_MS).id, "ana");
  for (const code of ["", "other", "__proto__"]) assert.throws(() => people.ofLink(code, START_MS), unknown);
});

test("who logs out loses that session and no other", () => {
  const facts = [claims("ana", "Ana", 1), invites("ana", "code", 1_000, 2), takesUp("ana", "code", "phone", 3)];
  const people = peopleOf(...facts, logsOut("ana", "phone", 4));
  assert.equal(people.ofToken("phone"), undefined);
  assert.equal(people.ofToken("token of ana")?.id, "ana");
});

test("a session that ends is told of, one that goes on is not", () => {
  const people = peopleOf(claims("ana", "Ana", 1), claims("bo", "Bo", 2));
  assert.deepEqual(people.add([logsOut("bo", "token of ana", 3)]), nothing);
  assert.deepEqual(people.add([logsOut("ana", "token of ana", 4)]), {
    renamed: [],
    ended: [hashToken("token of ana")],
  });
});

test("nobody logs another person out, nor takes over another's session", () => {
  const people = peopleOf(claims("ana", "Ana", 1), claims("bo", "Bo", 2), logsOut("bo", "token of ana", 3));
  assert.equal(people.ofToken("token of ana")?.id, "ana");
});

test("new tokens differ and fit into a URL", () => {
  const tokens = new Set(Array.from({ length: 1_000 }, newToken));
  assert.equal(tokens.size, 1_000);
  for (const token of tokens) assert.match(token, /^[\w-]{24}$/);
});

const IDS = ["ana", "bo", "cy", "di"];
const NAMES = ["Ana", "ana", "ANA 2", "Bo", "bo 2"];
const CODES = ["one", "two"];
const TOKENS = ["phone", "tablet", "token of ana"];
const id = fc.constantFrom(...IDS);
const atMs = fc.nat(50);
const anyFact = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(id, fc.constantFrom(...NAMES), atMs).map(args => claims(...args)) },
  fc.tuple(id, fc.constantFrom(...CODES), fc.nat(60), atMs).map(args => invites(...args)),
  fc.tuple(id, fc.constantFrom(...CODES), fc.constantFrom(...TOKENS), atMs).map(args => takesUp(...args)),
  fc.tuple(id, fc.constantFrom(...TOKENS), atMs).map(args => logsOut(...args)),
);

test("in whatever order and batches facts come, people, names, sessions and invitations are the same", async t => {
  await holds(
    t,
    fc.property(dealt(fc.array(anyFact, { maxLength: 25 })), ({ sorted, batches }) => {
      const people = new People();
      /** Names as the persons themselves know them: from signing in, and from what they are told. */
      const told = new Map<string, string>();
      for (const batch of batches) {
        for (const { id, name } of people.add(batch).renamed) told.set(id, name);
        for (const id of IDS) {
          const name = people.get(id)?.name;
          if (name !== undefined && !told.has(id)) told.set(id, name);
          assert.equal(told.get(id), name, "whose name changed was told so");
        }
      }
      assert.deepEqual(seen(people), seen(peopleOf(...sorted)));
      const names = IDS.flatMap(id => people.get(id)?.name ?? []).map(foldName);
      assert.equal(new Set(names).size, names.length, "no two have one name");
    }),
    { numRuns: 1_000 },
  );
});

function seen(people: People) {
  const attempt = <Result>(call: () => Result) => {
    try {
      return call() ?? null;
    } catch (error) {
      return JSON.stringify(error);
    }
  };
  return {
    people: IDS.map(id => people.get(id)),
    tokens: [...TOKENS, ...IDS.map(id => `token of ${id}`)].map(token => people.ofToken(token)),
    links: CODES.map(code => attempt(() => people.ofLink(code, START_MS))),
    free: NAMES.map(name => attempt(() => people.assertFree(name))),
  };
}
