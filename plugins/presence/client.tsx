import { defineClient, type Person, type Shell } from "../../core/plugin.ts";
import { reportAway, stir } from "./idle.ts";
import presence, { type Presence } from "./message.ts";

type Status = Presence["status"];
type PresenceShell = Shell<{ status: Status }, Presence>;
type Shown = Person & { status: Status | "offline"; nodes: readonly string[] };

/** The signs differ in shape, not in colour alone. */
const SIGNS = { online: "●", away: "◐", offline: "○" };
const ORDER = { online: 0, away: 1, offline: 2 };

/** Everybody who is here, and those who wrote in the room and are not. */
function everybody({ values }: PresenceShell, people: readonly Person[]): Shown[] {
  const here: Shown[] = values.map(({ body: { person, name, status }, nodes }) => ({
    id: person,
    name,
    status,
    nodes,
  }));
  const ids = new Set(here.map(({ id }) => id));
  const gone = people
    .filter(({ id }) => !ids.has(id))
    .map(person => ({ ...person, status: "offline" as const, nodes: [] }));
  return [...here, ...gone].sort((a, b) => ORDER[a.status] - ORDER[b.status] || a.name.localeCompare(b.name));
}

function People({ shell, people }: { shell: PresenceShell; people: readonly Person[] }) {
  const { Avatar } = shell;
  return (
    <ul class="people">
      {everybody(shell, people).map(({ id, name, status, nodes }) => (
        <li key={id} class={`person ${status}`}>
          <Avatar person={{ id, name }} />
          <span class="person-sign" role="img" aria-label={shell.t(status)} title={shell.t(status)}>
            {SIGNS[status]}
          </span>
          <span class="person-name">
            {name}
            {id === shell.me.id && <small> {shell.t("you")}</small>}
          </span>
          <span class="person-node">{status === "online" ? nodes.join(", ") : shell.t(status)}</span>
        </li>
      ))}
    </ul>
  );
}

function Badge({ shell }: { shell: PresenceShell }) {
  const n = shell.values.length;
  return n === 0 ? null : <span>{shell.t("here", { n })}</span>;
}

export default defineClient(presence, {
  Badge,
  panel: { title: "people", Component: People },
  here: ({ values }: PresenceShell) => values.map(({ body: { person, name } }) => ({ id: person, name })),
  started: shell => reportAway(status => shell.send({ status })),
  typed: stir,
  strings: {
    en: { people: "People", here: "{n} here", online: "online", away: "away", offline: "offline", you: "(you)" },
    zh: { people: "成员", here: "{n} 人在线", online: "在线", away: "离开", offline: "离线", you: "（你）" },
  },
});
