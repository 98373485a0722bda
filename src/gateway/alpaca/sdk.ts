// The vendor's SDK for everything that is not urgent: account, positions, open orders, assets, calendar. Loaded when first
// needed: importing it costs some 20 ms. Off the hot path.

import type { trading } from "@alpacahq/alpaca-trade-api/rest";
import { parseTicks } from "../../core/fixed-point.ts";
import { UserError } from "../../core/user-error.ts";
import type { DayOrder } from "../earlier-run.ts";
import type { AccountSnapshot, BrokerAsset, BrokerDay, BrokerOrder, BrokerPosition } from "../gateway.ts";
import { LIST_LIMIT } from "./transport.ts";

/** Wall-clock limit of a question that is not urgent, ms. */
const TIMEOUT_MS = 15_000;
/** Above this many symbols the whole list of assets is one request instead of many. */
const ASSETS_ONE_BY_ONE_MAX = 5;

export type SdkTrading = typeof trading;
export type SdkConfiguration = InstanceType<SdkTrading["Configuration"]>;

/** Begins to load the SDK, so that its milliseconds pass while other answers are awaited. A failure shows where it is used. */
export function preloadSdk(): void {
  import("@alpacahq/alpaca-trade-api/rest").catch(() => {});
}

/** The trading part of the SDK, and its configuration for a host. */
export async function loadSdk(
  url: URL,
  keyId: string,
  secret: string,
  timeoutMs: number,
): Promise<{ api: SdkTrading; configuration: SdkConfiguration }> {
  const { trading: api } = await import("@alpacahq/alpaca-trade-api/rest");
  const basePath = url.href.replace(/\/$/, "");
  return { api, configuration: new api.Configuration({ basePath, keyId, secret, timeoutMs }) };
}

export class SdkReader {
  /** Questions out and not answered. */
  inFlight = 0;
  readonly #url: URL;
  readonly #keyId: string;
  readonly #secret: string;
  #loaded: Promise<{ api: SdkTrading; configuration: SdkConfiguration }> | null = null;

  constructor(url: URL, keyId: string, secret: string) {
    this.#url = url;
    this.#keyId = keyId;
    this.#secret = secret;
  }

  account(): Promise<AccountSnapshot> {
    return this.#ask("the account", async (api, configuration) => {
      const account = await new api.AccountsApi(configuration).getAccount();
      return {
        accountNumber: account.accountNumber ?? "",
        cashTicks: amountTicks(account.cash, "cash of the account"),
        equityTicks: amountTicks(account.equity, "equity of the account"),
        buyingPowerTicks: amountTicks(account.buyingPower, "buying power of the account"),
        isShortingEnabled: account.shortingEnabled === true,
        isTradingBlocked:
          account.tradingBlocked === true || account.accountBlocked === true || account.tradeSuspendedByUser === true,
      };
    });
  }

  positions(): Promise<BrokerPosition[]> {
    return this.#ask("the positions", async (api, configuration) => {
      const positions = await new api.PositionsApi(configuration).getAllOpenPositions();
      return positions.map(({ symbol, qty, side, avgEntryPrice }) => {
        const shares = amount(qty, `quantity of the position in ${symbol}`);
        return {
          symbol,
          qty: side === "short" ? -Math.abs(shares) : shares,
          averageEntryPxTicks: amountTicks(avgEntryPrice, `entry price of the position in ${symbol}`),
        };
      });
    });
  }

  /** Every open order, legs included. */
  async openOrders(): Promise<BrokerOrder[]> {
    return (await this.#list("the open orders", "open", false)).map(brokerOrder);
  }

  /** Every order of a day, whatever became of it, with its legs. */
  async dayOrders(day: string): Promise<DayOrder[]> {
    const orders = await this.#list("the day's orders", "all", true, `${day}T00:00:00Z`);
    return orders.map((order) => ({ ...brokerOrder(order), legs: (order.legs ?? []).map(brokerOrder) }));
  }

  #list(what: string, status: "open" | "all", nested: boolean, afterIso?: string): Promise<ListedOrder[]> {
    return this.#ask(what, async (api, configuration) => {
      const orders = new api.OrdersApi(configuration);
      const found: ListedOrder[] = [];
      const seen = new Set<string>();
      let after = afterIso;
      for (;;) {
        const page = await orders.getAllOrdersRaw({
          status,
          limit: LIST_LIMIT,
          direction: "asc",
          nested,
          ...(after === undefined ? {} : { after }),
        });
        const wire = (await page.raw.json()) as ListedOrder[];
        const fresh = wire.filter(({ id }) => !seen.has(id ?? ""));
        for (const order of fresh) {
          seen.add(order.id ?? "");
          found.push(order);
        }
        if (wire.length < LIST_LIMIT || fresh.length === 0) return found;
        after = wire.at(-1)!.submitted_at;
      }
    });
  }

  async assets(symbols: readonly string[]): Promise<BrokerAsset[]> {
    if (symbols.length > ASSETS_ONE_BY_ONE_MAX) return this.#assetsAtOnce(symbols);
    return Promise.all(symbols.map((symbol) => this.#asset(symbol)));
  }

  calendar(fromDate: string, toDate: string): Promise<BrokerDay[]> {
    return this.#ask("the calendar", async (api, configuration) => {
      const days = await new api.CalendarApi(configuration).legacyCalendar({
        start: new Date(`${fromDate}T00:00:00Z`),
        end: new Date(`${toDate}T00:00:00Z`),
      });
      return days.map((day) => {
        const date = day.date.toISOString().slice(0, 10);
        return { date, openUs: newYorkUs(date, day.open), closeUs: newYorkUs(date, day.close) };
      });
    });
  }

  #assetsAtOnce(symbols: readonly string[]): Promise<BrokerAsset[]> {
    return this.#ask("the assets", async (api, configuration) => {
      const all = await new api.AssetsApi(configuration).getV2Assets({ status: "active", assetClass: "us_equity" });
      const bySymbol = new Map(all.map((asset) => [asset.symbol, asset]));
      return symbols.map((symbol) => {
        const asset = bySymbol.get(symbol);
        return { symbol, isTradable: asset?.tradable === true, isShortable: asset?.shortable === true };
      });
    });
  }

  #asset(symbol: string): Promise<BrokerAsset> {
    return this.#ask(`the asset ${symbol}`, async (api, configuration) => {
      try {
        const asset = await new api.AssetsApi(configuration).getV2AssetsSymbolOrAssetId({ symbolOrAssetId: symbol });
        return { symbol, isTradable: asset.tradable && asset.status === "active", isShortable: asset.shortable };
      } catch (error) {
        if ((error as { status?: number }).status === 404) return { symbol, isTradable: false, isShortable: false };
        throw error;
      }
    });
  }

  async #ask<T>(what: string, question: (api: SdkTrading, configuration: SdkConfiguration) => Promise<T>): Promise<T> {
    this.inFlight += 1;
    try {
      this.#loaded ??= loadSdk(this.#url, this.#keyId, this.#secret, TIMEOUT_MS);
      const { api, configuration } = await this.#loaded;
      return await question(api, configuration);
    } catch (error) {
      if (error instanceof UserError) throw error;
      throw brokerError(what, this.#url.host, error);
    } finally {
      this.inFlight -= 1;
    }
  }
}

