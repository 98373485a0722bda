// Suite `inference`: the forward pass on the CPU, from raw rows to a prediction: one window in full, a new bar and a tick inside the
// bar incrementally, a hundred stocks with a new bar each. Beside it onnxruntime on one thread, on the graph exported from the same
// model, in the same run and in turns. Correctness first: everything that is timed must agree with the float64 reference.
// onnxruntime is no part of the executable; there its figures are missing.

import { do_not_optimize, measure } from "mitata";
import { Prng } from "../../src/core/prng.ts";
import { FEATURE_COUNT, OUTPUT_STRIDE, WINDOW_BARS, WINDOW_ELEMS } from "../../src/inference/engine.ts";
import { loadModelByName, type Model } from "../../src/inference/model-file.ts";
import { ReferenceEngine } from "../../src/inference/reference/forward-pass.ts";
import { WasmEngine } from "../../src/inference/wasm/forward-pass.ts";
import { cpuNs, type SuiteSize } from "../size.ts";
import { OnnxPeer } from "./onnx-peer.ts";

/** As many as are traded: what is kept of them, 6.5 MB, leaves the nearer caches as it does in trading. */
const STOCKS = 100;
/** Bars of each stock, round and round; the last window is the first. */
const TAPE_BARS = 250;
const TAPE_ELEMS = TAPE_BARS * FEATURE_COUNT;
const TOLERANCE = 2e-5;
const MIN_CPU_NS = 1e9;
/** Full passes, onnxruntime and incremental passes take turns, so that a busy neighbour hits all of them. */
const ROUNDS = 10;

export async function run(size: SuiteSize = "full"): Promise<Record<string, number>> {
  const model = await loadModelByName("untrained");
  const stocks = new Stocks(await WasmEngine.create(model), tapes(model));
  const peer = await OnnxPeer.load(model);
  await checkAnswers(stocks, new ReferenceEngine(model), peer);

  const best: Record<string, number> = {};
  const options = { min_cpu_time: cpuNs(size, MIN_CPU_NS / ROUNDS) };
  /** The best of the rounds: what the machine takes when it is left alone. */
  const record = (name: string, ns: number) => {
    best[name] = Math.min(best[name] ?? Number.POSITIVE_INFINITY, ns / 1e3);
  };
  for (let round = 0; round < (size === "full" ? ROUNDS : 1); round++) {
    const full = await measure(() => do_not_optimize(stocks.full()), options);
    record("wasmFullP50Us", full.p50);
    record("wasmFullP99Us", full.p99);
    if (peer !== null)
      record("ortP50Us", await peer.p50Ns(stocks.tape, stocks.offsets().slice(0, 1), options.min_cpu_time));
    const bar = await measure(() => do_not_optimize(stocks.bar()), options);
    record("wasmBarP50Us", bar.p50);
    record("wasmBarP99Us", bar.p99);
    const tick = await measure(() => do_not_optimize(stocks.tick()), options);
    record("wasmTickP50Us", tick.p50);
    record("wasmTickP99Us", tick.p99);
    const universe = await measure(() => do_not_optimize(stocks.universeBar()), options);
    record("universe100BarP50Us", universe.p50);
    record("universe100BarP99Us", universe.p99);
    if (peer !== null) record("ort100P50Us", await peer.p50Ns(stocks.tape, stocks.offsets(), options.min_cpu_time));
    const universeFull = await measure(() => do_not_optimize(stocks.universeFull()), options);
    record("universe100FullP50Us", universeFull.p50);
  }
  if (peer !== null) {
    best.wasmFullOrtRatio = best.wasmFullP50Us! / best.ortP50Us!;
    best.wasmBarOrtRatio = best.wasmBarP50Us! / best.ortP50Us!;
    best.wasmTickOrtRatio = best.wasmTickP50Us! / best.ortP50Us!;
    best.universe100OrtRatio = best.universe100BarP50Us! / best.ort100P50Us!;
    await peer.close();
  }
  return best;
}

/** Stocks that go through their tapes, all at the same bar. */
class Stocks {
  readonly tape: Float32Array;
  readonly out = new Float32Array(STOCKS * OUTPUT_STRIDE);
  readonly #engine: WasmEngine;
  readonly #offsets = new Int32Array(STOCKS);
  readonly #one = new Int32Array(1);
  readonly #prediction = new Float32Array(OUTPUT_STRIDE);
  #bar = 0;
  #revision = 1;
  #next = 0;
  /** Of the one stock that `bar` follows: its own, and far from those of the universe. */
  #oneBar = 0;
  #oneRevision = 1;

