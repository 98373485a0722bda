// Files imported `with { type: "file" }` are paths: on disk when run from source, inside the executable when compiled.
declare module "*.safetensors" {
  const path: string;
  export default path;
}
declare module "*.wasm" {
  const path: string;
  export default path;
}
