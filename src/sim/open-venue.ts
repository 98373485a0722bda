// A venue for a recorded day, from the configuration: loads the day, the session before it and the VIX, and starts.

import type { Config } from "../config/schema.ts";
import { CALENDAR_YEAR_FIRST } from "../market/calendar.ts";
import { type ParsedDay, qualityNote } from "../market/flat-file-parse.ts";
import { loadDay, loadVixDaily, NoRecordedDayError, previousSessionDate } from "../market/sample.ts";
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
  /** Sentences for the user: what of the recorded days was left out or put right. */
  readonly notes: readonly string[];
}

/** Loads the days and starts the servers. Throws with file, line and remedy where the data or a port is bad. */
export async function openVenue(request: VenueRequest): Promise<OpenVenue> {
  const { sim } = request;
  const day = await loadDay(sim.dataDir, sim.day);
  const previousDay = await loadSessionBefore(sim.dataDir, sim.day);
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
  const notes = [previousDay, day].map(qualityNote).filter((note) => note !== "");
  return { venue, urls: venue.start(), notes };
}

async function loadSessionBefore(dataDir: string, date: string): Promise<ParsedDay> {
  try {
    return await loadDay(dataDir, previousSessionDate(date));
  } catch (error) {
    if (!(error instanceof NoRecordedDayError)) throw error;
    throw new NoRecordedDayError(`to trade ${date} the session before it is needed: ${error.message}`);
  }
}
