// Hot path: no allocation after start.
// One histogram for each stage boundary of the path from a tick to an order and back.

import { Histogram } from "../core/histogram.ts";

export class Latencies {
  /** Frame in our hands to its events in the ring. */
  readonly received = new Histogram();
  /** Event taken from the ring to its bar closed. */
  readonly bars = new Histogram();
  /** Closed bar to its feature row. */
  readonly features = new Histogram();
  /** Window to prediction. */
  readonly inference = new Histogram();
  /** Prediction to intent: signal, filters, sizing. */
  readonly decision = new Histogram();
  /** Checks, intent recorded. */
  readonly risk = new Histogram();
  /** Order row to bytes handed to the socket. */
  readonly sent = new Histogram();
  /** Frame in our hands to order bytes handed to the socket. */
  readonly tickToOrder = new Histogram();
  /** Order bytes sent to the broker's answer read. */
  readonly acknowledged = new Histogram();
}

export const LATENCY_MEANINGS: Readonly<Record<keyof Latencies, string>> = {
  received: "event parsed to event taken by the engine (waiting in the ring)",
  bars: "event taken to bar closed",
  features: "bar closed to feature row written",
  inference: "window to prediction",
  decision: "prediction to sized intent: signal, filters, sizing",
  risk: "checks and intent recorded in the journal",
  sent: "intent to order bytes handed to the socket",
  tickToOrder: "frame received to order bytes handed to the socket",
  acknowledged: "order bytes sent to the broker's answer read",
};
