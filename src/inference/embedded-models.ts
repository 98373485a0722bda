// The models inside the executable: files of the checkout when run from source, embedded ones in the compiled binary.

import untrainedCard from "../../models/untrained/card.json" with { type: "file" };
import untrainedWeights from "../../models/untrained/weights.safetensors" with { type: "file" };

export interface EmbeddedModel {
  readonly weightsPath: string;
  readonly cardPath: string;
}

/** By name. */
export const EMBEDDED_MODELS: Readonly<Record<string, EmbeddedModel | undefined>> = {
  // The compiler sees the JSON, the bundler a path.
  untrained: { weightsPath: untrainedWeights, cardPath: untrainedCard as unknown as string },
};
