// The venue's control channel, a WebSocket at /sim/clock on the broker's port: how gyr and the venue share market time.
//
//   venue -> client   {"type":"hello","day","nowUs","endUs","mode":"lockstep"|"scaled","wallUs","speed"}
//   client -> venue   {"type":"join"}                                     lockstep only: the market starts to move
//   venue -> client   {"type":"step","nowUs","feedFrames","streamFrames"} everything up to nowUs has been sent: these many
//                                                                         frames on the client's data socket and order stream
//   client -> venue   {"type":"done","nowUs","wakeUs"}                    all of it has had its effect, nothing of ours is
//                                                                         unanswered; move on, but not past wakeUs
//   venue -> client   {"type":"end","nowUs"}                              the day is over
//
// In lockstep the venue's time stands still between `step` and `done`, so an order sent in between arrives at exactly
// nowUs plus the modelled latency, however long the machine took. Nobody sleeps and nothing depends on wall time.

export interface HelloMessage {
  readonly type: "hello";
  readonly day: string;
  readonly nowUs: number;
  readonly endUs: number;
  readonly mode: "lockstep" | "scaled";
  /** Wall time at which market time was nowUs; for scaled mode. */
  readonly wallUs: number;
  /** Market seconds in a wall second; 0 in lockstep. */
  readonly speed: number;
}

export interface StepMessage {
  readonly type: "step";
  readonly nowUs: number;
  readonly feedFrames: number;
  readonly streamFrames: number;
}

export interface EndMessage {
  readonly type: "end";
  readonly nowUs: number;
}

export interface JoinMessage {
  readonly type: "join";
}

export interface DoneMessage {
  readonly type: "done";
  readonly nowUs: number;
  /** Next time the client wants the clock to stop at, epoch us; the venue never moves past it. */
  readonly wakeUs: number;
}

export type VenueMessage = HelloMessage | StepMessage | EndMessage;
export type ClientMessage = JoinMessage | DoneMessage;

export const CONTROL_PATH = "/sim/clock";

/** A client message, or null when the text is not one. */
export function parseClientMessage(text: string): ClientMessage | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== "object" || value === null) return null;
  const message = value as Record<string, unknown>;
  if (message.type === "join") return { type: "join" };
  if (message.type !== "done") return null;
  const { nowUs, wakeUs } = message;
  if (typeof nowUs !== "number" || !Number.isFinite(nowUs)) return null;
  // JSON has no Infinity: a client without a timer says null.
  if (wakeUs === null) return { type: "done", nowUs, wakeUs: Number.POSITIVE_INFINITY };
  if (typeof wakeUs !== "number" || Number.isNaN(wakeUs)) return null;
  return { type: "done", nowUs, wakeUs };
}
