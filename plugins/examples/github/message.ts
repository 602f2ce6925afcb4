/** What happened in a repository. */
import { defineMessage, Reject } from "web-chat/plugin";

export type News = {
  /** `owner/name`. */
  repository: string;
  /** Who did it. */
  by: string;
  did: keyof typeof DEEDS;
  /** With what: a branch, a number, a version. */
  what: string;
  /** What that is called; may be empty. */
  title: string;
  url: string;
};

export const MAX_CHARACTERS = 300;
/** By GitHub's name of the event, and of the action where it has several. */
export const DEEDS = {
  push: "pushed to {what}",
  "issues opened": "opened issue {what}",
  "issues closed": "closed issue {what}",
  "issues reopened": "reopened issue {what}",
  "pull_request opened": "opened pull request {what}",
  "pull_request closed": "closed pull request {what}",
  "pull_request merged": "merged pull request {what}",
  "pull_request reopened": "reopened pull request {what}",
  "release published": "released {what}",
};

export const github = defineMessage<News>({
  type: "github",
  version: 1,
  kind: "log",
  parse(input) {
    const { repository, by, did, what, title, url } = Object(input);
    if (!isDeed(did)) throw new Reject("invalid", "nobody wants to hear of that");
    return { repository: line(repository), by: line(by), did, what: line(what), title: line(title), url: link(url) };
  },
  summary: ({ repository, by, did, what, title }) =>
    `${repository}: ${by} ${DEEDS[did].replace("{what}", () => what)}${title && `: ${title}`}`,
});

export function isDeed(name: unknown): name is News["did"] {
  return typeof name === "string" && Object.hasOwn(DEEDS, name);
}

/** One line, cut where it is too long. */
function line(text: unknown): string {
  if (typeof text !== "string") throw new Reject("invalid", "news are made of texts");
  const words = text.replace(/[\s\p{Cc}]+/gu, " ").trim();
  return words.slice(0, MAX_CHARACTERS).trimEnd().toWellFormed();
}

/** Everybody in the room may click on it. */
function link(url: unknown): string {
  try {
    const { protocol, href } = new URL(url as string);
    if (protocol === "https:" && href.length <= 1_000) return href;
  } catch {
    // It is none at all.
  }
  throw new Reject("invalid", "the link is no https:// address");
}
