/** What is recorded, as the browser keeps it: it grows while it is recorded, and is there again if the page ends. */
import type { Draft } from "../../core/plugin.ts";
import type { Finished } from "./finish.ts";
import { untilLoaded } from "./loading.ts";
import type { Recording } from "./message.ts";
import type { VoiceShell } from "./player.ts";

/** Where a recording goes. */
export type Place = { shell: VoiceShell; room: string; roomName: string };

export class Tape {
  readonly place: Place;
  readonly #begun: Promise<Draft<Recording>>;
  #draft: Draft<Recording> | undefined;

  constructor(place: Place, begun: Promise<Draft<Recording>>) {
    this.place = place;
    this.#begun = begun.then(draft => {
      this.#draft = draft;
      return draft;
    });
  }

  /** Records for that place. What is recorded waits until what keeps and finishes it could be loaded. */
  static begin(place: Place): Tape {
    const { shell, room, roomName } = place;
    void untilLoaded(finisher);
    return new Tape(
      place,
      untilLoaded(() => shell.draft(JSON.stringify({ room, roomName }))),
    );
  }

  /** The oldest one that an earlier page left. */
  static async left(shell: VoiceShell): Promise<Tape | undefined> {
    const draft = await shell.leftDraft();
    if (!draft) return undefined;
    const { room, roomName } = JSON.parse(draft.about);
    return new Tape({ shell, room, roomName }, Promise.resolve(draft));
  }

  /** It outlives the page. */
  get kept(): boolean {
    return this.#draft?.kept ?? false;
  }

  add(piece: Blob): void {
    void this.#begun.then(draft => draft.add(piece));
  }

  /** Throws where what was recorded cannot be read. */
  async finish(): Promise<Finished> {
    const [{ finish }, draft] = await Promise.all([untilLoaded(finisher), this.#begun]);
    return finish(draft.file());
  }

  async send(recording: Recording): Promise<void> {
    await (await this.#begun).send(recording, { room: this.place.room });
  }

  drop(): void {
    void this.#begun.then(draft => draft.drop());
  }
}

/** What makes a message of it. */
export const finisher = () => import("./finish.ts");
