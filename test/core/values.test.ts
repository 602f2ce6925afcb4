/** What clients are told of the cluster's state: merged once a change, told once a flush, however many there are. */
import assert from "node:assert/strict";
import test from "node:test";
import { ClusterState, type StateDelta } from "../../core/cluster/state.ts";
import { defineMessage, defineServer } from "../../core/plugin.ts";
import { Registry } from "../../core/registry.ts";
import { type StateValue, Values } from "../../core/values.ts";
import { stillTime } from "../helpers/time.ts";

type Mood = { who: string; mood: string };

/** The values of node `a`, whose peer is `b`, as so many clients are told of them. */
function newValues(clients = 0) {
  const still = stillTime();
  let merges = 0;
  const mood = defineMessage<Mood>({
    type: "mood",
    version: 1,
    kind: "state",
    parse: input => input as Mood,
    summary: ({ mood }) => mood,
    key: ({ who }) => who,
    merge(bodies) {
      merges++;
      return bodies.at(-1) as Mood;
    },
  });
  const registry = new Registry([defineServer(mood, {})]);
  const names = new Map([
    ["a", "Amsel"],
    ["b", "Bussard"],
  ]);
  const told: (readonly StateValue[])[] = [];
  const state = new ClusterState("a", "boot", (type, key) => values.changed(type, key));
  const peer = new ClusterState("b", "boot", () => {});
  state.replace("b", peer.snapshot());
  const values: Values = new Values({
    registry,
    cluster: { state, nameOf: node => names.get(node) ?? node },
    time: { ...still.time, wall: () => 0 },
    clients: () => clients,
    tell: changed => told.push(changed),
    failed: (type, error) => assert.fail(`${type}: ${error}`),
  });
  const type = registry.get("mood");
  assert.ok(type);
  return {
    values,
    still,
    told,
    names,
    merges: () => merges,
    set: (who: string, mood: string) => values.prepare(type, { who, mood })(),
    end: (who: string) => values.end(type, who),
    setAtPeer(who: string, mood: string) {
      peer.set("mood", who, 1, type.pack({ who, mood }), 1);
      state.apply("b", peer.takeDelta() as StateDelta);
    },
  };
}

const moods = (values: readonly StateValue[]) =>
  values.map(({ key, body, nodes }) => `${key} ${(body as Mood | null)?.mood ?? "gone"} ${nodes.join("+")}`.trim());

test("a value is merged once a change, however often it is asked for", () => {
  const { values, set, merges } = newValues();
  set("ana", "glad");
  set("bo", "sad");
  const all = values.all();
  assert.deepEqual(moods(all), ["ana glad Amsel", "bo sad Amsel"]);
  assert.equal(values.all(), all, "the same array, of which whoever encodes it needs one copy");
  assert.equal(merges(), 2);
  set("ana", "tired");
  assert.deepEqual(moods(values.all()), ["ana tired Amsel", "bo sad Amsel"]);
  assert.equal(merges(), 3);
});

test("what changes between two flushes is told once, as it is then", () => {
  const { still, told, set, end, setAtPeer, merges } = newValues();
  set("ana", "glad");
  set("ana", "sad");
  setAtPeer("ana", "tired");
  set("bo", "glad");
  end("bo");
  still.pass(1_000);
  assert.deepEqual(told.map(moods), [["ana tired Amsel+Bussard", "bo gone"]]);
  assert.equal(merges(), 1);
  still.pass(1_000);
  assert.equal(told.length, 1, "nothing changed, nothing is told");
});

test("whoever comes in a crowd gets the values of the last flush, and with the next one all that changed since", () => {
  const { values, still, told, set, end } = newValues(2_000);
  set("ana", "glad");
  set("bo", "glad");
  still.pass(1_000);
  const shown = new Map<string, string>();
  const see = (said: readonly StateValue[]) => {
    for (const { key, body } of said) {
      if (body) shown.set(key, (body as Mood).mood);
      else shown.delete(key);
    }
  };
  const first = values.all();
  set("ana", "sad");
  set("cy", "glad");
  end("bo");
  const second = values.all();
  assert.equal(second, first, "nothing is merged or encoded for one more");
  see(second);
  told.length = 0;
  still.pass(1_000);
  for (const said of told) see(said);
  assert.deepEqual(
    [...shown],
    [
      ["ana", "sad"],
      ["cy", "glad"],
    ],
  );
  assert.deepEqual(moods(values.all()), ["ana sad Amsel", "cy glad Amsel"]);
});

test("the more clients there are, the more changes each is told of at once", () => {
  const count = (clients: number) => {
    const { still, told, set } = newValues(clients);
    for (let at = 0; at < 100; at++) {
      set("ana", `mood ${at}`);
      still.pass(10);
    }
    still.pass(1_000);
    return told.length;
  };
  assert.ok(count(5) > 2 * count(1_000), "of 100 changes in a second");
});

test("a node that is called something else is called so in the values that it holds", () => {
  const { values, names, setAtPeer } = newValues();
  setAtPeer("ana", "glad");
  assert.deepEqual(moods(values.all()), ["ana glad Bussard"]);
  names.set("b", "Buche");
  values.nodesChanged();
  assert.deepEqual(moods(values.all()), ["ana glad Buche"]);
});
