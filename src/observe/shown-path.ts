// Paths as people see them.

import { isAbsolute, relative } from "node:path";

/** A path relative to the working folder where it is inside it, else as it is: reports get passed on, home folders should not. */
export function shownPath(path: string, workingFolder: string): string {
  if (!isAbsolute(path)) return path;
  const inside = relative(workingFolder, path);
  return inside === "" || inside.startsWith("..") || isAbsolute(inside) ? path : inside;
}
