// WGSL sources are imported as text: `import source from "./kernel.wgsl" with { type: "text" }`.
declare module "*.wgsl" {
  const source: string;
  export default source;
}
