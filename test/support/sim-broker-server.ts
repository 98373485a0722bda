// The broker's server on a free port over a scripted market, in the middle of a session. Market time moves when told.

import { AlpacaServer, type AlpacaServerOptions } from "../../src/sim/broker/alpaca-server.ts";
import { Timeline } from "../../src/sim/timeline.ts";
import { ScriptedMarket } from "./scripted-market.ts";
import { DAY, LATENCY_MS, MINUTE_US } from "./sim-broker-world.ts";

export const KEY_ID = "PKTEST";
export const SECRET = "a-secret";
export const ANSWER_LATENCY_MS = 10;

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: bodies are looked into field by field
  readonly body: any;
}

export class BrokerServerWorld {
  readonly timeline: Timeline;
  readonly market: ScriptedMarket;
  readonly server: AlpacaServer;
  readonly restUrl: string;
  readonly streamUrl: string;
  readonly internalErrors: unknown[] = [];

  constructor(options: Partial<AlpacaServerOptions> = {}, startUs = DAY.openUs + 60 * MINUTE_US) {
    this.timeline = new Timeline(startUs);
    this.market = new ScriptedMarket(this.timeline, { QQQ: 200, SPY: 99, TINY: 0.5 });
    this.server = new AlpacaServer({
      timeline: this.timeline,
      market: this.market,
      day: DAY,
      port: 0,
      keyId: KEY_ID,
      secret: SECRET,
      seed: 7,
      cashUsd: 100_000,
      orderLatencyMs: LATENCY_MS,
      answerLatencyMs: ANSWER_LATENCY_MS,
      onInternalError: (error) => this.internalErrors.push(error),
      ...options,
    });
    this.market.quote("SPY", 100, 100.02);
    this.market.quote("QQQ", 200, 200.02);
    const { restUrl, streamUrl } = this.server.start();
    this.restUrl = restUrl;
    this.streamUrl = streamUrl;
  }

  /** Lets market time pass. */
  pass(ms: number): void {
    this.timeline.advanceTo(this.timeline.nowUs + ms * 1_000);
  }

  /** Lets everything under way happen and be told. */
  settle(): void {
    this.pass(LATENCY_MS + ANSWER_LATENCY_MS);
  }

  async ask(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Reply> {
    const response = await fetch(this.restUrl + path, {
      method,
      headers: { "APCA-API-KEY-ID": KEY_ID, "APCA-API-SECRET-KEY": SECRET, ...headers },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, body: text === "" ? null : JSON.parse(text) };
  }

  /** Submits an order that must be taken; `body` over a market buy of 10 SPY. */
  // biome-ignore lint/suspicious/noExplicitAny: an order as JSON
  async order(body: object = {}): Promise<any> {
    const base = { symbol: "SPY", side: "buy", type: "market", time_in_force: "day", qty: "10" };
    const reply = await this.ask("POST", "/v2/orders", { ...base, ...body });
    if (reply.status !== 200) throw new Error(`refused: ${reply.status} ${reply.text}`);
    return reply.body;
  }

  async stop(): Promise<void> {
    await this.server.stop();
  }
}
