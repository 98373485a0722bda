// Writes docs/denials.md from the lists of codes: bun src/observe/write-docs.ts

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { denialsMarkdown } from "./denials-document.ts";

writeFileSync(join(import.meta.dirname, "..", "..", "docs", "denials.md"), denialsMarkdown());
