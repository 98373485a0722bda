// What every gateway must do, whatever carries its orders: run over each transport, against a real server.

import { afterEach, describe, expect, test } from "bun:test";
import { AlpacaGateway, type AlpacaGatewayOptions } from "../../src/gateway/alpaca/alpaca-gateway.ts";
import {
  type BrokerDay,
  EXECUTION_ACCEPTED,
  EXECUTION_CANCEL_REJECTED,
  EXECUTION_CANCELED,
  EXECUTION_FILL,
  EXECUTION_REJECTED,
  EXECUTION_WORKING,
  GATEWAY_NOT_CANCELABLE,
  GATEWAY_NOT_CONNECTED,
  GATEWAY_OK,
} from "../../src/gateway/gateway.ts";
import { INSTRUMENT_CAPACITY } from "../../src/market/instruments.ts";
import {
  isTerminal,
  ORDER_ROLE_ENTRY,
  ORDER_ROLE_EXIT,
  ORDER_ROLE_STOP,
  ORDER_ROLE_TARGET,
  ORDER_STATUS_ACCEPTED,
  ORDER_STATUS_CANCELED,
  ORDER_STATUS_FILLED,
  ORDER_STATUS_IN_FLIGHT,
  ORDER_STATUS_PENDING_CANCEL,
  ORDER_STATUS_REJECTED,
  ORDER_STATUS_WORKING,
  ORDER_TYPE_LIMIT,
  ORDER_TYPE_MARKET,
  SIDE_BUY,
  SIDE_SELL,
} from "../../src/market/orders.ts";
import {
  type GatewayParts,
  gatewayParts,
  TEST_DAY,
  type ToldExecution,
  takeExecutions,
} from "../support/gateway-parts.ts";
import { BrokerServerWorld, KEY_ID, SECRET } from "../support/sim-broker-server.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";

const SPY = 0;
const UNKNOWN = 2;

/** A gateway, the broker it talks to, and one market time for both. */
class World {
  readonly broker = new BrokerServerWorld();
  /** The wires to the broker. */
  readonly requestWire = new TcpProxy(Number(new URL(this.broker.restUrl).port));
  readonly streamWire = new TcpProxy(Number(new URL(this.broker.restUrl).port));
  readonly parts: GatewayParts = gatewayParts(["SPY", "QQQ", "NOWHERE"]);
  readonly gateway: AlpacaGateway;

  constructor(options: Partial<AlpacaGatewayOptions>) {
    this.gateway = this.newGateway(this.parts, options);
  }

  /** Another process of gyr at the same broker. */
  newGateway(parts: GatewayParts, options: Partial<AlpacaGatewayOptions>): AlpacaGateway {
    parts.clock.advanceTo(this.broker.timeline.nowUs);
    const gateway = new AlpacaGateway({
      ...parts,
      tradingUrl: `http://127.0.0.1:${this.requestWire.port}`,
      streamUrl: `ws://127.0.0.1:${this.streamWire.port}/stream`,
      keyId: KEY_ID,
      secret: SECRET,
      transport: "socket",
      connections: 1,
      timeoutMs: 5_000,
      day: TEST_DAY,
      strategyTag: "m1",
      isDeferred: true,
      ...options,
    });
    gateways.push(gateway);
    return gateway;
  }

  /** Lets answers and frames arrive until something holds. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise((resolve) => setImmediate(resolve));
  }

  /** Market time passes until everything under way has happened and has had its effect here. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 3; turn++) {
      await this.until(() => this.gateway.requestsInFlight === 0);
      this.broker.settle();
      await this.until(() => this.gateway.streamFrames >= this.broker.server.framesSent);
      this.parts.advanceUs(this.broker.timeline.nowUs - this.parts.clock.nowUs());
      this.gateway.applyPending();
    }
    await this.until(() => this.gateway.requestsInFlight === 0);
  }

  entry(qty: number, more: { limitPxTicks?: number; bracket?: boolean; slot?: number } = {}): number {
    const { orders } = this.parts;
    const row = orders.open(more.slot ?? SPY, SIDE_BUY, ORDER_ROLE_ENTRY, qty);
    orders.type[row] = more.limitPxTicks === undefined ? ORDER_TYPE_MARKET : ORDER_TYPE_LIMIT;
    orders.limitPxTicks[row] = more.limitPxTicks ?? 0;
    if (more.bracket === true) {
      orders.bracketTargetPxTicks[row] = 1_020_000;
      orders.bracketStopPxTicks[row] = 990_000;
    }
    return row;
  }

  /** Executions of one order since the last look. */
  told(row: number): ToldExecution[] {
    return takeExecutions(this.parts).filter((execution) => execution.row === row);
  }
}

const gateways: AlpacaGateway[] = [];
let world: World;

