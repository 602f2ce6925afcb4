import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import test from "node:test";
import type { ServerContext, WebAnswer } from "web-chat/plugin";
import { github } from "./message.ts";
import plugin from "./server.ts";

const secret = "a secret of the test";
const context = { idFor: (seed: string) => `id of ${seed}` } as ServerContext;

/** What the hook answers to a webhook that is signed, unless it brings a signature of its own. */
function post(event: string, payload: unknown, headers: Record<string, string> = {}, method = "POST"): WebAnswer {
  const body = Buffer.from(typeof payload === "string" ? payload : JSON.stringify(payload));
  const signature = `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`;
  const said = { "x-github-event": event, "x-github-delivery": "1", "x-hub-signature-256": signature, ...headers };
  const hooks = plugin.hooks({ secret, room: "ops" });
  return hooks.request?.(
    { method, path: "/", query: new URLSearchParams(), headers: said, body },
    context,
  ) as WebAnswer;
}

const from = { repository: { full_name: "ana/chat" }, sender: { login: "ana" } };
const html_url = "https://github.com/ana/chat/1";

// biome-ignore format: a table
const TOLD: [event: string, payload: object, summary: string][] = [
  ["push", { ref: "refs/heads/main", compare: html_url, commits: [{}], head_commit: { message: "Mend it\n\nAll" } }, "ana/chat: ana pushed to main: Mend it"],
  ["push", { ref: "refs/heads/a/b", compare: html_url, commits: [{}, {}, {}], head_commit: { message: "Mend it" } }, "ana/chat: ana pushed to a/b: Mend it (+2)"],
  ["issues", { action: "opened", issue: { number: 7, title: "It\nbreaks", html_url } }, "ana/chat: ana opened issue #7: It breaks"],
  ["pull_request", { action: "closed", pull_request: { number: 8, title: "Mend", merged: true, html_url } }, "ana/chat: ana merged pull request #8: Mend"],
  ["pull_request", { action: "closed", pull_request: { number: 8, title: "Mend", html_url } }, "ana/chat: ana closed pull request #8: Mend"],
  ["release", { action: "published", release: { tag_name: "v1", name: null, html_url } }, "ana/chat: ana released v1"],
];
for (const [event, payload, summary] of TOLD)
  test(`“${summary}” is told, once a delivery`, () => {
    const [delivery, ...more] = post(event, { ...from, ...payload }).send as { body: never; to: object; id: string }[];
    assert.ok(delivery);
    assert.deepEqual([delivery.to, delivery.id, more.length], [{ room: "ops" }, "id of github 1", 0]);
    assert.equal(github.summary(delivery.body), summary);
    assert.deepEqual(github.parse(delivery.body), delivery.body);
  });

test("what nobody wants to hear of is taken, and not told", () => {
  assert.deepEqual(post("ping", from), { body: "pong" });
  for (const [event, payload] of [
    ["star", {}],
    ["constructor", {}],
    ["push", { ref: "refs/tags/v1", commits: [{}] }],
    ["push", { ref: "refs/heads/gone", commits: [] }],
    ["issues", { action: "labeled" }],
  ] as const)
    assert.deepEqual(post(event, { ...from, ...payload }).send, [], event);
});

test("what is not signed with the secret, is no webhook, or links to elsewhere is refused", () => {
  for (const signature of ["", "sha256=", `sha256=${"0".repeat(64)}`, "ä".repeat(71)])
    assert.throws(() => post("ping", from, { "x-hub-signature-256": signature }), { code: "not-allowed" });
  assert.throws(() => post("ping", from, {}, "GET"), { code: "not-found" });
  assert.throws(() => post("", from), { code: "invalid" });
  assert.throws(() => post("issues", "payload=1"), { code: "invalid" });
  for (const html_url of ["javascript:alert(1)", "http://github.com/", "//github.com", 7, undefined])
    assert.throws(() => post("issues", { ...from, action: "opened", issue: { number: 1, title: "", html_url } }), {
      code: "invalid",
    });
});

test("without a secret that is long enough it stays off", () => {
  for (const settings of [undefined, null, {}, { secret: "short" }, { secret, room: 5 }])
    assert.throws(() => plugin.hooks(settings), { code: "invalid" });
});
