// Keeps secrets out of messages. A configuration file is read by people who paste it into tickets, and a key may stand in it by
// mistake: what a key's name or a value's look gives away as a secret is never repeated.

/** Environment variables and names in the secrets file. */
export const SECRET_NAMES = ["ALPACA_KEY_ID", "ALPACA_SECRET_KEY", "POLYGON_API_KEY"] as const;
export type SecretName = (typeof SECRET_NAMES)[number];

const SECRET_WORDS =
  /secret|password|passwd|passphrase|token|apikey|accesskey|privatekey|keyid|credential|bearer|authorization/;
const HIDDEN = "[hidden]";
const TEXT_MAX = 80;

/** True for a name such as alpaca_secret_key, apiKey or POLYGON-TOKEN. */
export function isSecretName(name: string): boolean {
  return SECRET_WORDS.test(name.toLowerCase().replace(/[^a-z]/g, ""));
}

/** True for text that looks like a key: long, without spaces, letters and digits mixed. Paths and words do not. */
export function isSecretLooking(text: string): boolean {
  return /^(?![./~])[A-Za-z0-9_+/=-]{16,}$/.test(text) && /[A-Za-z]/.test(text) && /\d.*\d/.test(text);
}

/** `text` with everything that looks like a secret, and every value of a secret variable in `env`, replaced by "[hidden]". */
export function redact(text: string, env: Readonly<Record<string, string | undefined>> = {}): string {
  let clean = text;
  for (const name of SECRET_NAMES) {
    const value = env[name];
    if (value !== undefined && value.length >= 4) clean = clean.replaceAll(value, HIDDEN);
  }
  return clean.replace(/[A-Za-z0-9_+/=-]{16,}/g, (word) => (isSecretLooking(word) ? HIDDEN : word));
}

/** A value of the file as a message shows it: short, on one line, without secrets. */
export function showValue(value: unknown, env: Readonly<Record<string, string | undefined>> = {}): string {
  if (Array.isArray(value)) return showList(value, env);
  if (value instanceof Temporal.PlainDate || value instanceof Temporal.PlainTime) return value.toString();
  if (typeof value === "object" && value !== null) {
    return Object.getPrototypeOf(value) === Object.prototype ? "a table" : clip(redact(String(value), env));
  }
  if (typeof value === "string") return clip(JSON.stringify(redact(hideUserInfo(value), env)));
  return clip(String(value));
}

/** A name or a line of the file as a message shows it: without secrets, short, and without anything a terminal would act on. */
export function showName(name: string, env: Readonly<Record<string, string | undefined>> = {}): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is replaced.
  return clip(redact(name, env).replace(/[\u0000-\u001f\u007f-\u009f]/g, "?"));
}

function showList(values: readonly unknown[], env: Readonly<Record<string, string | undefined>>): string {
  if (values.length > 8 || values.some(Array.isArray)) return `a list of ${values.length}`;
  return clip(`[${values.map((value) => showValue(value, env)).join(", ")}]`);
}

/** Hides the user:password part of a URL. */
function hideUserInfo(text: string): string {
  return text.replace(/\/\/[^/@\s]*@/, `//${HIDDEN}@`);
}

function clip(text: string): string {
  return text.length <= TEXT_MAX ? text : `${text.slice(0, TEXT_MAX)}...`;
}
