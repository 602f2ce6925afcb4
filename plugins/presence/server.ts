import { type Delivery, defineServer, type Session } from "../../core/plugin.ts";
import presence, { type Presence } from "./message.ts";

/** How long a person without a session stays: long enough for a page to reload, short enough to be believed. */
const GRACE_MS = 500;

type Here = { value: Presence; sessions: Map<string, Presence["status"]>; leftAt?: number };

export default defineServer(presence, () => {
  const people = new Map<string, Here>();

  /** Online where any of the person's sessions is. */
  function settle(here: Here, now: number): Presence {
    const status = [...here.sessions.values()].includes("online") ? "online" : "away";
    if (status !== here.value.status) here.value = { ...here.value, status, since: now };
    return here.value;
  }

  function enter({ id, person }: Session, status: Presence["status"], now: number): Presence {
    let here = people.get(person.id);
    if (here?.value.name !== person.name) {
      const value: Presence = { person: person.id, name: person.name, status, since: now };
      here = { value, sessions: here?.sessions ?? new Map() };
      people.set(person.id, here);
    }
    delete here.leftAt;
    here.sessions.set(id, status);
    return settle(here, now);
  }

  return {
    receive: ({ status }, { from, now }) => enter(from, status, now()),
    joined: (session, { now }) => [{ body: enter(session, "online", now()), to: "all" }],
    left(session, { now }) {
      const here = people.get(session.person.id);
      if (!here?.sessions.delete(session.id)) return [];
      if (here.sessions.size > 0) return [{ body: settle(here, now()), to: "all" }];
      here.leftAt = now();
      return [];
    },
    tick({ now }) {
      const gone: Delivery[] = [];
      for (const [key, { leftAt }] of people) {
        if (leftAt === undefined || now() - leftAt < GRACE_MS) continue;
        people.delete(key);
        gone.push({ body: null, key });
      }
      return gone;
    },
  };
});
