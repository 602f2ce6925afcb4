import { createHmac, timingSafeEqual } from "node:crypto";
import { defineServer, Reject } from "web-chat/plugin";
import { github, isDeed, type News } from "./message.ts";

/** There is no `receive`: only GitHub writes these. */
export default defineServer(github, settings => {
  const { secret, room } = readSettings(settings);
  return {
    request({ method, headers, body }, { idFor }) {
      if (method !== "POST") throw new Reject("not-found", "this address takes webhooks");
      assertGenuine(body, headers["x-hub-signature-256"], secret);
      const event = headers["x-github-event"];
      const delivery = headers["x-github-delivery"];
      if (!event || !delivery) throw new Reject("invalid", "that is no webhook of GitHub");
      if (event === "ping") return { body: "pong" };
      const news = newsOf(event, read(body));
      // The same delivery again, sent by hand or to another node, is the same message.
      return { status: 202, send: news ? [{ body: news, to: { room }, id: idFor(`github ${delivery}`) }] : [] };
    },
  };
});

function readSettings(settings: unknown): { secret: string; room: string } {
  const { secret, room = "lobby" } = Object(settings);
  if (typeof secret !== "string" || secret.length < 16)
    throw new Reject("invalid", 'settings.json needs a "secret" of 16 characters or more, the same as at GitHub');
  if (typeof room !== "string") throw new Reject("invalid", 'the "room" in settings.json is no text');
  return { secret, room };
}

/** See docs.github.com, "Validating webhook deliveries". */
function assertGenuine(body: Uint8Array, signature: string | undefined, secret: string): void {
  const own = Buffer.from(`sha256=${createHmac("sha256", secret).update(body).digest("hex")}`);
  const theirs = Buffer.from(signature ?? "");
  if (theirs.length !== own.length || !timingSafeEqual(theirs, own))
    throw new Reject("not-allowed", "the signature is not of this secret");
}

// biome-ignore lint/suspicious/noExplicitAny: what of it is used is looked at by parse
type Payload = any;

function read(body: Uint8Array): Payload {
  try {
    return Object(JSON.parse(Buffer.from(body).toString()));
  } catch {
    throw new Reject("invalid", "the webhook's content type has to be application/json");
  }
}

/** What a room wants to hear of an event; undefined where that is nothing. */
function newsOf(event: string, payload: Payload): News | undefined {
  const told = Object.hasOwn(EVENTS, event) ? EVENTS[event]?.(payload) : undefined;
  const { repository, sender } = payload;
  if (!told || !isDeed(told.did)) return undefined;
  return github.parse({ repository: repository?.full_name, by: sender?.login, ...told });
}

type Told = { did: string; what: string; title: unknown; url: unknown };
const EVENTS: Record<string, (payload: Payload) => Told | undefined> = {
  push({ ref, commits, compare, head_commit: head }) {
    const count = Array.isArray(commits) ? commits.length : 0;
    if (count === 0 || !String(ref).startsWith("refs/heads/")) return undefined;
    const [first] = String(head?.message ?? "").split("\n", 1);
    const title = count > 1 ? `${first} (+${count - 1})` : first;
    return { did: "push", what: String(ref).slice("refs/heads/".length), title, url: compare };
  },
  issues({ action, issue }) {
    return { did: `issues ${action}`, what: `#${issue?.number}`, title: issue?.title, url: issue?.html_url };
  },
  pull_request({ action, pull_request: pull }) {
    const did = action === "closed" && pull?.merged ? "merged" : action;
    return { did: `pull_request ${did}`, what: `#${pull?.number}`, title: pull?.title, url: pull?.html_url };
  },
  release({ action, release }) {
    return { did: `release ${action}`, what: release?.tag_name, title: release?.name ?? "", url: release?.html_url };
  },
};
