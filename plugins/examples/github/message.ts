/** What happened in a repository, in words. */
import { defineMessage, Reject } from "web-chat/plugin";

export type News = {
  /** `owner/name`. */
  repository: string;
  /** Who did it. */
  by: string;
  /** What was done: `opened issue #7`. */
  what: string;
  /** What it is called; may be empty. */
  title: string;
  url: string;
};

export const MAX_CHARACTERS = 300;

export const github = defineMessage<News>({
  type: "github",
  version: 1,
  kind: "log",
  parse(input) {
    const { repository, by, what, title, url } = Object(input);
    return {
      repository: line(repository),
      by: line(by),
      what: line(what),
      title: line(title),
      url: link(url),
    };
  },
  summary: ({ repository, by, what, title }) => `${repository}: ${by} ${what}${title && `: ${title}`}`,
});

/** One line, cut where it is too long. */
function line(text: unknown): string {
  if (typeof text !== "string") throw new Reject("invalid", "news are made of texts");
  const words = text.replace(/[\s\p{Cc}]+/gu, " ").trim();
  return words.slice(0, MAX_CHARACTERS).toWellFormed();
}

/** Everybody in the room may click on it. */
function link(url: unknown): string {
  const parsed = typeof url === "string" && url.length <= 1_000 ? URL.parse(url) : null;
  if (parsed?.protocol !== "https:") throw new Reject("invalid", "the link is no https:// address");
  return parsed.href;
}
