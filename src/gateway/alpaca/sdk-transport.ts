// The order path over the vendor's SDK: slower, and proof against a fault of our own sockets. Same outcomes, same rules: the
// SDK never retries a POST, and an answer that does not come in time is ambiguous. Its own time-outs are off, because they
// leave a timer behind with every cancel; ours run on market time.

import { type Clock, monotonicNs } from "../../core/clock.ts";
import { formatTicks } from "../../core/fixed-point.ts";
import type { Timers } from "../../core/timers.ts";
import type { Instruments } from "../../market/instruments.ts";
import {
  ORDER_TYPE_LIMIT,
  ORDER_TYPE_MARKET,
  ORDER_TYPE_STOP,
  ORDER_TYPE_STOP_LIMIT,
  type OrderTable,
  SIDE_BUY,
} from "../../market/orders.ts";
import { formatClientOrderId } from "../client-order-id.ts";
import { loadSdk, type SdkTrading } from "./sdk.ts";
import {
  LIST_LIMIT,
  type OrderTransport,
  REQUEST_ASK_OURS,
  REQUEST_ASK_THEIRS,
  REQUEST_CANCEL,
  REQUEST_LIST,
  REQUEST_SUBMIT,
  type TransportHandler,
} from "./transport.ts";

/** As many as our own sockets hold. */
const IN_FLIGHT_MAX = 256;
const IN_FLIGHT_RESERVE = 64;

const TYPE_NAMES = {
  [ORDER_TYPE_MARKET]: "market",
  [ORDER_TYPE_LIMIT]: "limit",
  [ORDER_TYPE_STOP]: "stop",
  [ORDER_TYPE_STOP_LIMIT]: "stop_limit",
} as const;

type PostOrderRequest = Parameters<InstanceType<SdkTrading["OrdersApi"]>["postOrderRaw"]>[0]["postOrderRequest"];

export interface SdkTransportOptions {
  readonly url: URL;
  readonly keyId: string;
  readonly secret: string;
  readonly timeoutUs: number;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly orders: OrderTable;
  readonly instruments: Instruments;
  readonly idPrefix: string;
}

interface RawAnswer {
  readonly raw: Response;
}

export class SdkTransport implements OrderTransport {
  inFlight = 0;
  readonly reconnectCount = 0;
  isUp = false;
  readonly #o: SdkTransportOptions;
  readonly #handler: TransportHandler;
  #api: InstanceType<SdkTrading["OrdersApi"]> | null = null;

  constructor(options: SdkTransportOptions, handler: TransportHandler) {
    this.#o = options;
    this.#handler = handler;
  }

  async start(): Promise<void> {
    const { url, keyId, secret } = this.#o;
    const { api, configuration } = await loadSdk(url, keyId, secret, 0);
    this.#api = new api.OrdersApi(configuration);
    this.isUp = true;
  }

  stop(): void {
    this.isUp = false;
  }

  submit(row: number, isUrgent: boolean): boolean {
    if (!this.#hasRoom(isUrgent)) return false;
    const postOrderRequest = this.#request(row);
    this.#send(REQUEST_SUBMIT, row, (api) => api.postOrderRaw({ postOrderRequest }));
    this.#o.orders.tsSentNs[row] = monotonicNs();
    return true;
  }

  cancel(row: number): boolean {
    const orderId = this.#o.orders.brokerId[row]!;
    return this.#ask(REQUEST_CANCEL, row, (api) => api.deleteOrderByOrderIDRaw({ orderId }));
  }

  askOurs(row: number): boolean {
    const clientOrderId = this.#clientOrderId(row);
    return this.#ask(REQUEST_ASK_OURS, row, (api) => api.getOrderByClientOrderIdRaw({ clientOrderId }));
  }

  askTheirs(row: number): boolean {
    const orderId = this.#o.orders.brokerId[row]!;
    return this.#ask(REQUEST_ASK_THEIRS, row, (api) => api.getOrderByOrderIDRaw({ orderId, nested: true }));
  }

  list(afterIso: string): boolean {
    return this.#ask(REQUEST_LIST, -1, (api) =>
      api.getAllOrdersRaw({ status: "all", limit: LIST_LIMIT, direction: "asc", nested: true, after: afterIso }),
    );
  }

