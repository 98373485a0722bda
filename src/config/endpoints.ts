// The vendors' hosts by mode, and the hosts a configuration ends up with.

import type { Config } from "./schema.ts";

export interface Endpoints {
  /** Polygon (now Massive) REST, without a path. */
  readonly feedRest: string;
  /** Polygon (now Massive) stocks cluster. */
  readonly feedSocket: string;
  /** Alpaca trading REST, without a path. */
  readonly trading: string;
  /** Alpaca trade updates. */
  readonly stream: string;
}

const FEED = { feedRest: "https://api.massive.com", feedSocket: "wss://socket.massive.com/stocks" };
const PAPER = { trading: "https://paper-api.alpaca.markets", stream: "wss://paper-api.alpaca.markets/stream" };
const LIVE = { trading: "https://api.alpaca.markets", stream: "wss://api.alpaca.markets/stream" };

/** Hosts that trade real money; no other mode may name them. */
export const LIVE_HOSTS: readonly string[] = ["api.alpaca.markets"];

/** The URLs a run connects to: an override, else the vendor's for the mode; "" in sim mode, where the venue is embedded. */
export function endpointsOf(config: Config): Endpoints {
  const vendor = vendorEndpoints(config.mode);
  return {
    feedRest: config.feed.restUrl || vendor.feedRest,
    feedSocket: config.feed.socketUrl || vendor.feedSocket,
    trading: config.gateway.tradingUrl || vendor.trading,
    stream: config.gateway.streamUrl || vendor.stream,
  };
}

function vendorEndpoints(mode: Config["mode"]): Endpoints {
  if (mode === "live") return { ...FEED, ...LIVE };
  if (mode === "paper") return { ...FEED, ...PAPER };
  return { feedRest: "", feedSocket: "", trading: "", stream: "" };
}
