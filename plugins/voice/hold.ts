/** The button under a thumb: held, it records; let go, it sends; slid left it discards, and slid up it goes on by itself. */
import { useRef, useState } from "preact/hooks";
import { discard, send, stage } from "./studio.ts";

/** Shorter than this it was a tap, which records hands-free. */
const TAP_MS = 350;
const CANCEL_PX = 90;
const LOCK_PX = 70;

type Touch = PointerEvent & { currentTarget: HTMLElement };

export function useHold(begin: () => void) {
  const [held, setHeld] = useState(false);
  const from = useRef<{ x: number; y: number; at: number } | undefined>(undefined);
  /** The click that a touch makes is not one of its own. */
  const isTouch = useRef(false);
  const letGo = () => {
    from.current = undefined;
    setHeld(false);
  };
  return {
    held,
    isClick: () => !isTouch.current,
    handlers: {
      onPointerDown(event: Touch) {
        const { name } = stage.peek();
        isTouch.current = event.pointerType !== "mouse" && (name === "idle" || name === "fault");
        if (!isTouch.current) return;
        event.currentTarget.setPointerCapture(event.pointerId);
        from.current = { x: event.clientX, y: event.clientY, at: event.timeStamp };
        setHeld(true);
        begin();
      },
      onPointerMove({ clientX, clientY }: Touch) {
        if (!from.current) return;
        if (from.current.x - clientX > CANCEL_PX) {
          letGo();
          discard();
        } else if (from.current.y - clientY > LOCK_PX) letGo();
      },
      onPointerUp({ timeStamp }: Touch) {
        const touched = from.current;
        if (!touched) return;
        letGo();
        // While the browser still asks for the microphone nobody has said anything yet.
        if (timeStamp - touched.at > TAP_MS && stage.peek().name === "recording") void send();
      },
      onPointerCancel: letGo,
      onContextMenu(event: Event) {
        if (isTouch.current) event.preventDefault();
      },
    },
  };
}