  #hasRoom(isUrgent: boolean): boolean {
    return this.inFlight < (isUrgent ? IN_FLIGHT_MAX : IN_FLIGHT_MAX - IN_FLIGHT_RESERVE);
  }

  #ask(kind: number, row: number, call: (api: InstanceType<SdkTrading["OrdersApi"]>) => Promise<RawAnswer>): boolean {
    if (!this.#hasRoom(true)) return false;
    this.#send(kind, row, call);
    return true;
  }

  #send(kind: number, row: number, call: (api: InstanceType<SdkTrading["OrdersApi"]>) => Promise<RawAnswer>): void {
    this.inFlight += 1;
    const sentNs = monotonicNs();
    let isOver = false;
    const end = (): boolean => {
      if (isOver) return false;
      isOver = true;
      this.inFlight -= 1;
      this.#o.timers.cancel(timer);
      return true;
    };
    const timer = this.#o.timers.at(this.#o.clock.nowUs() + this.#o.timeoutUs, () => {
      if (end()) this.#handler.onAmbiguous(kind, row, `no answer within ${this.#o.timeoutUs / 1000} ms`);
    });
    const answered = async (response: Response): Promise<void> => {
      const body = await response.text();
      if (end())
        this.#handler.onAnswer(kind, row, response.status, body, this.#waitSec(response), sentNs, monotonicNs());
    };
    call(this.#api!)
      .then(({ raw }) => answered(raw))
      .catch((error: { response?: Response; message?: string }) => {
        if (error.response !== undefined) return answered(error.response);
        if (end()) this.#handler.onAmbiguous(kind, row, error.message ?? "the request failed");
      })
      .catch((error: Error) => {
        if (end()) this.#handler.onAmbiguous(kind, row, error.message);
      });
  }

  #waitSec(response: Response): number {
    const retryAfter = response.headers.get("retry-after");
    if (retryAfter !== null) return Number(retryAfter);
    const reset = response.headers.get("x-ratelimit-reset");
    return reset === null ? Number.NaN : Number(reset) - this.#o.clock.nowUs() / 1e6;
  }

  #request(row: number): PostOrderRequest {
    const { orders, instruments } = this.#o;
    const type = orders.type[row] as keyof typeof TYPE_NAMES;
    const targetPxTicks = orders.bracketTargetPxTicks[row]!;
    const stopLossPxTicks = orders.bracketStopPxTicks[row]!;
    const isBracket = targetPxTicks > 0 && stopLossPxTicks > 0;
    const hasLimit = type === ORDER_TYPE_LIMIT || type === ORDER_TYPE_STOP_LIMIT;
    const hasStop = type === ORDER_TYPE_STOP || type === ORDER_TYPE_STOP_LIMIT;
    return {
      clientOrderId: this.#clientOrderId(row),
      symbol: instruments.symbols[orders.slot[row]!]!,
      side: orders.side[row] === SIDE_BUY ? "buy" : "sell",
      qty: String(orders.qty[row]),
      type: TYPE_NAMES[type],
      timeInForce: "day",
      ...(hasLimit ? { limitPrice: formatTicks(orders.limitPxTicks[row]!) } : {}),
      ...(hasStop ? { stopPrice: formatTicks(orders.stopPxTicks[row]!) } : {}),
      ...(isBracket
        ? {
            orderClass: "bracket" as const,
            takeProfit: { limitPrice: formatTicks(targetPxTicks) },
            stopLoss: { stopPrice: formatTicks(stopLossPxTicks) },
          }
        : {}),
    };
  }

  #clientOrderId(row: number): string {
    const { orders, instruments, idPrefix } = this.#o;
    return formatClientOrderId(idPrefix, instruments.symbols[orders.slot[row]!]!, orders.intentNumber[row]!);
  }
}
