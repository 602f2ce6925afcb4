import { useState } from "preact/hooks";
import { defineClient, type Message, Reject, type Shell } from "web-chat/plugin";
import { MAX_ANSWERS, MAX_CHARACTERS, type Poll, poll, read, tally, vote } from "./message.ts";
import "./client.css";

type PollShell = Shell<Poll>;
type RowProps = { shell: PollShell; message: Message<Poll> & { body: Poll }; view: Map<string, number> };

function Row({ shell, message: { id, room, body }, view: chosen }: RowProps) {
  const mine = chosen.get(shell.me.id);
  const choose = (choice: number) =>
    shell.of(vote).send({ choice: choice === mine ? null : choice }, { room, ref: id });
  return (
    <section class="poll">
      <h3 dir="auto">{body.question || shell.t("which")}</h3>
      {body.answers.map((answer, at) => {
        const votes = [...chosen.values()].filter(choice => choice === at).length;
        return (
          <button key={answer} type="button" class="poll-answer" aria-pressed={at === mine} onClick={() => choose(at)}>
            <progress value={votes} max={Math.max(chosen.size, 1)} aria-hidden="true" />
            <span dir="auto">{answer}</span>
            {at === mine && <i aria-hidden="true">✓</i>}
            <b>{votes}</b>
          </button>
        );
      })}
      <p class="quiet">{turnout(shell, chosen)}</p>
    </section>
  );
}

function turnout({ here, t }: PollShell, chosen: Map<string, number>): string {
  const voted = here.filter(person => chosen.has(person.id)).length;
  return here.length > 0 ? t("turnout", { voted, here: here.length }) : t("votes", { n: chosen.size });
}

/** The slash command and the form both end here; what is wrong is said in the reader's language. */
function ask(shell: PollShell, asked: Poll, room: string): void {
  try {
    poll.parse(asked);
  } catch (error) {
    if (!(error instanceof Reject)) throw error;
    throw new Reject("invalid", shell.t("rule", { most: MAX_ANSWERS }));
  }
  shell.send(asked, { room });
}

function Form({ shell, room, close }: { shell: PollShell; room: string; close(): void }) {
  const [question, setQuestion] = useState("");
  const [answers, setAnswers] = useState(["", ""]);
  const [fault, setFault] = useState("");
  const submit = (event: Event) => {
    event.preventDefault();
    try {
      ask(shell, { question, answers: answers.filter(answer => answer.trim() !== "") }, room);
      close();
    } catch (error) {
      if (!(error instanceof Reject)) throw error;
      setFault(error.message);
    }
  };
  const write = (at: number, text: string) => {
    const written = answers.with(at, text);
    // There is always room for one more.
    setAnswers(text !== "" && at === answers.length - 1 && at < MAX_ANSWERS - 1 ? [...written, ""] : written);
  };
  return (
    <form class="poll-form" onSubmit={submit}>
      <input
        class="field"
        autofocus
        maxLength={MAX_CHARACTERS}
        placeholder={shell.t("question")}
        aria-label={shell.t("question")}
        value={question}
        onInput={event => setQuestion(event.currentTarget.value)}
      />
      {answers.map((answer, at) => (
        <input
          key={at}
          class="field"
          maxLength={MAX_CHARACTERS}
          placeholder={shell.t("answer", { n: at + 1 })}
          aria-label={shell.t("answer", { n: at + 1 })}
          value={answer}
          onInput={event => write(at, event.currentTarget.value)}
        />
      ))}
      <p class="fault" role="alert">
        {fault}
      </p>
      <button type="submit" class="button primary">
        {shell.t("ask")}
      </button>
    </form>
  );
}

export default [
  defineClient(poll, {
    Row,
    fold: ({ body }, votes) => tally(body, votes),
    command: { takes: "takes", label: "ask", run: (text, room, shell) => ask(shell, read(text), room) },
    tool: { label: "ask", icon: "M3.5 13V8m4.5 5V3m4.5 10V6", shortcut: "Alt+P", Form },
    strings: {
      en: {
        ask: "Start a poll",
        takes: "question? answer, answer",
        which: "Which one?",
        question: "Question",
        answer: "Answer {n}",
        votes: "Votes: {n}",
        turnout: "{voted} of {here} people here have voted",
        rule: "A poll has 2 to {most} different answers.",
      },
      zh: {
        ask: "发起投票",
        takes: "问题？选项，选项",
        which: "选哪一个？",
        question: "问题",
        answer: "选项 {n}",
        votes: "{n} 票",
        turnout: "在线 {here} 人中 {voted} 人已投票",
        rule: "投票需要 2 到 {most} 个互不相同的选项。",
      },
    },
  }),
  defineClient(vote, {}),
];
