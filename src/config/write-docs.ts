// Writes docs/configuration.md from the schema: bun src/config/write-docs.ts

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { configMarkdown } from "./document.ts";

const folder = join(import.meta.dirname, "..", "..", "docs");
mkdirSync(folder, { recursive: true });
writeFileSync(join(folder, "configuration.md"), configMarkdown());
