/** What the person wrote and the node has not committed yet, below everything else. */
import type { Message } from "../core/plugin.ts";
import { Day, follows } from "./chunk.tsx";
import { copiesOf } from "./copies.ts";
import { dayOf, time } from "./dates.ts";
import { t } from "./i18n.ts";
import { drop, type Item, retry } from "./outbox.ts";
import { pictureOf } from "./picture.ts";
import { reason } from "./reason.ts";
import type { Room } from "./room.ts";
import { Frame, Mark } from "./row.tsx";
import { me } from "./session.ts";
import type { Chunk } from "./timeline.ts";
import { refocus } from "./view.ts";

export function Pending({ room, items, last }: { room: Room; items: readonly Item[]; last: Chunk | undefined }) {
  let previous: Message | undefined = last?.entries.value.at(-1)?.message;
  const waiting = items.filter(({ id }) => !room.timeline.has({ id, author: me.value }));
  return waiting.map(item => {
    const { id, at } = item;
    const message = pictureOf(item);
    const before = previous;
    previous = message;
    const copies = copiesOf(id).value;
    const state = item.failed ? "failed" : copies ? "" : "waiting";
    return (
      <div key={id}>
        {(!before || dayOf(before.at) !== dayOf(at)) && <Day at={at} />}
        <Frame message={message} head={!follows(message, before)} state={state}>
          {item.failed || (item.until ?? 0) > Date.now() ? (
            <Failure item={item} />
          ) : copies ? (
            <Mark copies={copies} />
          ) : (
            <Waiting />
          )}
        </Frame>
      </div>
    );
  });
}

function Waiting() {
  return (
    <span class="mark" title={t("waiting")}>
      <span class="hidden">{t("waiting")}</span>
    </span>
  );
}

function Failure({ item: { id, failed, until = 0 } }: { item: Item }) {
  const then = (act: (id: string) => void) => () => {
    act(id);
    refocus();
  };
  return (
    <div class="failure" role="alert">
      <span>
        {failed ? t("failed", { reason: reason(failed.code, failed.message) }) : t("delayed", { time: time(until) })}
      </span>
      <button type="button" class="small-button" onClick={then(retry)}>
        {t("again")}
      </button>
      <button type="button" class="small-button" onClick={then(drop)}>
        {t("discard")}
      </button>
    </div>
  );
}
