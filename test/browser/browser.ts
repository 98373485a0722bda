// A real Chromium for the tests of pages, out of npm packages alone: @sparticuz/chromium carries the browser, the shared
// libraries a bare machine lacks and a font; playwright-core drives it. Linux x64; elsewhere GYR_TEST_CHROMIUM names a browser.

import { chmodSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliDecompressSync } from "node:zlib";
import { type Browser, chromium } from "playwright-core";

const PACKAGE = "@sparticuz/chromium";

export interface TestBrowser {
  /** Null where no browser can start; `skipReason` then says why. */
  readonly browser: Browser | null;
  readonly skipReason: string;
}

/** Flags of a browser that shows our own pages only, as root in a container, without a GPU. */
const FLAGS = [
  "--no-sandbox",
  "--no-zygote",
  "--disable-gpu",
  "--disable-dev-shm-usage",
  "--font-render-hinting=none",
  "--force-color-profile=srgb",
];

/** Starts the browser. A browser that is there and does not start is an error only where the packages promise it. */
export async function startBrowser(): Promise<TestBrowser> {
  const own = process.env.GYR_TEST_CHROMIUM;
  if (own) return { browser: await chromium.launch({ executablePath: own, args: FLAGS }), skipReason: "" };
  if (process.platform !== "linux" || process.arch !== "x64") {
    return none(`the packaged Chromium is for linux x64, this is ${process.platform} ${process.arch}`);
  }
  const folder = await unpackChromium();
  try {
    const browser = await chromium.launch({
      executablePath: join(folder, "chromium"),
      args: FLAGS,
      env: {
        ...process.env,
        LD_LIBRARY_PATH: join(folder, "al2023/lib"),
        FONTCONFIG_PATH: join(folder, "fonts"),
        // Caches of fonts and crash reports stay out of the user's home.
        HOME: folder,
      },
    });
    return { browser, skipReason: "" };
  } catch (error) {
    return none(`Chromium does not start here: ${String(error).split("\n", 1)[0]}`);
  }
}

function none(reason: string): TestBrowser {
  return { browser: null, skipReason: `${reason}; GYR_TEST_CHROMIUM=<file> names another` };
}

/** The packaged font first; the system's, where there are any, for signs it lacks. */
function fontsConf(fonts: string, cache: string): string {
  const aliases = [
    ["system-ui", "Open Sans"],
    ["sans-serif", "Open Sans"],
    ["monospace", "DejaVu Sans Mono"],
  ].map(([asked, given]) => `<alias><family>${asked}</family><prefer><family>${given}</family></prefer></alias>`);
  return `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>${fonts}</dir><dir>/usr/share/fonts</dir><cachedir>${cache}</cachedir>${aliases.join("")}</fontconfig>
`;
}

/** Unpacks browser, libraries and fonts once into node_modules/.cache and returns the folder. */
async function unpackChromium(): Promise<string> {
  // The package exports neither its archives nor its package.json, so its folder is cut out of its entry's path.
  const entry = Bun.resolveSync(PACKAGE, import.meta.dir);
  const nodeModules = entry.slice(0, entry.lastIndexOf(`/${PACKAGE}/`));
  const home = join(nodeModules, PACKAGE);
  const { version } = await Bun.file(join(home, "package.json")).json();
  const folder = join(nodeModules, `.cache/gyr-chromium-${version}`);
  if (existsSync(folder)) return folder;

  const unpacked = `${folder}.${process.pid}`;
  mkdirSync(unpacked, { recursive: true });
  const inflate = async (name: string) => brotliDecompressSync(await Bun.file(join(home, "bin", name)).bytes());
  writeFileSync(join(unpacked, "chromium"), await inflate("chromium.br"));
  chmodSync(join(unpacked, "chromium"), 0o755);
  await new Bun.Archive(await inflate("al2023.tar.br")).extract(join(unpacked, "al2023"));
  await new Bun.Archive(await inflate("fonts.tar.br")).extract(join(unpacked, "fonts"));
  // The package's own file names folders of another machine, and a Chromium without a font crashes.
  writeFileSync(join(unpacked, "fonts/fonts.conf"), fontsConf(join(folder, "fonts"), join(folder, "font-cache")));
  try {
    renameSync(unpacked, folder);
  } catch (error) {
    // Another test process was first.
    rmSync(unpacked, { recursive: true, force: true });
    if (!existsSync(folder)) throw error;
  }
  return folder;
}
