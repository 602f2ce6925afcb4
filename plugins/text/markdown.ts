/** The part of Markdown that a message may use, as marked's lexer reads it. Everything else stays as it was typed. */
import { Lexer, type Token, Tokenizer, type Tokens } from "marked";

/** Deeper than this, quotes, lists and emphasis are text: so neither time nor stack grow with what somebody nests. */
const MAX_DEPTH = 6;
/** Where a link ends in Chinese, which puts no space behind it. */
const CJK_STOP = /[\u3000-\u303f\uff00-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65\u2018-\u201f\u2026]/;
/** Emphasis that begins or ends with a full-width mark. */
const UNSPACED = new RegExp(
  `^(\\*\\*?)(?!\\s)((?:${CJK_STOP.source}[^*\\n]*|[^*\\n]*${CJK_STOP.source}))(?<!\\s)\\1(?!\\*)`,
);
const BARE_LINK = /^(?:https?:\/\/|www\.)/i;
const PROTOCOLS = ["http:", "https:", "mailto:"];

const none = () => undefined;

/** The lexer tries one tokenizer after another; `undefined` passes on to the next, and in the end to plain text. */
class MessageTokenizer extends Tokenizer {
  #depth = 0;

  override heading = none;
  override lheading = none;
  override hr = none;
  override html = none;
  override tag = none;
  override table = none;
  override def = none;
  override code = none;
  override reflink = none;

  override blockquote(src: string) {
    return this.#nested(() => super.blockquote(src));
  }

  override list(src: string) {
    return this.#nested(() => super.list(src));
  }

  override emStrong(src: string, maskedSrc: string, prevChar?: string) {
    return this.#nested(() => super.emStrong(src, maskedSrc, prevChar) ?? this.#unspaced(src));
  }

  override del(src: string, maskedSrc: string, prevChar?: string) {
    return this.#nested(() => super.del(src, maskedSrc, prevChar));
  }

  override url(src: string) {
    if (!BARE_LINK.test(src)) return super.url(src);
    const word = /^[^\s<]*/.exec(src)?.[0] ?? "";
    const stop = word.search(CJK_STOP);
    return super.url(stop < 0 ? src : src.slice(0, stop));
  }

  /** CommonMark wants a space between `：**` and what follows, which Chinese does not write. */
  #unspaced(src: string): Tokens.Em | Tokens.Strong | undefined {
    const [raw, mark, text] = UNSPACED.exec(src) ?? [];
    if (!raw || !mark || !text) return undefined;
    return { type: mark === "*" ? "em" : "strong", raw, text, tokens: this.lexer.inlineTokens(text) } as Tokens.Strong;
  }

  #nested<Result>(lex: () => Result): Result | undefined {
    if (this.#depth >= MAX_DEPTH) return undefined;
    this.#depth++;
    try {
      return lex();
    } finally {
      this.#depth--;
    }
  }
}

/** The tokens of a text; undefined where it is better shown as it is. */
export function lex(text: string): Token[] | undefined {
  try {
    return new Lexer({ gfm: true, breaks: true, tokenizer: new MessageTokenizer() }).lex(text);
  } catch {
    return undefined;
  }
}

/** The address of a link, if it is one that a message may lead to. */
export function safeHref(href: string): string | undefined {
  try {
    const url = new URL(href);
    return PROTOCOLS.includes(url.protocol) ? url.href : undefined;
  } catch {
    return undefined;
  }
}
