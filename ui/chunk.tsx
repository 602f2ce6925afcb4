/** Some fifty rows, drawn again only when one of them changed. */
import type { Message } from "../core/plugin.ts";
import { dayName, dayOf } from "./dates.ts";
import { language, t } from "./i18n.ts";
import { memo } from "./memo.ts";
import type { Room } from "./room.ts";
import { RowView } from "./row.tsx";
import { type Chunk, type Entry, identity } from "./timeline.ts";

/** Messages of one author with no longer pauses than this stand together. */
export const GROUP_MS = 5 * 60_000;

type Props = { chunk: Chunk; above: Chunk | undefined; room: Room };

export const ChunkView = memo<Props>(({ chunk, above, room }) => {
  // Read here, so that another language draws the rows again.
  language.value;
  const line = room.line.value;
  let before = above?.entries.value.at(-1);
  return (
    <div class="chunk">
      {chunk.entries.value.map(entry => {
        const previous = before;
        before = entry;
        return <Place key={identity(entry.message)} entry={entry} previous={previous} line={line} />;
      })}
    </div>
  );
});

/** A row, with what has to stand between it and the one before. */
function Place({ entry, previous, line }: { entry: Entry; previous: Entry | undefined; line: string }) {
  const { message, late, marks } = entry;
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
        head={newDay || firstNew || !follows(message, previous?.message)}
      />
    </>
  );
}

export function Day({ at }: { at: number }) {
  return <h2 class="day">{dayName(dayOf(at))}</h2>;
}

export function follows(message: Message, previous: Message | undefined): boolean {
  return (
    previous !== undefined &&
    previous.author.id === message.author.id &&
    previous.author.name === message.author.name &&
    Math.abs(message.at - previous.at) < GROUP_MS &&
    dayOf(message.at) === dayOf(previous.at)
  );
}