/** Runs the suite for gateways made with these options. */
export function gatewaySuite(name: string, options: Partial<AlpacaGatewayOptions>): void {
  describe(name, () => {
    afterEach(async () => {
      for (const gateway of gateways.splice(0)) await gateway.stop();
      world.requestWire.stop();
      world.streamWire.stop();
      await world.broker.stop();
      expect(world.broker.internalErrors).toEqual([]);
    });

    async function started(): Promise<World> {
      world = new World(options);
      await world.gateway.start();
      return world;
    }

    test("a bracket is accepted, fills, and its legs are known by role and price", async () => {
      const { gateway, parts } = await started();
      const row = world.entry(10, { bracket: true });
      expect(gateway.submit(row)).toBe(GATEWAY_OK);
      expect(gateway.requestsInFlight).toBe(1);
      await world.settle();
      const { orders } = parts;
      expect(orders.status[row]).toBe(ORDER_STATUS_FILLED);
      expect(orders.filledQty[row]).toBe(10);
      expect(orders.clientOrderId[row]).toBe("gyr-20191218-m1-SPY-0");
      expect(orders.tsAckNs[row]).toBeGreaterThan(orders.tsSentNs[row]!);
      const legs = [row + 1, row + 2];
      expect(legs.map((leg) => orders.parentRow[leg])).toEqual([row, row]);
      const target = legs.find((leg) => orders.role[leg] === ORDER_ROLE_TARGET)!;
      const stop = legs.find((leg) => orders.role[leg] === ORDER_ROLE_STOP)!;
      expect([orders.side[target], orders.qty[target], orders.limitPxTicks[target]]).toEqual([
        SIDE_SELL,
        10,
        1_020_000,
      ]);
      expect([orders.side[stop], orders.qty[stop], orders.stopPxTicks[stop]]).toEqual([SIDE_SELL, 10, 990_000]);
      expect(orders.status[target]).toBe(ORDER_STATUS_WORKING);
      const kinds = world.told(row).map(({ kind }) => kind);
      expect(kinds.filter((kind) => kind === EXECUTION_ACCEPTED)).toHaveLength(1);
      expect(kinds.at(-1)).toBe(EXECUTION_FILL);
    });

    test("when the target fills, the position is closed and the stop ends with it", async () => {
      const { gateway, parts, broker } = await started();
      const row = world.entry(10, { bracket: true });
      gateway.submit(row);
      await world.settle();
      takeExecutions(parts);
      broker.market.quote("SPY", 103, 103.02);
      await world.settle();
      const { orders } = parts;
      const target = orders.role[row + 1] === ORDER_ROLE_TARGET ? row + 1 : row + 2;
      const stop = 2 * row + 3 - target;
      expect([orders.status[target], orders.status[stop]]).toEqual([ORDER_STATUS_FILLED, ORDER_STATUS_CANCELED]);
      expect(orders.filledQty[target]).toBe(10);
      expect(orders.filledNotionalTicks[target]).toBeGreaterThanOrEqual(10 * 1_020_000);
      expect(await gateway.positions()).toEqual([]);
    });

    test("flattening cancels the legs, waits, then sells what is held", async () => {
      const { gateway, parts } = await started();
      const row = world.entry(10, { bracket: true });
      gateway.submit(row);
      await world.settle();
      expect(gateway.cancelLegs(row)).toBe(2);
      await world.settle();
      expect(gateway.cancelLegs(row)).toBe(0);
      const { orders } = parts;
      expect([orders.status[row + 1], orders.status[row + 2]]).toEqual([ORDER_STATUS_CANCELED, ORDER_STATUS_CANCELED]);
      const exit = orders.open(SPY, SIDE_SELL, ORDER_ROLE_EXIT, 10);
      orders.type[exit] = ORDER_TYPE_MARKET;
      expect(gateway.submit(exit)).toBe(GATEWAY_OK);
      await world.settle();
      expect(orders.status[exit]).toBe(ORDER_STATUS_FILLED);
      expect(orders.clientOrderId[exit]).toBe("gyr-20191218-m1-SPY-1");
      expect(await gateway.positions()).toEqual([]);
    });

    test("a resting order is canceled, and the cancel is told once", async () => {
      const { gateway, parts } = await started();
      const row = world.entry(5, { limitPxTicks: 900_000 });
      expect(gateway.cancel(row)).toBe(GATEWAY_NOT_CANCELABLE);
      gateway.submit(row);
      await world.settle();
      expect(parts.orders.status[row]).toBe(ORDER_STATUS_WORKING);
      expect(gateway.cancel(row)).toBe(GATEWAY_OK);
      expect(parts.orders.status[row]).toBe(ORDER_STATUS_PENDING_CANCEL);
      expect(gateway.cancel(row)).toBe(GATEWAY_OK);
      await world.settle();
      expect(parts.orders.status[row]).toBe(ORDER_STATUS_CANCELED);
      expect(world.told(row).map(({ kind }) => kind)).toEqual([
        EXECUTION_ACCEPTED,
        EXECUTION_WORKING,
        EXECUTION_CANCELED,
      ]);
      expect(gateway.cancel(row)).toBe(GATEWAY_NOT_CANCELABLE);
    });

    test("a cancel that comes too late is refused, and the fill counts", async () => {
      const { gateway, parts, broker } = await started();
      const row = world.entry(5);
      gateway.submit(row);
      await world.until(() => gateway.requestsInFlight === 0);
      expect(parts.orders.status[row]).toBe(ORDER_STATUS_ACCEPTED);
      // The broker fills; its news is under way when we ask for the cancel.
      broker.settle();
      expect(gateway.cancel(row)).toBe(GATEWAY_OK);
      await world.settle();
      expect(parts.orders.status[row]).toBe(ORDER_STATUS_FILLED);
      const told = world.told(row);
      // Where the fill is heard of first the refusal changes nothing and need not be told.
      expect(told.filter(({ kind }) => kind === EXECUTION_CANCEL_REJECTED).length).toBeLessThanOrEqual(1);
      expect(told.filter(({ kind }) => kind === EXECUTION_FILL).reduce((sum, { qty }) => sum + qty, 0)).toBe(5);
    });

    test.each([
      ["too dear", { qty: 50_000, slot: SPY, says: "insufficient buying power" }],
      ["of an unknown symbol", { qty: 1, slot: UNKNOWN, says: "not found" }],
    ])("an order %s is rejected with the broker's words", async (_what, { qty, slot, says }) => {
      const { gateway, parts } = await started();
      const row = world.entry(qty, { slot });
      gateway.submit(row);
      await world.settle();
      expect(parts.orders.status[row]).toBe(ORDER_STATUS_REJECTED);
      const told = world.told(row);
      expect(told.map(({ kind }) => kind)).toEqual([EXECUTION_REJECTED]);
      expect(told[0]!.reason).toContain(says);
    });

    test("the same intent from a restarted process trades once, and both know the order", async () => {
      const { gateway, broker } = await started();
      const row = world.entry(10, { bracket: true });
      gateway.submit(row);
      await world.settle();
      const parts = gatewayParts(["SPY", "QQQ", "NOWHERE"]);
      const second = world.newGateway(parts, options);
      await second.start();
      const again = parts.orders.open(SPY, SIDE_BUY, ORDER_ROLE_ENTRY, 10);
      parts.orders.type[again] = ORDER_TYPE_MARKET;
      parts.orders.bracketTargetPxTicks[again] = 1_020_000;
      parts.orders.bracketStopPxTicks[again] = 990_000;
      second.submit(again);
      await world.until(() => second.requestsInFlight === 0 && isTerminal(parts.orders.status[again]!));
      await world.until(() => second.requestsInFlight === 0 && parts.orders.count === 3);
      expect(parts.orders.status[again]).toBe(ORDER_STATUS_FILLED);
      expect(parts.orders.filledQty[again]).toBe(10);
      expect(parts.orders.brokerId[again]).toBe(world.parts.orders.brokerId[row]!);
      expect(broker.server.exchange.orders).toHaveLength(3);
    });

    test("an answer lost after the order arrived: the order is found by its id and not sent again", async () => {
      const { gateway, parts, broker } = await started();
      world.requestWire.isDeaf = true;
      const row = world.entry(10, { bracket: true });
      gateway.submit(row);
      await world.until(() => broker.server.exchange.orders.length === 3);
      expect(parts.orders.status[row]).toBe(ORDER_STATUS_IN_FLIGHT);
      world.requestWire.isDeaf = false;
      world.requestWire.cut();
      await world.until(() => gateway.counters.ambiguous > 0);
      await world.settle();
      expect(parts.orders.status[row]).toBe(ORDER_STATUS_FILLED);
      expect(parts.orders.count).toBe(3);
      expect(
        world
          .told(row)
          .filter(({ kind }) => kind === EXECUTION_FILL)
          .reduce((sum, { qty }) => sum + qty, 0),
      ).toBe(10);
      expect(broker.server.exchange.orders).toHaveLength(3);
    });

    test("an answer that does not come in time: the same, and the late one changes nothing", async () => {
      const { gateway, parts, broker } = await started();
      world.requestWire.isDeaf = true;
      const row = world.entry(10);
      gateway.submit(row);
      await world.until(() => broker.server.exchange.orders.length === 1);
      parts.advanceUs(5_000_000);
      expect(gateway.counters.ambiguous).toBe(1);
      world.requestWire.isDeaf = false;
      world.requestWire.cut();
      for (let turn = 0; turn < 4; turn++) {
        await world.until(() => gateway.requestsInFlight === 0);
        parts.advanceUs(1_000_000);
      }
      await world.settle();
      expect(parts.orders.status[row]).toBe(ORDER_STATUS_FILLED);
      expect(broker.server.exchange.orders).toHaveLength(1);
    });

    test("fills that happen while the stream is down are known when it is back", async () => {
      const { gateway, parts, broker } = await started();
      const row = world.entry(10, { bracket: true });
      gateway.submit(row);
      await world.settle();
      takeExecutions(parts);
      const statuses: boolean[] = [];
      gateway.onStatus = (isUp) => statuses.push(isUp);
      world.streamWire.cut();
      broker.market.quote("SPY", 103, 103.02);
      broker.settle();
      await world.until(() => statuses.length === 2);
      expect([gateway.isUp, gateway.requestsInFlight]).toEqual([true, 0]);
      const { orders } = parts;
      const target = orders.role[row + 1] === ORDER_ROLE_TARGET ? row + 1 : row + 2;
      expect(orders.status[target]).toBe(ORDER_STATUS_FILLED);
      const fills = world.told(target).filter(({ kind }) => kind === EXECUTION_FILL);
      expect(fills.reduce((sum, { qty }) => sum + qty, 0)).toBe(10);
      expect(statuses).toEqual([false, true]);
      expect(gateway.counters.reconnects).toBe(1);
    });

    test("account, assets and calendar come typed, in ticks and microseconds", async () => {
      const { gateway } = await started();
      expect(await gateway.account()).toMatchObject({
        cashTicks: 1_000_000_000,
        equityTicks: 1_000_000_000,
        buyingPowerTicks: 2_000_000_000,
        isShortingEnabled: true,
        isTradingBlocked: false,
      });
      const wanted = ["SPY", "NOWHERE"];
      expect(await gateway.assets(wanted)).toEqual([
        { symbol: "SPY", isTradable: true, isShortable: true },
        { symbol: "NOWHERE", isTradable: false, isShortable: false },
      ]);
      const many = await gateway.assets(["A", "B", "C", "D", "E", "SPY"]);
      expect(many.map(({ isTradable }) => isTradable)).toEqual([false, false, false, false, false, true]);
      expect(await gateway.calendar("2019-12-18", "2019-12-24")).toEqual([
        day("2019-12-18", "14:30", "21:00"),
        day("2019-12-19", "14:30", "21:00"),
        day("2019-12-20", "14:30", "21:00"),
        day("2019-12-23", "14:30", "21:00"),
        day("2019-12-24", "14:30", "18:00"),
      ]);
    });

    test("reconciles: clean when all agree, foreign things only counted, disagreement in words", async () => {
      const { gateway, broker } = await started();
      const row = world.entry(10, { bracket: true });
      gateway.submit(row);
      await world.settle();
      const held = new Float64Array(INSTRUMENT_CAPACITY);
      held[SPY] = 10;
      expect(await gateway.reconcile(held)).toEqual({
        isClean: true,
        foreignOrders: 0,
        foreignPositions: 0,
        problems: [],
      });

      await broker.order({ symbol: "QQQ", qty: "3", client_order_id: "somebody-else" });
      await broker.order({ symbol: "QQQ", qty: "1", type: "limit", limit_price: "150", client_order_id: "resting" });
      await world.settle();
      expect(await gateway.reconcile(held)).toEqual({
        isClean: true,
        foreignOrders: 1,
        foreignPositions: 1,
        problems: [],
      });

      held[SPY] = 7;
      held[UNKNOWN] = -2;
      await broker.order({
        symbol: "QQQ",
        qty: "1",
        type: "limit",
        limit_price: "150",
        client_order_id: "gyr-20191217-m1-QQQ-3",
      });
      const found = await gateway.reconcile(held);
      expect(found.isClean).toBe(false);
      expect(found.problems).toEqual([
        "SPY: gyr holds 7 shares, the broker 10",
        "NOWHERE: gyr holds -2 shares, the broker none",
        "QQQ: order gyr-20191217-m1-QQQ-3 of an earlier run of gyr is open at the broker",
      ]);
    });

    test("a broker that cannot be asked is an error, not a flat account", async () => {
      const { gateway, broker } = await started();
      await broker.stop();
      await expect(gateway.reconcile(new Float64Array(INSTRUMENT_CAPACITY))).rejects.toThrow("did not answer");
    });

    test("a stopped gateway sends nothing", async () => {
      const { gateway, broker } = await started();
      await gateway.stop();
      const row = world.entry(1);
      expect(gateway.submit(row)).toBe(GATEWAY_NOT_CONNECTED);
      expect(broker.server.exchange.orders).toHaveLength(0);
    });
  });
}

function day(date: string, open: string, close: string): BrokerDay {
  const us = (time: string): number => Date.parse(`${date}T${time}:00Z`) * 1000;
  return { date, openUs: us(open), closeUs: us(close) };
}
