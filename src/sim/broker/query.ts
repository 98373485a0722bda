// The query string of a request, field by field: absent is null, nonsense is a refusal that names the field.

import { invalid, Refusal } from "./refusal.ts";
import { parseTimestampUs } from "./rfc3339.ts";

export class Query {
  readonly #params: URLSearchParams;
  constructor(text: string) {
    this.#params = new URLSearchParams(text);
  }

  text(name: string): string | null {
    const value = this.#params.get(name);
    return value === null || value === "" ? null : value;
  }

  /** All values of a list, written with commas, by repeating the name, or both. */
  list(name: string): string[] {
    return this.#params
      .getAll(name)
      .flatMap((value) => value.split(","))
      .filter((value) => value !== "");
  }

  choice<T extends string>(name: string, allowed: readonly T[], otherwise: T): T | Refusal {
    const value = this.text(name);
    if (value === null) return otherwise;
    const found = allowed.find((candidate) => candidate === value.toLowerCase());
    return found ?? invalid(`invalid ${name}: must be one of ${allowed.join(", ")}`);
  }

  integer(name: string, min: number, max: number, otherwise: number): number | Refusal {
    const value = this.text(name);
    if (value === null) return otherwise;
    const number = /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN;
    return number >= min && number <= max ? number : invalid(`invalid ${name}: must be in ${min}..${max}`);
  }

  flag(name: string): boolean | Refusal {
    const value = this.choice(name, ["true", "false"], "false");
    return value instanceof Refusal ? value : value === "true";
  }

  /** Epoch us, `otherwise` when absent. */
  timestampUs(name: string, otherwise: number): number | Refusal {
    const value = this.text(name);
    if (value === null) return otherwise;
    const tsUs = parseTimestampUs(value);
    return Number.isNaN(tsUs) ? invalid(`invalid ${name}: must be an RFC 3339 timestamp or YYYY-MM-DD`) : tsUs;
  }

  /** YYYY-MM-DD, also from a timestamp; `otherwise` when absent. */
  date(name: string, otherwise: string): string | Refusal {
    const value = this.text(name);
    if (value === null) return otherwise;
    return Number.isNaN(parseTimestampUs(value)) ? invalid(`invalid ${name}: must be YYYY-MM-DD`) : value.slice(0, 10);
  }
}
