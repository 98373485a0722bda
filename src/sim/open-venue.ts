// A venue for a recorded day, from the configuration: loads the day, the session before it and the VIX, and starts.

import type { Config } from "../config/schema.ts";
import { CALENDAR_YEAR_FIRST, previousTradingDay } from "../market/calendar.ts";
import { loadDayFromFolder, loadSampleDay, loadVixDaily } from "../market/sample.ts";
import { Venue, type VenueUrls } from "./venue.ts";

export interface VenueRequest {
  readonly sim: Config["sim"];
  readonly seed: number;
  readonly keyId: string;
  readonly secret: string;
  readonly polygonKey: string;
  readonly polygonPort: number;
  readonly alpacaPort: number;
}

export interface OpenVenue {
  readonly venue: Venue;
  readonly urls: VenueUrls;
}

/** Loads the days and starts the servers. Throws with file, line and remedy where the data or a port is bad. */
export async function openVenue(request: VenueRequest): Promise<OpenVenue> {
  const { sim } = request;
  const load = (date: string) => (sim.dataDir === "" ? loadSampleDay(date) : loadDayFromFolder(sim.dataDir, date));
  const day = await load(sim.day);
  const previousDay = await load(previousTradingDay(sim.day).date);
  const venue = new Venue({
    day,
    previousDay,
    // The series goes back to 1990, the trading calendar does not.
    vixDaily: loadVixDaily().filter(({ date }) => date >= `${CALENDAR_YEAR_FIRST}`),
    seed: request.seed,
    speed: sim.speed,
    keyId: request.keyId,
    secret: request.secret,
    polygonKey: request.polygonKey,
    polygonPort: request.polygonPort,
    alpacaPort: request.alpacaPort,
    cashUsd: sim.cashUsd,
    feedIntervalMs: sim.feedIntervalMs,
    orderLatencyMs: sim.orderLatencyMs,
    answerLatencyMs: sim.answerLatencyMs,
    tradesPerMinuteMax: sim.tradesPerMinuteMax,
    spreadMinBps: sim.spreadMinBps,
  });
  return { venue, urls: venue.start() };
}
