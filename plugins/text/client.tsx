import type { Token } from "marked";
import { defineClient, type Message, type Shell } from "../../core/plugin.ts";
import { Composer } from "./composer.tsx";
import { lex } from "./markdown.ts";
import text from "./message.ts";
import { Blocks } from "./tokens.tsx";

type Body = { text: string };

/** Bodies never change, so each is read once, however often it is drawn. */
const lexed = new WeakMap<Body, readonly Token[] | undefined>();

function tokensOf(body: Body): readonly Token[] | undefined {
  if (!lexed.has(body)) lexed.set(body, lex(body.text));
  return lexed.get(body);
}

function Row({ shell, message: { body } }: { shell: Shell<Body>; message: Message<Body> & { readonly body: Body } }) {
  const tokens = tokensOf(body);
  const words = { copy: shell.t("copy"), copied: shell.t("copied") };
  return (
    <div class="text" dir="auto">
      {tokens ? <Blocks tokens={tokens} words={words} /> : <p>{body.text}</p>}
    </div>
  );
}

export default defineClient(text, {
  Row,
  Composer,
  strings: {
    en: {
      message: "Message {room}",
      send: "Send",
      left: "{used} of {most} characters",
      copy: "Copy",
      copied: "Copied",
      commands: "Commands",
      meant: "There is no /{typed}. Do you mean /{name}? Enter sends it as it is.",
    },
    zh: {
      message: "发消息到 {room}",
      send: "发送",
      left: "{used} / {most} 字",
      copy: "复制",
      copied: "已复制",
      commands: "命令",
      meant: "没有 /{typed} 命令，是想用 /{name} 吗？再按一次 Enter 将照原样发送。",
    },
  },
});
