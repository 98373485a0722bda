// Writes models/untrained: seeded weights, standardised on the first day of the sample. By hand, from the root of the checkout:
//
//   bun src/training/make-untrained.ts
//
// A test checks that it still makes the committed files byte for byte.

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { CARD_FILE, encodeModel, WEIGHTS_FILE } from "../inference/model-file.ts";
import { loadSampleDay, sampleDates } from "../market/sample.ts";
import { seededTensors } from "./seeded-model.ts";
import { standardisationOf } from "./standardisation.ts";

export const UNTRAINED_SEED = 20191217;

/** The two files of the untrained model. */
export async function makeUntrained(): Promise<{ weights: Uint8Array; card: string }> {
  const date = sampleDates[0]!;
  const bars = await loadSampleDay(date);
  const { mean, std, rowCount } = standardisationOf(bars);
  return encodeModel(
    {
      name: "untrained",
      isTrained: false,
      winRate: null,
      origin:
        `Seeded, not trained: its predictions mean nothing. Weights are normal deviates, seed ${UNTRAINED_SEED} (He for layers ` +
        `with ReLU, a fifth of Glorot for the heads), made by src/training/make-untrained.ts. Mean and deviation of the inputs ` +
        `are those of ${rowCount} feature rows of ${bars.symbols.length} ETFs on ${date} (data/sample).`,
      licence: "MIT",
    },
    seededTensors(UNTRAINED_SEED, mean, std),
  );
}

if (import.meta.main) {
  const folder = join("models", "untrained");
  const { weights, card } = await makeUntrained();
  await mkdir(folder, { recursive: true });
  await Bun.write(join(folder, WEIGHTS_FILE), weights);
  await Bun.write(join(folder, CARD_FILE), card);
  console.log(`wrote ${folder}: ${weights.length} bytes of weights`);
}
