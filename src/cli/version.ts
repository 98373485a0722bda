// The version of this build, from package.json.

import { version } from "../../package.json" with { type: "json" };

export const VERSION: string = version;
