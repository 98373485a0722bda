// The port every market-data source implements: live Polygon, the simulated venue (the same Polygon client), later a replay.

/** Counts a feed keeps; shown in the summary and by `gyr status`. */
export interface FeedCounters {
  /** Frames received on the data socket since it was opened, status frames included. */
  frames: number;
  /** Market events written to the ring. */
  events: number;
  /** Events for symbols we do not hold, or of kinds we do not know: skipped. */
  unknownEvents: number;
  /** Events with a missing, wrong-typed, non-finite, negative or absurd field: skipped. */
  badEvents: number;
  /** Frames that were not a JSON array: skipped. */
  badFrames: number;
  /** Times the socket was opened again after a loss. */
  reconnects: number;
}

export interface Feed {
  readonly counters: FeedCounters;
  /** Connects, authenticates and subscribes to `symbols`; resolves when every subscription is confirmed. */
  start(symbols: readonly string[]): Promise<void>;
  /** Called after each frame whose events are in the ring; the engine drains from here in wall-clock modes. */
  onFrame: () => void;
  /** Called with a sentence for a human when the connection is lost, refused or back. */
  onStatus: (status: FeedStatus, detail: string) => void;
  stop(): Promise<void>;
}

export type FeedStatus = "connecting" | "up" | "down" | "refused";
