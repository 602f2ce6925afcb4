/** The button under a thumb: held, it records; let go, it sends; slid left it discards, and slid up it goes on by itself. */
import { useRef, useState } from "preact/hooks";
import { discard, release, type Stage, stage } from "./studio.ts";

/** Shorter than this it was a tap, which records hands-free. */
const TAP_MS = 350;
const CANCEL_PX = 90;
const LOCK_PX = 70;
/** A touch makes its click within that, if it makes one. */
const CLICK_MS = 700;
/** Where the button begins to record. */
const STARTS: readonly Stage["name"][] = ["idle", "short", "fault"];

type Touch = PointerEvent & { currentTarget: HTMLElement };
/** Where a finger went down, which it is, and when; times are those of its events, in milliseconds. */
type Held = { id: number; x: number; y: number; at: number };

export function useHold(begin: () => void) {
  const [held, setHeld] = useState(false);
  /** The finger that does it; others on the button do nothing. */
  const finger = useRef<Held | undefined>(undefined);
  /** It decided something while it was down: lifting it does nothing more. */
  const decided = useRef(false);
  /** When the last finger that held it was lifted. */
  const liftedAt = useRef(Number.NEGATIVE_INFINITY);
  const decide = () => {
    decided.current = true;
    setHeld(false);
  };
  const lift = ({ timeStamp }: Touch) => {
    finger.current = undefined;
    liftedAt.current = timeStamp;
    setHeld(false);
  };
  const isOther = ({ pointerId }: Touch) => finger.current?.id !== pointerId;
  return {
    held,
    /** The click that such a touch makes is not one of its own; those of keys and screen readers come without a touch. */
    isClick: ({ detail, timeStamp }: MouseEvent) => detail === 0 || timeStamp - liftedAt.current > CLICK_MS,
    handlers: {
      onPointerDown(event: Touch) {
        if (finger.current) return;
        liftedAt.current = Number.NEGATIVE_INFINITY;
        if (event.pointerType === "mouse" || !STARTS.includes(stage.peek().name)) return;
        event.currentTarget.setPointerCapture(event.pointerId);
        const { pointerId: id, clientX: x, clientY: y, timeStamp: at } = event;
        finger.current = { id, x, y, at };
        decided.current = false;
        setHeld(true);
        begin();
      },
      onPointerMove(event: Touch) {
        const { current: from } = finger;
        if (!from || isOther(event) || decided.current) return;
        if (from.x - event.clientX > CANCEL_PX) {
          decide();
          discard();
        } else if (from.y - event.clientY > LOCK_PX) decide();
      },
      onPointerUp(event: Touch) {
        const { current: from } = finger;
        if (!from || isOther(event)) return;
        lift(event);
        if (!decided.current && event.timeStamp - from.at > TAP_MS) release();
      },
      onPointerCancel(event: Touch) {
        if (!isOther(event)) lift(event);
      },
      onContextMenu(event: Event) {
        if (finger.current) event.preventDefault();
      },
    },
  };
}
