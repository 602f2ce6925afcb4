/** The microphone, and in words what keeps a page from it. */

/** Each is a key of the plugin's texts. */
export type Fault = "denied" | "missing" | "busy" | "unsupported" | "insecure";

/** Opus where the browser has it, else AAC: every browser plays both. */
const FORMATS = ["audio/webm;codecs=opus", "audio/ogg;codecs=opus", "audio/mp4;codecs=mp4a.40.2", "audio/mp4"];

/** What this browser records in; "" where it cannot record. */
export function recordable(): string {
  if (typeof MediaRecorder === "undefined") return "";
  return FORMATS.find(format => MediaRecorder.isTypeSupported(format)) ?? "";
}

/** Opens the microphone of that id, or another where that one is gone or in use. Throws a `Fault`. */
export async function openMicrophone(id: string): Promise<MediaStream> {
  try {
    return await openExactly(id);
  } catch (fault) {
    if (id === "" || (fault !== "missing" && fault !== "busy")) throw fault;
    return openExactly("");
  }
}

/** Opens the microphone of that id, or the usual one without any. Throws a `Fault`. */
export async function openExactly(id: string): Promise<MediaStream> {
  if (!navigator.mediaDevices) throw isSecureContext ? "unsupported" : ("insecure" satisfies Fault);
  if (!recordable()) throw "unsupported" satisfies Fault;
  const audio = { channelCount: 1, noiseSuppression: true, echoCancellation: true, autoGainControl: true };
  const device = id === "" ? {} : { deviceId: { exact: id } };
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: { ...audio, ...device } });
  } catch (error) {
    throw faultOf((error as DOMException).name);
  }
}

export function letGo(stream: MediaStream | undefined): void {
  for (const track of stream?.getTracks() ?? []) track.stop();
}

/** The page has been given the microphone before: opening it asks nobody. False where the browser does not tell. */
export async function isAllowed(): Promise<boolean> {
  const name = "microphone" as PermissionName;
  const status = await navigator.permissions?.query({ name }).catch(() => undefined);
  return status?.state === "granted";
}

function faultOf(name: string): Fault {
  if (name === "NotAllowedError" || name === "SecurityError") return "denied";
  if (name === "NotFoundError" || name === "OverconstrainedError") return "missing";
  return "busy";
}

/** The microphones that there are; their names are known once one of them was allowed. */
export async function microphones(): Promise<{ id: string; name: string }[]> {
  const devices = await navigator.mediaDevices.enumerateDevices().catch(() => []);
  return devices
    .filter(({ kind, deviceId }) => kind === "audioinput" && deviceId !== "")
    .map(({ deviceId, label }) => ({ id: deviceId, name: label }));
}
