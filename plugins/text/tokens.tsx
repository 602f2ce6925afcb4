/** Draws what the lexer found. Nothing is ever parsed as HTML. */
import type { Token, Tokens } from "marked";
import type { ComponentChildren } from "preact";
import { Code, type Words } from "./code.tsx";
import { safeHref } from "./markdown.ts";

/** Paragraphs that no empty line parts are one: marked parted them where a heading or the like would begin. */
export function Blocks({ tokens, words }: { tokens: readonly Token[]; words: Words }) {
  const drawn: ComponentChildren[] = [];
  let open: Token[] = [];
  const close = () => {
    if (open.length > 0) drawn.push(<p key={drawn.length}>{open.map((token, at) => lines(token, open[at - 1]))}</p>);
    open = [];
  };
  for (const token of tokens) {
    if (isProse(token)) open.push(token);
    else {
      close();
      if (token.type !== "space") drawn.push(<Block key={drawn.length} token={token} words={words} />);
    }
  }
  close();
  return drawn;
}

function isProse({ type }: Token): boolean {
  return !["space", "blockquote", "list", "code"].includes(type);
}

/** Each begins a line, but for the first one and what follows the box of a list. */
function lines(token: Token, before: Token | undefined): ComponentChildren {
  const text = "tokens" in token && token.tokens ? inline(token.tokens) : token.raw.replace(/\n+$/, "");
  return !before || before.type === "checkbox" ? text : ["\n", text];
}

function Block({ token, words }: { token: Token; words: Words }): ComponentChildren {
  if (token.type === "code") return <Code text={token.text} words={words} />;
  if (token.type === "blockquote")
    return (
      <blockquote>
        <Blocks tokens={token.tokens ?? []} words={words} />
      </blockquote>
    );
  const { ordered, start, items } = token as Tokens.List;
  const drawn = items.map((item, at) => (
    <li key={at}>
      <Blocks tokens={item.tokens} words={words} />
    </li>
  ));
  return ordered ? <ol start={start || 1}>{drawn}</ol> : <ul>{drawn}</ul>;
}

function inline(tokens: readonly Token[]): ComponentChildren[] {
  return tokens.map((token, at) => <Inline key={at} token={token} />);
}

function Inline({ token }: { token: Token }): ComponentChildren {
  const { type, raw } = token;
  if (type === "text") {
    const { tokens } = token as Tokens.Text;
    // marked's own text has some references resolved, and others not.
    return tokens ? inline(tokens) : raw;
  }
  if (type === "escape") return token.text;
  if (type === "br") return "\n";
  if (type === "codespan") return <code>{token.text}</code>;
  if (type === "strong") return <strong>{inline(token.tokens ?? [])}</strong>;
  if (type === "em") return <em>{inline(token.tokens ?? [])}</em>;
  if (type === "del") return <del>{inline(token.tokens ?? [])}</del>;
  const href = type === "link" ? safeHref(token.href) : undefined;
  if (!href) return raw;
  return (
    <a href={href} target="_blank" rel="noopener noreferrer" title={href}>
      {inline((token as Tokens.Link).tokens)}
    </a>
  );
}
