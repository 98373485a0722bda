// What the three processes of suite `tickToOrder` say to each other.

import type { TickEvent } from "./tick-path.ts";

export type VenueRequest =
  | { readonly kind: "open"; readonly seed: number }
  /** One work event, to look at its order. */
  | { readonly kind: "check" }
  /** `count` events of each kind. `cannedBytes`: what each floor event is answered with. */
  | { readonly kind: "measure"; readonly count: number; readonly cannedBytes: number }
  | { readonly kind: "stop" };

export type VenueReply =
  | { readonly kind: "opened"; readonly web: number; readonly orders: number }
  | { readonly kind: "checked"; readonly bytes: string; readonly event: TickEvent }
  | {
      readonly kind: "measured";
      readonly workNs: readonly number[];
      readonly floorNs: readonly number[];
      readonly noOrderCount: number;
    };

export type TraderRequest =
  | { readonly kind: "open"; readonly web: number; readonly orders: number; readonly seed: number }
  /** Forget latencies so far, and answer floor events with this many bytes. */
  | { readonly kind: "arm"; readonly cannedBytes: number }
  | { readonly kind: "stop" };

export type TraderReply =
  | { readonly kind: "opened" }
  | { readonly kind: "armed" }
  | {
      readonly kind: "stopped";
      /** Medians of the stages inside the process, us, by name. */
      readonly stageP50Us: Readonly<Record<string, number>>;
      readonly orderCount: number;
      /** Why events caused no order: denials and filters by code. */
      readonly refusals: Readonly<Record<string, number>>;
    };

/** Canned bytes are all of this letter; no HTTP request begins with it. */
export const CANNED_LETTER = "F";

export function isFloorBytes(text: string): boolean {
  return text.startsWith(CANNED_LETTER);
}
