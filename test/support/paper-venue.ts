// A `gyr sim` in a process of its own and the configuration with which a `gyr run` in paper mode trades against it.

import { GyrProcess, type TestFolder } from "./gyr-process.ts";

export interface VenueLine {
  readonly polygonRest: string;
  readonly polygonWs: string;
  readonly alpacaRest: string;
  readonly alpacaWs: string;
  readonly keyId: string;
  readonly secret: string;
}

/** What the venue says of an order, as far as the tests look. */
export interface VenueOrder {
  readonly id: string;
  readonly client_order_id: string;
  readonly symbol: string;
  readonly side: "buy" | "sell";
  readonly status: string;
  readonly type: string;
  readonly order_class: string;
  readonly filled_at: string | null;
  readonly qty: string;
  readonly filled_qty: string;
  readonly submitted_at: string;
  readonly legs: readonly VenueOrder[] | null;
}

export class PaperVenue {
  readonly line: VenueLine;
  readonly process: GyrProcess;

  private constructor(process: GyrProcess, line: VenueLine) {
    this.process = process;
    this.line = line;
  }

  static async open(folder: TestFolder, args: readonly string[], toml = ""): Promise<PaperVenue> {
    const config = folder.write("venue.toml", toml);
    const process = new GyrProcess(["sim", "--json", "--config", config, ...args], { cwd: folder.path });
    await process.until("}\n");
    return new PaperVenue(process, JSON.parse(process.stdout.split("\n")[0]!) as VenueLine);
  }

  /** Control channel. */
  get clockUrl(): string {
    return `${this.line.alpacaRest.replace("http:", "ws:")}/sim/clock`;
  }

  /** Environment with the venue's keys. */
  get keys(): Record<string, string> {
    const { keyId, secret } = this.line;
    return { ALPACA_KEY_ID: keyId, ALPACA_SECRET_KEY: secret, POLYGON_API_KEY: keyId };
  }

  /** Configuration that names this venue, or proxies in its place. */
  toml(over: { readonly feed?: string; readonly orders?: string; readonly more?: string } = {}): string {
    const { polygonRest, polygonWs, alpacaRest } = this.line;
    const orders = over.orders ?? new URL(alpacaRest).host;
    return `mode = "paper"
[feed]
rest_url = "${polygonRest}"
socket_url = "${over.feed ?? polygonWs}"
[gateway]
trading_url = "http://${orders}"
stream_url = "ws://${orders}/stream"
connections = 1
${over.more ?? ""}
`;
  }

  /** Every order of the venue, legs included, straight from it. */
  async orders(): Promise<VenueOrder[]> {
    const nested = await this.#get<VenueOrder[]>("/v2/orders?status=all&limit=500&direction=asc&nested=true");
    return nested.flatMap((order) => [order, ...(order.legs ?? [])]);
  }

  /** Shares held, by symbol; nothing where flat. */
  async positions(): Promise<Record<string, number>> {
    const positions = await this.#get<{ symbol: string; qty: string }[]>("/v2/positions");
    return Object.fromEntries(positions.map(({ symbol, qty }) => [symbol, Number(qty)]));
  }

  async close(): Promise<void> {
    this.process.kill("SIGTERM");
    await this.process.end();
  }

  async #get<T>(path: string): Promise<T> {
    const { alpacaRest, keyId, secret } = this.line;
    const headers = { "APCA-API-KEY-ID": keyId, "APCA-API-SECRET-KEY": secret };
    const answer = await fetch(`${alpacaRest}${path}`, { headers });
    if (!answer.ok) throw new Error(`the venue answered ${answer.status} to ${path}`);
    return (await answer.json()) as T;
  }
}