function brokerError(what: string, host: string, error: unknown): UserError {
  const { status, message } = error as { status?: number; message?: string };
  if (isUnreadable(error)) {
    const remedy = "Check that [gateway] trading_url is the broker's, and the broker's status page.";
    return new UserError("failed", `${host} was asked for ${what}, and its answer cannot be read: ${message}`, remedy, {
      cause: error,
    });
  }
  if (status === undefined) {
    const remedy = "Check the network and [gateway] trading_url.";
    return new UserError("failed", `${host} was asked for ${what} and did not answer: ${message}`, remedy, {
      cause: error,
    });
  }
  const remedy =
    status === 401 || status === 403 ? "Check that the key belongs to this mode (paper and live differ)." : "";
  return new UserError("failed", `${host} was asked for ${what} and answered ${status}: ${message}`, remedy, {
    cause: error,
  });
}

/** True where the SDK has stumbled over an answer that is not of the form it expects. Errors of the network have a code. */
function isUnreadable(error: unknown): boolean {
  return error instanceof SyntaxError || (error instanceof TypeError && !("code" in error));
}

/** Fields of an order as the broker lists it. */
type ListedOrder = Record<string, string> & { readonly legs?: Record<string, string>[] | null };

function brokerOrder(wire: Record<string, string>): BrokerOrder {
  const symbol = wire.symbol ?? "";
  return {
    id: wire.id ?? "",
    clientOrderId: wire.client_order_id ?? "",
    symbol,
    side: wire.side === "sell" ? "sell" : "buy",
    status: wire.status ?? "",
    qty: wire.qty === null || wire.qty === undefined ? 0 : amount(wire.qty, `quantity of an order in ${symbol}`),
    filledQty: amount(wire.filled_qty ?? "0", `filled quantity of an order in ${symbol}`),
  };
}

/** A decimal of the broker's; UserError where it is not one. */
function amount(text: string | undefined, what: string): number {
  const value = text === undefined || text.trim() === "" ? Number.NaN : Number(text);
  if (Number.isFinite(value)) return value;
  throw new UserError("failed", `the broker's ${what} should be a number, was '${text}'`);
}

function amountTicks(text: string | undefined, what: string): number {
  const ticks = text === undefined ? Number.NaN : parseTicks(text);
  if (Number.isFinite(ticks)) return ticks;
  throw new UserError("failed", `the broker's ${what} should be an amount such as 123.45, was '${text}'`);
}

/** Epoch us of "09:30" New York time on a date. */
function newYorkUs(date: string, time: string): number {
  const local = Temporal.PlainDateTime.from(`${date}T${time}`);
  return local.toZonedDateTime("America/New_York").epochMilliseconds * 1000;
}
