/** One message of the timeline. What it says is drawn by its plugin. */
import { computed } from "@preact/signals";
import type { ComponentChildren } from "preact";
import type { AnyClientPlugin, Message } from "../core/plugin.ts";
import { Avatar } from "./avatar.tsx";
import { acksLate, served } from "./connection.ts";
import { copiesOf } from "./copies.ts";
import { moment, time } from "./dates.ts";
import { useView } from "./fold.ts";
import { language, t } from "./i18n.ts";
import { memo } from "./memo.ts";
import { type Item, items } from "./outbox.ts";
import { isStuck, Pending } from "./pending.tsx";
import { folderOf, lineOf, pluginOf, plugins, roleOf } from "./registry.ts";
import { me } from "./session.ts";
import { guard, shellOf } from "./shell.ts";
import { Slot } from "./slot.tsx";
import { question } from "./view.ts";

/** Messages that are about to be emptied. */
const erasing = computed(
  () =>
    new Set(
      items.value.filter(item => item.ref && roleOf(item.type) === "erase" && !item.failed).map(({ ref }) => ref),
    ),
);

/** `item` is what waits to be committed, of which `message` is a picture. */
type Props = { message: Message; late: boolean; head: boolean; marks: readonly Message[]; item: Item | undefined };

export const RowView = memo<Props>(({ message, late, head, marks, item }) => {
  language.value;
  const own = message.author.id === me.value.id;
  const copies = own ? copiesOf(message.id).value : 0;
  const waits = item ? copies === 0 : own && erasing.value.has(message.id);
  return (
    <Frame
      message={message}
      head={head}
      late={late}
      marks={marks}
      state={item?.failed ? "failed" : waits ? "waiting" : ""}
    >
      {item && (waits || isStuck(item)) ? <Pending item={item} /> : own && !message.erased && <Mark copies={copies} />}
      {!item && !message.erased && <Actions message={message} />}
    </Frame>
  );
});

type FrameProps = {
  message: Message;
  head: boolean;
  late: boolean;
  marks: readonly Message[];
  state: string;
  children: ComponentChildren;
};

/** The author where a group begins, the time, the body, and whatever stands beside it. */
function Frame({ message, head, late, marks, state, children }: FrameProps) {
  const { author, at } = message;
  return (
    <article class={`row ${head ? "head" : ""} ${state}`} tabIndex={-1} data-key={message.key}>
      {head ? <Avatar person={author} /> : <Time at={at} />}
      <div class="row-main">
        <header class={head ? "row-head" : "hidden"}>
          <strong class="author">{author.name}</strong>
          <Time at={at} />
        </header>
        <div class="row-body">
          {late && (
            <small class="late" title={t("lateTitle")}>
              {t("late")}
            </small>
          )}
          <Body message={message} marks={marks} />
        </div>
      </div>
      {children}
    </article>
  );
}

function Time({ at }: { at: number }) {
  return (
    <time class="time" dateTime={new Date(at).toISOString()} title={moment(at)}>
      {time(at)}
    </time>
  );
}

type Marked = { message: Message; marks: readonly Message[] };

function Body({ message, marks }: Marked) {
  if (message.erased) return <p class="removed">{t("removed")}</p>;
  const plugin = pluginOf(message.type);
  const line = <p class="alt">{lineOf(message) || t("unreadable")}</p>;
  if (!plugin) return <Unknown type={message.type}>{line}</Unknown>;
  if (!plugin.hooks.Row || message.body === undefined) return line;
  return (
    <Slot plugin={plugin} fallback={line}>
      <Drawn plugin={plugin} message={message} marks={marks} line={line} />
    </Slot>
  );
}

/** Some plugins have nothing to show in browsers, and are there all the same. */
function Unknown({ type, children }: { type: string; children: ComponentChildren }) {
  return (
    <>
      {children}
      {!served.value.includes(type) && <small class="alt">{t("noPlugin", { type: folderOf(type) })}</small>}
    </>
  );
}

function Drawn({ plugin, message, marks, line }: Marked & { plugin: AnyClientPlugin; line: ComponentChildren }) {
  const { Row } = plugin.hooks;
  const made = useView(plugin, message, marks);
  if (!Row || !made) return line;
  return <Row shell={shellOf(plugin)} message={message as Message & { body: unknown }} {...made} />;
}

function Mark({ copies }: { copies: number }) {
  const word = t(copies >= 2 ? "stored" : acksLate.value ? "kept" : "sent");
  return (
    <span class="mark" title={word}>
      <span aria-hidden="true">{copies >= 2 ? "✓✓" : "✓"}</span>
      <span class="hidden">{word}</span>
    </span>
  );
}

function Actions({ message }: { message: Message }) {
  const offered = plugins.filter(plugin => isOffered(plugin, message));
  if (offered.length === 0) return null;
  return (
    <div class="row-actions">
      {offered.map(plugin => (
        <button key={plugin.message.type} type="button" class="small-button" onClick={() => run(plugin, message)}>
          {shellOf(plugin).t(plugin.hooks.action?.label ?? "")}
        </button>
      ))}
    </div>
  );
}

function isOffered(plugin: AnyClientPlugin, message: Message): boolean {
  let offered = false;
  guard(plugin.message.type, () => {
    offered = plugin.hooks.action?.offered(message, shellOf(plugin)) ?? false;
  });
  return offered;
}

function run(plugin: AnyClientPlugin, message: Message): void {
  const { action } = plugin.hooks;
  if (!action) return;
  const shell = shellOf(plugin);
  const act = () => guard(plugin.message.type, () => action.run(message, shell));
  if (action.confirm) question.value = { text: shell.t(action.confirm), label: shell.t(action.label), run: act };
  else act();
}
