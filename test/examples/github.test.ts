/** The example that takes webhooks, asked over HTTP as GitHub does. */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import github from "../../plugins/examples/github/server.ts";
import plugins from "../../plugins/server.ts";
import { connect } from "../helpers/client.ts";
import { converged, newNode, peer } from "../helpers/node.ts";
import { request } from "../helpers/request.ts";

const secret = "a secret of the test";
const types = [...plugins, { ...github, hooks: () => github.hooks({ secret }) }];

test("a webhook becomes a message on every node, and a redelivery to another node adds none", async t => {
  const one = await newNode(t, {}, types);
  const two = await newNode(t, peer(one), types);
  await two.ready;
  const ana = await connect(t, one, { name: "Ana" });
  await ana.join("lobby");
  const payload = JSON.stringify({
    action: "opened",
    issue: { number: 7, title: "It breaks", html_url: "https://github.com/ana/chat/issues/7" },
    repository: { full_name: "ana/chat" },
    sender: { login: "ana" },
  });
  const signature = `sha256=${createHmac("sha256", secret).update(payload).digest("hex")}`;
  const headers = {
    "Content-Type": "application/json",
    "X-GitHub-Event": "issues",
    "X-GitHub-Delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
    "X-Hub-Signature-256": signature,
  };
  const post = (url: string, more: object = {}) =>
    request(`${url}/x/github`, { method: "POST", headers: { ...headers, ...more }, body: payload });

  const forged = await post(one.url, { "X-Hub-Signature-256": signature.replace(/.$/, "x") });
  assert.deepEqual([forged.status, JSON.parse(forged.body).code], [403, "not-allowed"]);
  assert.equal((await post(one.url)).status, 202);
  const told = await ana.until(() => ana.messages("lobby").find(({ type }) => type === "github"));
  assert.equal(told.alt, "ana/chat: ana opened issue #7: It breaks");
  await converged(one, two);
  for (const node of [one, two, two]) assert.equal((await post(node.url)).status, 202);
  await ana.say("last");
  await converged(one, two);
  const raj = await connect(t, two, { name: "Raj" });
  const { messages } = await raj.join("lobby");
  assert.deepEqual(
    messages.map(({ type }) => type),
    ["github", "text"],
  );
  assert.equal((await ana.ask("github", { room: "lobby", body: {} })).code, "not-allowed");
});