  constructor(engine: WasmEngine, tape: Float32Array) {
    this.tape = tape;
    this.#engine = engine;
    for (let stock = 0; stock < STOCKS; stock++) engine.prepare(stock, this.#revision, tape, stock * TAPE_ELEMS);
    engine.prepare(STOCKS, this.#oneRevision, tape, 0);
  }

  /** One window in full, another each time. */
  full(): number {
    this.#next = this.#next === STOCKS - 1 ? 0 : this.#next + 1;
    this.#one[0] = this.#next * TAPE_ELEMS;
    this.#engine.predict(this.tape, this.#one, 1, this.#prediction);
    return this.#prediction[0]!;
  }

  /** One new bar of one stock, all of its work: what is done before the row is known, and what after. */
  bar(): number {
    this.#oneBar = this.#oneBar === TAPE_BARS - WINDOW_BARS ? 1 : this.#oneBar + 1;
    this.#oneRevision += 1;
    const offset = this.#oneBar * FEATURE_COUNT;
    this.#engine.predictPrepared(STOCKS, this.#oneRevision, this.tape, offset, this.#prediction);
    this.#engine.prepare(STOCKS, this.#oneRevision, this.tape, offset);
    return this.#prediction[0]!;
  }

  /** A tick inside the bar of one stock, another stock and another row each time. */
  tick(): number {
    this.#next = this.#next === STOCKS - 1 ? 0 : this.#next + 1;
    const offset = this.#next * TAPE_ELEMS + this.#bar * FEATURE_COUNT;
    const rowOffset = (this.#next * 17 + 3) * FEATURE_COUNT;
    this.#engine.predictForming(this.#next, this.#revision, this.tape, offset, this.tape, rowOffset, this.#prediction);
    return this.#prediction[0]!;
  }

  /** A new bar for every stock, all of its work. */
  universeBar(): number {
    this.#bar = this.#bar === TAPE_BARS - WINDOW_BARS ? 1 : this.#bar + 1;
    this.#revision += 1;
    for (let stock = 0; stock < STOCKS; stock++) {
      const offset = stock * TAPE_ELEMS + this.#bar * FEATURE_COUNT;
      this.#engine.predictPrepared(stock, this.#revision, this.tape, offset, this.#prediction);
      this.#engine.prepare(stock, this.#revision, this.tape, offset);
      const to = stock * OUTPUT_STRIDE;
      for (let i = 0; i < OUTPUT_STRIDE; i++) this.out[to + i] = this.#prediction[i]!;
    }
    return this.out[0]!;
  }

  /** The windows of all stocks in full. */
  universeFull(): number {
    this.#engine.predict(this.tape, this.offsets(), STOCKS, this.out);
    return this.out[0]!;
  }

  offsets(): Int32Array {
    for (let stock = 0; stock < STOCKS; stock++) {
      this.#offsets[stock] = stock * TAPE_ELEMS + this.#bar * FEATURE_COUNT;
    }
    return this.#offsets;
  }
}

/** Standard normal features around the model's means. */
function tapes(model: Model): Float32Array {
  const prng = Prng.stream(1, "bench.inference");
  const mean = model.tensors["input.mean"];
  const std = model.tensors["input.std"];
  const tape = Float32Array.from(
    { length: STOCKS * TAPE_ELEMS },
    (_, i) => mean[i % FEATURE_COUNT]! + std[i % FEATURE_COUNT]! * prng.nextNormal(),
  );
  for (let stock = 0; stock < STOCKS; stock++) {
    const from = stock * TAPE_ELEMS;
    tape.copyWithin(from + TAPE_ELEMS - WINDOW_ELEMS, from, from + WINDOW_ELEMS);
  }
  return tape;
}

/** The universe bar by bar once round the tape, the full pass and onnxruntime against the reference. */
async function checkAnswers(stocks: Stocks, reference: ReferenceEngine, peer: OnnxPeer | null): Promise<void> {
  const expected = new Float32Array(STOCKS * OUTPUT_STRIDE);
  const holdTo = (what: string) => {
    let worst = 0;
    for (let i = 0; i < expected.length; i++) {
      const difference = Math.abs(stocks.out[i]! - expected[i]!);
      if (!(difference <= worst)) worst = difference;
    }
    if (!(worst <= TOLERANCE)) throw new Error(`${what} is off by ${worst}; not timing it`);
  };
  for (let bar = 0; bar < TAPE_BARS; bar++) {
    stocks.universeBar();
    if (bar % 50 !== 0) continue;
    reference.predict(stocks.tape, stocks.offsets(), STOCKS, expected);
    holdTo("the incremental pass");
    stocks.universeFull();
    holdTo("the full pass");
    await peer?.predict(stocks.tape, stocks.offsets(), stocks.out);
    holdTo("onnxruntime");
  }
}
