// How requests about orders reach the broker and how their outcome comes back. Two implementations: our own sockets, and the
// vendor's SDK. The gateway decides what an outcome means; a transport never sends anything twice.

/** What a request was for. */
export const REQUEST_SUBMIT = 1;
export const REQUEST_CANCEL = 2;
/** Question for an order by our id. */
export const REQUEST_ASK_OURS = 3;
/** Question for an order, with its legs, by the broker's id. */
export const REQUEST_ASK_THEIRS = 4;
/** List of the day's orders, for a gap in the stream. */
export const REQUEST_LIST = 5;

export interface TransportHandler {
  /**
   * An answer came.
   *
   * @param row     order the request was about, -1 for lists
   * @param body    text of the answer, "" where there is none
   * @param waitSec seconds that a 429 asks us to wait, NaN where it does not say
   * @param sentNs  monotonic ns when the request was on its way, and when the answer was complete
   */
  onAnswer(
    kind: number,
    row: number,
    status: number,
    body: string,
    waitSec: number,
    sentNs: number,
    answeredNs: number,
  ): void;
  /** No answer, and the broker may have acted. */
  onAmbiguous(kind: number, row: number, detail: string): void;
  /** Not a byte was sent. */
  onNotSent(kind: number, row: number, detail: string): void;
  onTransportStatus(isUp: boolean, detail: string): void;
}

export interface OrderTransport {
  readonly isUp: boolean;
  readonly inFlight: number;
  readonly reconnectCount: number;
  start(): Promise<void>;
  /** Each of these: false where there is no room. */
  submit(row: number, isUrgent: boolean): boolean;
  cancel(row: number): boolean;
  askOurs(row: number): boolean;
  askTheirs(row: number): boolean;
  /** Orders of every status submitted after a time, oldest first, at most LIST_LIMIT, legs nested. */
  list(afterIso: string): boolean;
  stop(): void;
}

/** The broker's largest page. */
export const LIST_LIMIT = 500;
