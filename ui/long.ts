import { useEffect, useState } from "preact/hooks";

/** False for the first 300 ms of waiting: what takes no longer needs no word. */
export function useLong(waiting: boolean): boolean {
  const [long, setLong] = useState(false);
  useEffect(() => {
    setLong(false);
    if (!waiting) return;
    const timer = setTimeout(() => setLong(true), 300);
    return () => clearTimeout(timer);
  }, [waiting]);
  return long;
}
