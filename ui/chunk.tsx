/** Some rows, drawn again only when one of them changed. */
import type { Message } from "../core/plugin.ts";
import { dayName, dayOf } from "./dates.ts";
import { NONE } from "./fold.ts";
import { language, t } from "./i18n.ts";
import { memo } from "./memo.ts";
import type { Item } from "./outbox.ts";
import { pictureOf } from "./picture.ts";
import type { Room } from "./room.ts";
import { RowView } from "./row.tsx";
import { me } from "./session.ts";
import { type Chunk, type Entry, identity } from "./timeline.ts";

/** Messages of one author with no longer pauses than this stand together. */
export const GROUP_MS = 5 * 60_000;

/** `waiting` is what the person wrote and no node has committed yet: it stands below everything else. */
type Props = { chunk: Chunk; above: Chunk | undefined; room: Room; waiting: readonly Item[] | undefined };

export const ChunkView = memo<Props>(({ chunk, above, room, waiting = [] }) => {
  // Read here, so that another language draws the rows again.
  language.value;
  const line = room.line.value;
  let before: Shown | undefined = above?.entries.value.at(-1);
  const there: readonly Shown[] = chunk.entries.value;
  const coming = waiting.filter(({ id }) => !room.timeline.has({ id, author: me.value })).map(pictured);
  return (
    <div class="chunk" data-chunk={chunk.id}>
      {/* One list, so that a message that is committed stays the row that it was. */}
      {[...there, ...coming].map(entry => {
        const previous = before;
        before = entry;
        return <Place key={identity(entry.message)} entry={entry} previous={previous} line={line} />;
      })}
    </div>
  );
});

type Shown = Entry & { readonly item?: Item };

function pictured(item: Item): Shown {
  return { message: pictureOf(item), late: false, marks: NONE, item };
}

/** A row, with what has to stand between it and the one before. */
function Place({ entry, previous, line }: { entry: Shown; previous: Shown | undefined; line: string }) {
  const { message, late, marks, item } = entry;
  const newDay = !previous || dayOf(previous.message.at) !== dayOf(message.at);
  const firstNew = line !== "" && message.key > line && (!previous || previous.message.key <= line);
  return (
    <>
      {newDay && <Day at={message.at} />}
      {firstNew && <p class="unread-line">{t("newLine")}</p>}
      <RowView
        message={message}
        late={late}
        marks={marks}
        item={item}
        head={newDay || firstNew || !follows(message, previous?.message)}
      />
    </>
  );
}

function Day({ at }: { at: number }) {
  return <h2 class="day">{dayName(dayOf(at))}</h2>;
}

function follows(message: Message, previous: Message | undefined): boolean {
  return (
    previous !== undefined &&
    previous.author.id === message.author.id &&
    previous.author.name === message.author.name &&
    Math.abs(message.at - previous.at) < GROUP_MS &&
    dayOf(message.at) === dayOf(previous.at)
  );
}
