/** How people see and make them. */
import { useState } from "preact/hooks";
import { defineClient, type Message, type Shell } from "web-chat/plugin";
import { type Answer, answer, type Question, question } from "./message.ts";
import "./style.css";

/** What people said last, by their ids. */
type Answers = ReadonlyMap<string, boolean>;

function fold(_: Message<Question>, marks: readonly Message[]): Answers {
  const said = new Map<string, boolean>();
  for (const { type, author, body } of marks) {
    if (type === answer.type && body !== undefined) said.set(author.id, (body as Answer).yes);
  }
  return said;
}

type RowProps = { shell: Shell<Question>; message: Message<Question> & { readonly body: Question }; view: Answers };

function Row({ shell, message, view }: RowProps) {
  const button = (yes: boolean) => (
    <button
      type="button"
      aria-pressed={view.get(shell.me.id) === yes}
      onClick={() => shell.of(answer).send({ yes }, { room: message.room, ref: message.id })}
    >
      {shell.t(yes ? "yes" : "no", { n: [...view.values()].filter(said => said === yes).length })}
    </button>
  );
  return (
    <div class="question">
      <p>{message.body.text}</p>
      {button(true)} {button(false)}
    </div>
  );
}

function Form({ shell, room, close }: { shell: Shell<Question>; room: string; close(): void }) {
  const [text, setText] = useState("");
  const ask = (event: Event) => {
    event.preventDefault();
    shell.send({ text }, { room });
    close();
  };
  return (
    <form class="ask" onSubmit={ask}>
      <label>
        {shell.t("text")}
        <input
          class="field"
          value={text}
          required
          maxLength={500}
          onInput={({ currentTarget }) => setText(currentTarget.value)}
        />
      </label>
      <button type="submit" class="button primary">
        {shell.t("send")}
      </button>
    </form>
  );
}

export default [
  defineClient<Question, Question, Answers>(question, {
    Row,
    fold,
    command: {
      takes: "text",
      label: "ask",
      run: (text, room, shell) => shell.send(question.parse({ text }), { room }),
    },
    tool: { label: "ask", icon: "M8 1a5 5 0 0 0-5 5h2a3 3 0 1 1 3 3H7v3h2v-1.1A5 5 0 0 0 8 1ZM7 13h2v2H7Z", Form },
    strings: {
      en: { ask: "Ask a question", text: "question", send: "Ask", yes: "Yes {n}", no: "No {n}" },
      zh: { ask: "提问", text: "问题", send: "提问", yes: "是 {n}", no: "否 {n}" },
    },
  }),
  defineClient(answer, {}),
];
